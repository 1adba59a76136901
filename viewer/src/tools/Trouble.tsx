/** When something cannot be shown: what, why, and what to do. */

import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Refused } from "../data/client";
import { may, useSession } from "../data/session";

const KINDS: Record<number, string> = { 401: "ended", 403: "denied", 404: "missing", 410: "gone" };

export function Trouble({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const refused = error instanceof Refused ? error : null;
  const kind = refused ? KINDS[refused.status] : "offline";
  return (
    <div className="trouble" role="alert">
      <h2>{t(kind === "missing" ? "errors.nothing" : kind === "denied" ? "denied.title" : "errors.title")}</h2>
      <p>{kind ? t(`errors.${kind}`) : refused!.message}</p>
      {kind === "missing" && session?.required && may(session, "break_glass") && (
        <p>
          {t("emergency.hint")} <Link to="/emergency">{t("emergency.open")}</Link>
        </p>
      )}
      {refused && kind !== "missing" && (
        <p className="code">
          {t("errors.code")} {refused.code}
        </p>
      )}
      <p className="trouble-ways">
        {onRetry && kind !== "missing" && kind !== "gone" && (
          <button type="button" className="chip" onClick={onRetry}>
            {t("errors.retry")}
          </button>
        )}
        <Link to="/studies" className="chip">
          {t("study.back")}
        </Link>
      </p>
    </div>
  );
}

/** An address that no page has. */
export function Missing() {
  return <Trouble error={new Refused(404, "no_such_page", "")} />;
}
