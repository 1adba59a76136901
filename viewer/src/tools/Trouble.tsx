/** When something cannot be shown: what, why, and what to do. */

import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Refused } from "../data/client";

export function Trouble({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const refused = error instanceof Refused ? error : null;
  const why = refused === null ? t("errors.offline") : refused.status === 410 ? t("errors.gone") : refused.status === 404 ? t("errors.missing") : refused.message;
  return (
    <div className="trouble" role="alert">
      <h2>{t("errors.title")}</h2>
      <p>{why}</p>
      {refused && (
        <p className="code">
          {t("errors.code")} {refused.code}
        </p>
      )}
      <p>
        {onRetry && (
          <button type="button" className="chip" onClick={onRetry}>
            {t("errors.retry")}
          </button>
        )}
        <Link to="/" className="chip">
          {t("study.back")}
        </Link>
      </p>
    </div>
  );
}
