/** What the pages ask of the server, with how long an answer stays good. */

import { keepPreviousData, QueryClient, queryOptions } from "@tanstack/react-query";
import type { ImportPage, Slide, Stack, Study, StudyPage } from "./api";
import { get, Refused } from "./client";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => count < 2 && !(error instanceof Refused && error.status < 500),
      refetchOnWindowFocus: true,
    },
  },
});

export type Filters = { q: string; modality: string; from: string; to: string };
export const PAGE = 40;

export function studiesQuery(filters: Filters, page: number) {
  const asked = new URLSearchParams({ limit: String(PAGE), offset: String(page * PAGE) });
  for (const [key, value] of Object.entries(filters)) if (value) asked.set(key, value);
  return queryOptions({
    queryKey: ["studies", filters, page],
    queryFn: ({ signal }) => get<StudyPage>(`/api/studies?${asked}`, signal),
    placeholderData: keepPreviousData,
  });
}

export function studyQuery(uid: string) {
  return queryOptions({
    queryKey: ["study", uid],
    queryFn: ({ signal }) => get<Study>(`/api/studies/${uid}`, signal),
    staleTime: 30_000,
  });
}

export function slideQuery(uid: string) {
  return queryOptions({
    queryKey: ["slide", uid],
    queryFn: ({ signal }) => get<Slide>(`/api/slides/${uid}`, signal),
    staleTime: 30_000,
  });
}

export function stackQuery(uid: string) {
  return queryOptions({
    queryKey: ["stack", uid],
    queryFn: ({ signal }) => get<Stack>(`/api/series/${uid}/stack`, signal),
    staleTime: 30_000,
  });
}

export function importsQuery() {
  return queryOptions({
    queryKey: ["imports"],
    queryFn: ({ signal }) => get<ImportPage>("/api/imports", signal),
    refetchInterval: 5_000,
  });
}
