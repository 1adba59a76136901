/** Who is signed in, for which purpose, and what they may do. */

import { queryOptions, useQuery } from "@tanstack/react-query";
import type { Action, Purpose, Role, Session, SignedOut } from "./api";
import { get, prove, send, whenSignedOut } from "./client";
import { queryClient } from "./queries";

export const sessionQuery = () =>
  queryOptions({
    queryKey: ["session"],
    queryFn: ({ signal }) => askSession(signal),
    staleTime: 20_000,
    refetchOnWindowFocus: "always", // a screen left alone may have lost its session
  });

export async function askSession(signal?: AbortSignal): Promise<Session> {
  return proven(await get<Session>("/api/session", signal));
}

export function useSession(): Session | undefined {
  return useQuery(sessionQuery()).data;
}

/** Whether data may be asked for at all. */
export const isIn = (session: Session | undefined) => Boolean(session && (session.signed_in || !session.required));

export const may = (session: Session | undefined, action: Action) => Boolean(session?.actions.includes(action));

/** Where somebody begins: who reads at the cases, who scans at the desk, others at the studies. */
export function homeOf(session: Session): "/cases" | "/desk" | "/studies" {
  const is = (...wanted: Role[]) => session.required && session.roles.some(({ role }) => wanted.includes(role));
  if (is("pathologist", "resident") && may(session, "read")) return "/cases";
  return is("technician") && may(session, "schedule") ? "/desk" : "/studies";
}

export const signIn = (login: string, password: string) => step("", { login, password });
export const secondFactor = (code: string) => step("/second", { code });
export const newPassword = (old: string, fresh: string) => step("/password", { old, new: fresh });

/** For another purpose other studies are within reach: nothing known before is kept. */
export async function lookFor(purpose: Purpose): Promise<void> {
  const session = await step("/purpose", { purpose });
  keep(session);
  queryClient.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" && !query.isActive() });
  await queryClient.resetQueries({ predicate: (query) => query.queryKey[0] !== "session" });
}

/** The page is loaded anew, so that nothing of the person stays in memory. */
export async function signOut(): Promise<void> {
  const { to } = await send<SignedOut>("DELETE", "/api/session");
  location.assign(to || "/sign-in");
}

export function keep(session: Session): void {
  queryClient.setQueryData(sessionQuery().queryKey, session);
}

async function step(path: string, body: unknown): Promise<Session> {
  return proven(await send<Session>("POST", `/api/session${path}`, body));
}

function proven(session: Session): Session {
  prove(session.csrf);
  return session;
}

/** Asks who is signed in again, when something that cannot say why has failed: a tile, a picture. */
export function askAgain(): void {
  void queryClient.invalidateQueries({ queryKey: ["session"] });
}

whenSignedOut(() => {
  const known = queryClient.getQueryData(sessionQuery().queryKey);
  if (known?.signed_in && known.required) keep({ ...known, signed_in: false, step: "" });
  prove("");
});

/** Where to go after signing in: an address of ours, never another site's. */
export function comeBack(asked: string | undefined): string {
  return asked && /^\/(?![/\\])/.test(asked) && !asked.startsWith("/sign-in") ? asked : "/";
}
