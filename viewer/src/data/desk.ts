/** What the reconciliation desk and the list of expected slides ask and change. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { DecisionItem, DecisionNew, DeskPage, DeskSlide, ExpectedPage, Made } from "./api";
import { get, send } from "./client";
import { queryClient } from "./queries";

export function deskQuery(kind: string, q: string) {
  return queryOptions({
    queryKey: ["desk", "waiting", kind, q],
    queryFn: ({ signal }) => get<DeskPage>(`/api/desk?${new URLSearchParams({ kind, q })}`, signal),
    placeholderData: keepPreviousData,
  });
}

export const decisionsQuery = () => queryOptions({ queryKey: ["desk", "decisions"], queryFn: ({ signal }) => get<DecisionItem[]>("/api/desk/decisions", signal) });

/** Slides by accession or identifier, for a label a person can read and a program could not. */
export const soughtQuery = (q: string) => queryOptions({ queryKey: ["desk", "sought", q], queryFn: ({ signal }) => get<DeskSlide[]>(`/api/desk/slides?${new URLSearchParams({ q })}`, signal), enabled: q.length > 1, placeholderData: keepPreviousData });

export function expectedQuery(day: string) {
  return queryOptions({
    queryKey: ["desk", "expected", day],
    queryFn: ({ signal }) => get<ExpectedPage>(`/api/expected?${new URLSearchParams({ day })}`, signal),
    placeholderData: keepPreviousData,
  });
}

export const decide = (decision: DecisionNew) => changed(send<Made>("POST", "/api/desk/decisions", decision));
export const undo = (id: number) => changed(send("DELETE", `/api/desk/decisions/${id}`));

const MOVED = ["desk", "scan", "flow"];

async function changed<T>(work: Promise<T>): Promise<T> {
  const done = await work;
  await Promise.all(MOVED.map((name) => queryClient.invalidateQueries({ queryKey: [name] })));
  return done;
}
