/** Whether the ledger is as it was written: how far it is sealed, its last signature, and a check on demand. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { momentText, numberText } from "../data/format";
import { ledgerStateQuery, verifyLedger } from "../data/ledger";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";
import { Tabs } from "./Tabs";

export function LedgerPage() {
  const { t, i18n } = useTranslation();
  const { data, error, refetch } = useQuery(ledgerStateQuery());
  const { busy, error: failed, run } = useWork();
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const moment = (iso: string | null | undefined) => (iso ? momentText(iso, i18n.language) : t("ledger.notYet"));
  const facts: [string, string][] = data
    ? [
        [t("ledger.sealed"), data.sealed_to ? t("ledger.sealedTo", { number: numberText(data.sealed_to, i18n.language), time: moment(data.sealed_at) }) : t("ledger.notYet")],
        [t("ledger.checkpoint"), moment(data.checkpoint_at)],
        [t("ledger.pending"), numberText(data.pending, i18n.language)],
      ]
    : [];
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="audit" />
      <div className="page-head">
        <h1>{t("ledger.title")}</h1>
        <Button loading={busy} onClick={() => void run(verifyLedger)}>
          {t("ledger.verify")}
        </Button>
      </div>
      <p className="dim">{t("ledger.text")}</p>
      {data && (
        <div className="block" role="status">
          {data.findings === null ? (
            <p className="verdict">{t("ledger.unverified")}</p>
          ) : data.findings.length === 0 ? (
            <p className="verdict good">{t("ledger.whole", { time: moment(data.verified_at) })}</p>
          ) : (
            <>
              <p className="verdict bad">{t("ledger.broken", { count: data.findings.length })}</p>
              <ul className="plain mono">
                {data.findings.map((finding) => (
                  <li key={finding}>{finding}</li>
                ))}
              </ul>
            </>
          )}
          <dl className="facts">
            {facts.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </div>
      )}
      {failed && (
        <p className="bad" role="alert">
          {failed}
        </p>
      )}
    </div>
  );
}
