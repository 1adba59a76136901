/** What the pages of the ledger, of emergencies and of shares ask and change. */

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { AuditPage, AuditState, Emergency, EmergencyNew, EmergencyOpened, ShareItem, ShareNew } from "./api";
import { get, send } from "./client";
import { queryClient } from "./queries";

export type Asked = { patient_id: string; study_uid: string; actor: string; action: string; outcome: string; from: string; to: string };
export const ENTRIES = 50;

/** Days are those of the reader's clock: `to` is the whole of its day. */
export function ledgerAddress(path: string, asked: Partial<Asked>, more: Record<string, string> = {}): string {
  const search = new URLSearchParams(more);
  const moments = { ...asked, from: moment(asked.from, "00:00:00.000"), to: moment(asked.to, "23:59:59.999") };
  for (const [name, value] of Object.entries(moments)) if (value) search.set(name, value);
  return `${path}?${search}`;
}

function moment(day: string | undefined, time: string): string {
  const found = new Date(`${day}T${time}`);
  return Number.isNaN(found.getTime()) ? "" : found.toISOString();
}

export function entriesQuery(asked: Partial<Asked>) {
  return infiniteQueryOptions({
    queryKey: ["audit", asked],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) => get<AuditPage>(ledgerAddress("/api/audit/entries", asked, { limit: String(ENTRIES), ...(pageParam && { after: pageParam }) }), signal),
    getNextPageParam: (last) => last.next,
  });
}

export const ledgerStateQuery = () => queryOptions({ queryKey: ["ledger"], queryFn: ({ signal }) => get<AuditState>("/api/audit/state", signal)});

export async function verifyLedger(): Promise<void> {
  queryClient.setQueryData(ledgerStateQuery().queryKey, await send<AuditState>("POST", "/api/audit/verify"));
}

export const emergenciesQuery = (open: boolean) => queryOptions({ queryKey: ["emergencies", open], queryFn: ({ signal }) => get<Emergency[]>(`/api/emergencies?open=${open}`, signal) });

export async function review(id: number, note: string): Promise<void> {
  await send("POST", `/api/emergencies/${id}/review`, { note });
  await queryClient.invalidateQueries({ queryKey: ["emergencies"] });
}

/** The emergencies this person has opened and that are not over. */
export const myEmergenciesQuery = () => queryOptions({ queryKey: ["emergency"], queryFn: ({ signal }) => get<EmergencyOpened[]>("/api/emergency", signal), staleTime: 30_000 });

export async function breakGlass(asked: EmergencyNew): Promise<EmergencyOpened> {
  const opened = await send<EmergencyOpened>("POST", "/api/emergency", asked);
  await queryClient.invalidateQueries({ predicate: (query) => ["emergency", "studies", "study"].includes(String(query.queryKey[0])) });
  return opened;
}

export const sharesQuery = (study: string) => queryOptions({ queryKey: ["shares", study], queryFn: ({ signal }) => get<ShareItem[]>(`/api/studies/${study}/shares`, signal) });

export async function share(study: string, guest: ShareNew): Promise<void> {
  await send("POST", `/api/studies/${study}/shares`, guest);
  await queryClient.invalidateQueries({ queryKey: ["shares", study] });
}

export async function withdraw(study: string, id: number): Promise<void> {
  await send("DELETE", `/api/shares/${id}`);
  await queryClient.invalidateQueries({ queryKey: ["shares", study] });
}
