/** What arrived lately, and what was put aside with the reason. */

import { Badge } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { ImportItem, ReceivedStudy } from "../data/api";
import { bytesText, momentText } from "../data/format";
import { importsQuery } from "../data/queries";
import { Thumbnail } from "../tools/Thumbnail";
import { Trouble } from "../tools/Trouble";

export function ImportsPage() {
  const { t } = useTranslation();
  const { data, error, refetch } = useQuery(importsQuery());
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="imports" aria-busy={!data}>
      <h1>{t("imports.title")}</h1>
      <section aria-labelledby="aside">
        <h2 id="aside">
          {t("imports.aside")} <span className="dim">{data?.aside.length ?? ""}</span>
        </h2>
        <p className="dim">{t("imports.asideText")}</p>
        {data?.aside.length === 0 && <p className="none">{t("imports.noAside")}</p>}
        <ul className="arrivals">
          {data?.aside.map((item) => (
            <Aside key={item.key} item={item} />
          ))}
        </ul>
      </section>
      <section aria-labelledby="recent">
        <h2 id="recent">{t("imports.recent")}</h2>
        {data?.recent.length === 0 && <p className="none">{t("imports.noRecent")}</p>}
        <ul className="arrivals">
          {data?.recent.map((study) => (
            <Received key={study.uid} study={study} />
          ))}
        </ul>
      </section>
    </div>
  );
}

function Aside({ item }: { item: ImportItem }) {
  const { t, i18n } = useTranslation();
  return (
    <li className="arrival">
      <Badge variant="light" color={item.status === "conflict" ? "yellow" : "red"}>
        {t(`imports.status.${item.status}`)}
      </Badge>
      <span className="arrival-text">
        <strong>{t(`codes.${item.code}`, { defaultValue: item.reason || item.code })}</strong>
        <span className="mono">{[item.name, item.code].filter(Boolean).join(" · ")}</span>
      </span>
      <span className="dim">{t(`imports.door.${item.door}`, { defaultValue: item.door })}</span>
      <span className="dim">{item.size ? bytesText(item.size, i18n.language) : ""}</span>
      <time dateTime={item.received_at ?? undefined}>{momentText(item.received_at, i18n.language)}</time>
    </li>
  );
}

function Received({ study }: { study: ReceivedStudy }) {
  const { t, i18n } = useTranslation();
  return (
    <li>
      <Link className="arrival" to="/studies/$study" params={{ study: study.uid }}>
        <Thumbnail series={study.series_uid} kind={study.kind} name="" />
        <span className="arrival-text">
          <strong>{study.patient_name || t("patient.unknown")}</strong>
          <span>{study.description}</span>
        </span>
        <span className="mono">{study.accession}</span>
        <span className="dim">{t("study.images", { count: study.instances })}</span>
        <time dateTime={study.received_at}>{momentText(study.received_at, i18n.language)}</time>
      </Link>
    </li>
  );
}
