/** What the pages of an account and of the administration ask and change. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type {
  Account,
  Grant,
  OneTimePassword,
  PersonItem,
  PlaceChange,
  PlaceItem,
  PlaceNew,
  RecoveryCodes,
  RoleNew,
  SessionItem,
  TokenItem,
  TokenMade,
  TokenNew,
  Totp,
  UserChange,
  UserItem,
  UserMade,
  UserNew,
  UserPage,
} from "./api";
import { get, send } from "./client";
import { queryClient } from "./queries";

function asked<T>(key: string[], path: string) {
  return queryOptions({ queryKey: key, queryFn: ({ signal }) => get<T>(path, signal) });
}

/** Runs a change, then asks again what it may have changed. */
async function changed<T>(names: string[], work: Promise<T>): Promise<T> {
  const done = await work;
  await Promise.all(names.map((name) => queryClient.invalidateQueries({ queryKey: [name] })));
  return done;
}

export const accountQuery = () => asked<Account>(["account"], "/api/account");
export const sessionsQuery = () => asked<SessionItem[]>(["sessions"], "/api/account/sessions");
export const tokensQuery = () => asked<TokenItem[]>(["tokens"], "/api/account/tokens");
export const placesQuery = () => asked<PlaceItem[]>(["places"], "/api/places");
export const rolesQuery = () => asked<Grant[]>(["roles"], "/api/roles");
export const namesQuery = (q: string) => queryOptions({ ...asked<PersonItem[]>(["names", q], `/api/people?${new URLSearchParams({ q })}`), enabled: q.length > 1 });
export const USERS = 50;

export function usersQuery(q: string, page: number) {
  const search = new URLSearchParams({ q, limit: String(USERS), offset: String(page * USERS) });
  return queryOptions({ queryKey: ["users", q, page], queryFn: ({ signal }) => get<UserPage>(`/api/users?${search}`, signal), placeholderData: keepPreviousData });
}

export const endSession = (id: string) => changed(["sessions"], send("DELETE", `/api/account/sessions/${id}`));
export const beginTotp = () => send<Totp>("POST", "/api/account/totp");
export const confirmTotp = (code: string) => changed(["account"], send<RecoveryCodes>("POST", "/api/account/totp/confirm", { code }));
export const dropTotp = (password: string) => changed(["account"], send("DELETE", "/api/account/totp", { password }));
export const newRecovery = () => changed(["account"], send<RecoveryCodes>("POST", "/api/account/recovery"));
export const makeToken = (token: TokenNew) => changed(["tokens"], send<TokenMade>("POST", "/api/account/tokens", token));
export const revokeToken = (id: string) => changed(["tokens"], send("DELETE", `/api/account/tokens/${id}`));

export const addUser = (user: UserNew) => changed(["users"], send<UserMade>("POST", "/api/users", user));
export const changeUser = (id: number, values: UserChange) => changed(["users"], send<UserItem>("PATCH", `/api/users/${id}`, values));
export const resetPassword = (id: number) => changed(["users"], send<OneTimePassword>("POST", `/api/users/${id}/password`));
export const endSessions = (id: number) => changed(["users"], send("DELETE", `/api/users/${id}/sessions`));
export const dropUserTotp = (id: number) => changed(["users"], send("DELETE", `/api/users/${id}/totp`));
export const giveRole = (id: number, role: RoleNew) => changed(["users"], send("POST", `/api/users/${id}/roles`, role));
export const takeRole = (id: number, membership: number) => changed(["users"], send("DELETE", `/api/users/${id}/roles/${membership}`));
export const addPlace = (place: PlaceNew) => changed(["places"], send<PlaceItem>("POST", "/api/places", place));
export const changePlace = (id: number, values: PlaceChange) => changed(["places"], send<PlaceItem>("PATCH", `/api/places/${id}`, values));
