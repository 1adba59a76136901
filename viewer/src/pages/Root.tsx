/** Around every page: who may open it, and the dialog of a session that has ended. */

import { Navigate, Outlet, type RouteComponent, useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Action } from "../data/api";
import { askAgain, isIn, may, useSession } from "../data/session";
import { SignInAgain } from "./SignInAgain";

export function Root() {
  const session = useSession();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const login = useRef("");
  if (session?.signed_in) login.current = session.login;
  useEnd(session?.until ?? null);
  return (
    <>
      <Outlet />
      {session && !isIn(session) && path !== "/sign-in" && <SignInAgain session={session} login={login.current} />}
    </>
  );
}

/** Asks again when the session should be over, so that a screen left alone does not go on showing patients. */
function useEnd(until: string | null) {
  useEffect(() => {
    if (!until) return;
    const timer = setTimeout(askAgain, Math.min(Math.max(Date.parse(until) - Date.now() + 1500, 1500), 2 ** 31 - 1));
    return () => clearTimeout(timer);
  }, [until]);
}

/** A page for those who may do something; in plain words for the others. */
export function needing(action: Action, Page: RouteComponent): RouteComponent {
  const Guarded = () => (
    <Needs action={action}>
      <Page />
    </Needs>
  );
  return Object.assign(Guarded, Page.preload && { preload: Page.preload });
}

function Needs({ action, children }: { action: Action; children: ReactNode }) {
  const session = useSession();
  if (!session || may(session, action)) return children;
  if (action === "view" && session.purposes.length < 2) {
    if (may(session, "audit")) return <Navigate to="/audit" replace />;
    if (may(session, "administer")) return <Navigate to="/people" replace />;
  }
  return <NotForYou action={action} />;
}

export function NotForYou({ action }: { action: Action }) {
  const { t } = useTranslation();
  const session = useSession();
  return (
    <div className="trouble" role="alert">
      <h2>{t("denied.title")}</h2>
      <p>{t(`denied.${action}`, { defaultValue: t("denied.text") })}</p>
      {session && session.purposes.length > 1 && <p className="dim">{t("denied.purpose", { purpose: t(`purposes.${session.purpose}.name`) })}</p>}
    </div>
  );
}
