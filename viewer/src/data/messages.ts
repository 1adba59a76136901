/** What the console of HL7 messages asks and changes. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { Message, MessagePage, MessagesState } from "./api";
import { get, send } from "./client";
import { whileHere } from "./live";
import { queryClient } from "./queries";

export type MessagesAsked = { direction?: string; state?: string; peer?: string; kind?: string; q?: string; page?: string };
export const MESSAGES = 50;

export function messagesQuery({ page = "0", ...asked }: MessagesAsked) {
  const search = new URLSearchParams({ limit: String(MESSAGES), offset: String(Number(page) * MESSAGES) });
  for (const [name, value] of Object.entries(asked)) if (value) search.set(name, value);
  return queryOptions({
    queryKey: ["messages", asked, page],
    queryFn: ({ signal }) => get<MessagePage>(`/api/hl7/messages?${search}`, signal),
    placeholderData: keepPreviousData,
    refetchInterval: whileHere(10_000),
  });
}

export const messageQuery = (id: string) => queryOptions({ queryKey: ["message", id], queryFn: ({ signal }) => get<Message>(`/api/hl7/messages/${id}`, signal) });
export const messagesStateQuery = () => queryOptions({ queryKey: ["messages", "state"], queryFn: ({ signal }) => get<MessagesState>("/api/hl7/state", signal), refetchInterval: whileHere(10_000) });

export const repair = (id: number, text: string) => changed(send("POST", `/api/hl7/messages/${id}/repair`, { text }));
export const replay = (id: number) => changed(send("POST", `/api/hl7/messages/${id}/replay`));
export const resend = (id: number) => changed(send("POST", `/api/hl7/messages/${id}/resend`));

async function changed(work: Promise<unknown>): Promise<void> {
  await work;
  await queryClient.invalidateQueries({ predicate: (query) => ["messages", "message"].includes(String(query.queryKey[0])) });
}
