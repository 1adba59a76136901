/** Merges of patients: the newest, those of somebody, and the way back from one. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { MergeItem } from "./api";
import { get, send } from "./client";
import { queryClient } from "./queries";

export function mergesQuery(q: string) {
  return queryOptions({ queryKey: ["merges", q], queryFn: ({ signal }) => get<MergeItem[]>(`/api/merges?${new URLSearchParams({ q })}`, signal), placeholderData: keepPreviousData });
}

/** Also when it is refused: somebody else was quicker. */
export async function undoMerge(id: number): Promise<void> {
  try {
    await send("POST", `/api/merges/${id}/undo`);
  } finally {
    await Promise.all(["merges", "cases", "case"].map((name) => queryClient.invalidateQueries({ queryKey: [name] })));
  }
}
