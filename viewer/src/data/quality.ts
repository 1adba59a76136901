/** What the quality of a scan and its thresholds ask and change. */

import { queryOptions } from "@tanstack/react-query";
import type { Limit, ScanQuality, Threshold } from "./api";
import { get, send } from "./client";
import { queryClient } from "./queries";

export type Heat = ScanQuality["heatmaps"][number];

export const qualityQuery = (scan: string) => queryOptions({ queryKey: ["scan", scan], queryFn: ({ signal }) => get<ScanQuality>(`/api/scans/${scan}/quality`, signal) });
export const heatmapOf = (scan: number, kind: Heat) => `/api/scans/${scan}/heatmap.png?kind=${kind}`;
export const thresholdsQuery = () => queryOptions({ queryKey: ["thresholds"], queryFn: ({ signal }) => get<Threshold[]>("/api/quality/thresholds", signal) });

export async function setThresholds(limits: Limit[]): Promise<void> {
  await send("PUT", "/api/quality/thresholds", limits);
  await queryClient.invalidateQueries({ queryKey: ["thresholds"] });
}

/** It is looked at soon, by a job. */
export const lookAgain = (scan: number) => send("POST", `/api/scans/${scan}/quality`);
