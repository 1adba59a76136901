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

/** What every change carries, so that no other site can make it; the server tells it with the session. */
let proof = "page";

export function prove(csrf: string): void {
  proof = csrf || "page";
}

type Listener = () => void;
let onSignedOut: Listener = () => {};

/** Who is told when the server no longer knows who asks. */
export function whenSignedOut(listener: Listener): void {
  onSignedOut = listener;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await answered(path, { signal: signal ?? null })).json() as Promise<T>;
}

export async function send<T = void>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T> {
  return changed<T>(path, { method, headers: { "content-type": "application/json" }, body: body === undefined ? null : JSON.stringify(body) });
}

/** Sends a file as it is. */
export async function upload<T>(path: string, file: Blob): Promise<T> {
  return changed<T>(path, { method: "POST", headers: { "content-type": file.type || "application/octet-stream" }, body: file });
}

async function changed<T>(path: string, init: RequestInit): Promise<T> {
  const answer = await answered(path, { ...init, headers: { ...init.headers, "x-lamelle": proof } });
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

async function answered(path: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(path, { ...init, headers: { accept: "application/json", ...init.headers } });
  if (answer.ok) return answer;
  const problem = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  if (answer.status === 401 && !path.startsWith("/api/session")) onSignedOut();
  throw new Refused(answer.status, problem.code ?? "unknown", problem.detail ?? answer.statusText);
}
