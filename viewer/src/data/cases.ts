/** What the worklist and the page of a case ask and change. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { Case, CaseItem, CasePage, Made, Proposal, ReportVersion, TechniqueNew, Worklists } from "./api";
import { get, Refused, send, upload } from "./client";
import { queryClient } from "./queries";

export const CASE_FILTERS = ["view", "q", "urgency", "state", "specialty", "department", "sort"] as const;
/** As in the address, as in what the server is asked, and as a saved view keeps it. */
export type CaseFilters = { [name in (typeof CASE_FILTERS)[number]]?: string | undefined };
export const CASES = 50;

export function caseSearch(filters: CaseFilters): URLSearchParams {
  return new URLSearchParams(CASE_FILTERS.flatMap((name) => (filters[name] ? [[name, filters[name]]] : [])));
}

export const worklistsQuery = () => queryOptions({ queryKey: ["worklists"], queryFn: ({ signal }) => get<Worklists>("/api/worklists", signal) });

export function casesQuery(filters: CaseFilters, page: number) {
  const asked = caseSearch(filters);
  asked.set("limit", String(CASES));
  asked.set("offset", String(page * CASES));
  return queryOptions({ queryKey: ["cases", filters, page], queryFn: ({ signal }) => get<CasePage>(`/api/cases?${asked}`, signal), placeholderData: keepPreviousData });
}

export const caseQuery = (id: number) => queryOptions({ queryKey: ["case", id], queryFn: ({ signal }) => get<Case>(`/api/cases/${id}`, signal), staleTime: 30_000 });
export const proposalsQuery = (id: number) => queryOptions({ queryKey: ["proposals", id], queryFn: ({ signal }) => get<Proposal[]>(`/api/cases/${id}/proposals`, signal) });

/** What is shown of cases is asked for again; the lists are not waited for. */
export async function askCases(...ids: number[]): Promise<void> {
  for (const name of ["cases", "worklists"]) void queryClient.invalidateQueries({ queryKey: [name] });
  await Promise.all(ids.map((id) => queryClient.invalidateQueries({ queryKey: ["case", id] })));
}

async function changed<T>(id: number, work: Promise<T>): Promise<T> {
  const done = await work;
  await askCases(id);
  return done;
}

export const openCase = (id: number) => changed(id, send("POST", `/api/cases/${id}/open`));
export const assign = (id: number, actor: number | null) => changed(id, send("POST", `/api/cases/${id}/assign`, { actor }));
export const askTechnique = (id: number, asked: TechniqueNew) => send<Made>("POST", `/api/cases/${id}/techniques`, asked);
export const finishReport = (id: number, version: number, state: "preliminary" | "final") => changed(id, send("POST", `/api/cases/${id}/report/${version}/finish`, { state }));
export const cancelTechnique = (id: number, technique: number) => changed(id, send("DELETE", `/api/cases/${id}/techniques/${technique}`));

export async function attach(id: number, kind: string, file: File): Promise<void> {
  const title = file.name.replace(/\.[^.]*$/, "");
  await changed(id, upload<Made>(`/api/cases/${id}/attachments?${new URLSearchParams({ kind, title })}`, await archivable(file)));
}

/** A picture as the archive takes it: what is no PDF and no JPEG is drawn once and kept as JPEG. */
async function archivable(file: File): Promise<Blob> {
  if (file.type === "application/pdf" || file.type === "image/jpeg") return file;
  const picture = await createImageBitmap(file).catch(() => {
    throw new Refused(415, "unsupported_document", "");
  });
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d")!.drawImage(picture, 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}

/** Keeps a draft; the answer is the version to write over next. The case is asked again only when somebody else has written: its text is being typed. */
export async function writeReport(id: number, text: string, version: number): Promise<ReportVersion> {
  try {
    return await send<ReportVersion>("PUT", `/api/cases/${id}/report`, { text, version });
  } catch (problem) {
    if (problem instanceof Refused && problem.code === "stale_report") void queryClient.invalidateQueries({ queryKey: ["case", id] });
    throw problem;
  }
}

/** What a report says now, and the version to write over: what is cancelled was replaced. */
export function writtenOf(found: Case): { text: string; version: number } {
  const standing = found.reports.filter((report) => report.state !== "cancelled");
  return { text: standing[standing.length - 1]?.text ?? "", version: Math.max(0, ...found.reports.map((report) => report.version)) };
}

/** The same, asked anew. */
export const askWritten = async (id: number) => writtenOf(await queryClient.fetchQuery({ ...caseQuery(id), staleTime: 0 }));

export const saveView = (name: string, filters: CaseFilters) => viewsChanged(send("POST", "/api/views", { name, query: caseSearch(filters).toString() }));
export const dropView = (id: number) => viewsChanged(send("DELETE", `/api/views/${id}`));

async function viewsChanged(work: Promise<unknown>): Promise<void> {
  await work;
  await queryClient.invalidateQueries({ queryKey: ["worklists"] });
}

/** The cases of the list last looked at, in its order, so that the page of a case knows the next one. */
let walked: number[] = [];

export function walk(items: CaseItem[]): void {
  walked = items.map((item) => item.id);
}

export function beside(id: number): { before: number | undefined; after: number | undefined } {
  const index = walked.indexOf(id);
  return index < 0 ? { before: undefined, after: undefined } : { before: walked[index - 1], after: walked[index + 1] };
}
