/** Requests to our own server; errors as the server explains them. */

import type { Problem } from "./api";

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await fetch(path, { headers: { accept: "application/json" }, signal: signal ?? null });
  if (answer.ok) return (await answer.json()) as T;
  const problem = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  throw new Refused(answer.status, problem.code ?? "unknown", problem.detail ?? answer.statusText);
}
