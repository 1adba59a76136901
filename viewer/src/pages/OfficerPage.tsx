/** For the data-protection officer: who saw this patient, what did this person see, what was refused. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AuditItem } from "../data/api";
import { momentText } from "../data/format";
import { entriesQuery, ledgerAddress } from "../data/ledger";
import { DayField } from "../tools/DayField";
import { Mark } from "../tools/Mark";
import { Trouble } from "../tools/Trouble";
import type { AuditSearch } from "./router";
import { Tabs } from "./Tabs";

const ACTIONS = ["view", "search", "retrieve", "export", "store", "delete", "purge", "share", "break_glass", "sign_in", "sign_in_refused", "sign_out", "rights_changed", "user_changed", "token_created", "audit_read"];
const OUTCOMES = ["success", "refused", "failed"] as const;

export function OfficerPage() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/lists/audit" });
  const navigate = useNavigate();
  const change = (values: Partial<AuditSearch>) => void navigate({ to: "/audit", search: { ...search, ...values }, replace: true });
  return (
    <div className="page">
      <Tabs of="audit" />
      <div className="page-head">
        <h1>{t("audit.title")}</h1>
        <span className="together">
          {(["csv", "fhir"] as const).map((format) => (
            <Button key={format} component="a" variant="default" size="sm" href={ledgerAddress("/api/audit/export", search, { format })} download>
              {t(`audit.export.${format}`)}
            </Button>
          ))}
        </span>
      </div>
      <div className="filters" role="search">
        <Word name={t("audit.patient")} value={search.patient_id ?? ""} onWord={(patient_id) => change({ patient_id })} />
        <Word name={t("audit.person")} value={search.actor ?? ""} onWord={(actor) => change({ actor })} />
        <NativeSelect aria-label={t("audit.action")} value={search.action ?? ""} onChange={(event) => change({ action: event.currentTarget.value })} data={[{ value: "", label: t("audit.anyAction") }, ...ACTIONS.map((value) => ({ value, label: t(`audit.actions.${value}`) }))]} />
        <NativeSelect aria-label={t("audit.outcome")} value={search.outcome ?? ""} onChange={(event) => change({ outcome: event.currentTarget.value })} data={[{ value: "", label: t("audit.anyOutcome") }, ...OUTCOMES.map((value) => ({ value, label: t(`audit.outcomes.${value}`) }))]} />
        <DayField name={t("studies.from")} day={search.from ?? ""} onDay={(from) => change({ from })} />
        <DayField name={t("studies.to")} day={search.to ?? ""} onDay={(to) => change({ to })} />
        {search.study_uid && (
          <span className="mono uid" title={search.study_uid}>
            {search.study_uid}
          </span>
        )}
        {Object.keys(search).length > 0 && (
          <Button variant="subtle" onClick={() => void navigate({ to: "/audit", search: {}, replace: true })}>
            {t("studies.clear")}
          </Button>
        )}
      </div>
      <Entries asked={search} />
    </div>
  );
}

/** Asked for once typing rests. */
function Word({ name, value, onWord }: { name: string; value: string; onWord: (word: string) => void }) {
  const [typed, setTyped] = useState(value);
  const [word] = useDebouncedValue(typed.trim(), 250);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (word !== value && word === typed.trim()) onWord(word);
  });
  return <TextInput aria-label={name} placeholder={name} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autoComplete="off" spellCheck={false} />;
}

function Entries({ asked }: { asked: AuditSearch }) {
  const { t } = useTranslation();
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetching } = useInfiniteQuery(entriesQuery(asked));
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const items = data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <div aria-busy={isFetching}>
      {data && items.length === 0 && <p className="none">{t("audit.nothing")}</p>}
      {items.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={t("audit.title")}>
          <table className="ledger">
            <thead>
              <tr>
                {["when", "person", "action", "patientStudy", "from", "why"].map((name) => (
                  <th key={name} scope="col">
                    {t(`audit.columns.${name}`)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {items.map((item) => (
                <Entry key={item.number} item={item} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {hasNextPage && (
        <div className="pager">
          <Button variant="default" loading={isFetching} onClick={() => void fetchNextPage()}>
            {t("audit.older")}
          </Button>
        </div>
      )}
    </div>
  );
}

function Entry({ item }: { item: AuditItem }) {
  const { t, i18n } = useTranslation();
  const detail = Object.entries(item.detail);
  return (
    <tr>
      <td className="nowrap">
        <time dateTime={item.at}>{momentText(item.at, i18n.language)}</time>
        <span className="dim mono">n° {item.number}</span>
      </td>
      <td>
        <Link to="/audit" search={{ actor: item.actor }}>
          {item.actor}
        </Link>
        <span className="dim">{item.purpose && t(`purposes.${item.purpose}.name`, { defaultValue: item.purpose })}</span>
      </td>
      <td>
        <span>{t(`audit.actions.${item.action}`, { defaultValue: item.action })}</span>
        {item.outcome !== "success" && (
          <Mark tone={item.outcome === "refused" ? "warn" : "bad"}>
            {t(`audit.outcomes.${item.outcome}`)}
          </Mark>
        )}
      </td>
      <td>
        {item.patient_id && (
          <Link to="/audit" search={{ patient_id: item.patient_id }}>
            {item.patient_id}
          </Link>
        )}
        {item.study_uid && (
          <Link className="mono uid" to="/audit" search={{ study_uid: item.study_uid }} title={item.study_uid}>
            {item.study_uid}
          </Link>
        )}
        {item.subject && <span className="dim">{item.subject}</span>}
      </td>
      <td className="mono dim">{item.address}</td>
      <td>
        <span>{item.reason}</span>
        {detail.length > 0 && <span className="dim mono">{detail.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(" · ")}</span>}
      </td>
    </tr>
  );
}
