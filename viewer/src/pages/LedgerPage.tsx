/** Whether the ledger is as it was written: how far it is sealed, its last signature, and a check on demand. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AuditState } from "../data/api";
import { momentText, numberText } from "../data/format";
import { ledgerStateQuery, verifyLedger } from "../data/ledger";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";
import { Tabs } from "./Tabs";

export function LedgerPage() {
  const { t, i18n } = useTranslation();
  const { data, error, refetch } = useQuery(ledgerStateQuery());
  const { busy, error: failed, run } = useWork();
  const [verified, setVerified] = useState("");
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const count = (value: number) => numberText(value, i18n.language, 0);
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="audit" />
      <div className="page-head">
        <h1>{t("ledger.title")}</h1>
        <Button loading={busy} onClick={() => void run(verifyLedger).then((done) => done && setVerified(new Date().toISOString()))}>
          {t("ledger.verify")}
        </Button>
      </div>
      <p className="dim">{t("ledger.text")}</p>
      {failed && (
        <p className="bad" role="alert">
          {failed}
        </p>
      )}
      {data && (
        <div className="block" role="status">
          <Verdict state={data} at={verified} />
          <dl className="facts">
            <Fact name={t("ledger.entries")}>{count(data.entries)}</Fact>
            <Fact name={t("ledger.waiting")}>{count(data.waiting)}</Fact>
            <Fact name={t("ledger.checkpoint")}>
              {data.checkpoint ? t("ledger.signed", { number: count(data.checkpoint.number), time: momentText(data.checkpoint.at, i18n.language) }) : t("ledger.notYet")}
              {data.checkpoint && <span className="mono dim key">{data.checkpoint.key}</span>}
            </Fact>
            {data.receivers.map((found) => (
              <Fact key={found.receiver} name={t("ledger.receiver")}>
                {found.receiver} <span className="dim">{t("ledger.sent", { number: count(found.sent) })}</span>
              </Fact>
            ))}
          </dl>
        </div>
      )}
    </div>
  );
}

function Verdict({ state, at }: { state: AuditState; at: string }) {
  const { t, i18n } = useTranslation();
  if (state.sound) return <p className="verdict good">{at ? t("ledger.whole", { time: momentText(at, i18n.language) }) : t("ledger.nothing")}</p>;
  return (
    <>
      <p className="verdict bad">{t("ledger.broken", { count: state.findings.length })}</p>
      <ul className="plain">
        {state.findings.map((finding) => (
          <li key={finding.number + finding.what}>
            <span className="mono dim">n° {finding.number}</span> {finding.what}
          </li>
        ))}
      </ul>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
