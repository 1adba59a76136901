/** What the dashboard of the laboratory asks, and the fleet of scanners. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { Flow, ScannerChange } from "./api";
import { get, send } from "./client";
import { whileHere } from "./live";
import { queryClient } from "./queries";

export function flowQuery(days: string, department: string) {
  const asked = new URLSearchParams({ days, ...(department && { department }) });
  return queryOptions({ queryKey: ["flow", days, department], queryFn: ({ signal }) => get<Flow>(`/api/flow?${asked}`, signal), placeholderData: keepPreviousData, refetchInterval: whileHere(60_000) });
}

export async function changeScanner(id: number, values: ScannerChange): Promise<void> {
  await send("PATCH", `/api/scanners/${id}`, values);
  await queryClient.invalidateQueries({ queryKey: ["flow"] });
}
