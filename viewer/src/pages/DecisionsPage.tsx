/** What was decided on the desk, the newest first, and the way back from it. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { DecisionItem } from "../data/api";
import { decisionsQuery, undo } from "../data/desk";
import { momentText } from "../data/format";
import { Icon } from "../tools/icons";
import { Thumbnail } from "../tools/Thumbnail";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";
import { Tabs } from "./Tabs";

export function DecisionsPage() {
  const { t } = useTranslation();
  const { data, error, refetch } = useQuery(decisionsQuery());
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="lab" />
      <Link to="/desk" className="quiet back">
        <Icon name="back" size={18} />
        <span>{t("desk.title")}</span>
      </Link>
      <h1>{t("decisions.title")}</h1>
      {data?.length === 0 && <p className="none">{t("decisions.none")}</p>}
      <ul className="plain decisions">
        {data?.map((decision) => (
          <Decision key={decision.id} decision={decision} />
        ))}
      </ul>
    </div>
  );
}

function Decision({ decision }: { decision: DecisionItem }) {
  const { t, i18n } = useTranslation();
  const { busy, error, run } = useWork();
  const name = decision.identifier || decision.accession;
  return (
    <li className="decision">
      {decision.series_uid ? <Thumbnail series={decision.series_uid} kind="slide" name="" /> : <span />}
      <span className="two">
        <strong>{t(`decisions.kinds.${decision.kind}`)}</strong>
        <span className="dim">
          <span className="mono">{decision.identifier}</span> {decision.accession && `· ${decision.accession}`} {decision.reason && `· ${decision.reason}`}
        </span>
      </span>
      <span className="two">
        <span>{decision.actor}</span>
        <time className="dim" dateTime={decision.decided_at}>
          {momentText(decision.decided_at, i18n.language)}
        </time>
      </span>
      {decision.undone_at ? (
        <span className="dim">{t("decisions.undone", { who: decision.undone_by, time: momentText(decision.undone_at, i18n.language) })}</span>
      ) : (
        <Button variant="default" size="xs" loading={busy} aria-label={`${t("desk.undo")} : ${name}`} onClick={() => void run(() => undo(decision.id))}>
          {t("desk.undo")}
        </Button>
      )}
      {error && (
        <span className="bad" role="alert">
          {error}
        </span>
      )}
    </li>
  );
}
