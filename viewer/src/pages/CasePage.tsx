/** One case: whose it is, its slides by specimen and block, its report, and what else belongs to it. */

import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Case } from "../data/api";
import { beside, caseQuery, openCase } from "../data/cases";
import { may, useSession } from "../data/session";
import { isTyping } from "../tools/rows";
import { Trouble } from "../tools/Trouble";
import { AskTechnique } from "./AskTechnique";
import { CaseAside } from "./CaseAside";
import { CaseBanner } from "./CaseBanner";
import { CaseReport } from "./CaseReport";
import { CaseSlides, firstSlide } from "./CaseSlides";
import "./cases.css";

export function CasePage() {
  const id = Number(useParams({ from: "/lists/cases/$case" }).case);
  const { data, error, refetch } = useQuery(caseQuery(id));
  useOpened(id, data !== undefined);
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (!data) return <div className="case" aria-busy="true" />;
  return <Opened key={id} found={data} />;
}

function Opened({ found }: { found: Case }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  useCaseKeys(found, () => found.may.report && setAsking(true));
  useEffect(() => {
    document.title = `${found.accession} · Lamelle`;
    return () => void (document.title = "Lamelle");
  }, [found.accession]);
  return (
    <div className="case">
      <CaseBanner found={found} />
      <div className="case-body">
        <div className="case-slides">
          <CaseSlides found={found} />
        </div>
        <div className="case-side">
          <CaseReport found={found} />
          <CaseAside found={found} onAsk={() => setAsking(true)} />
        </div>
      </div>
      {asking && <AskTechnique found={found} onClose={() => setAsking(false)} />}
      <span className="unseen">{t("case.keys")}</span>
    </div>
  );
}

/** The first opening by somebody who reads is told once; for who looks, the case is no longer new. */
function useOpened(id: number, here: boolean) {
  const reads = may(useSession(), "report");
  const told = useRef(0);
  useEffect(() => {
    if (!here || !reads || told.current === id) return;
    told.current = id;
    openCase(id).catch(() => {}); // who may look and not read opens it without a mark
  }, [id, here, reads]);
}

function useCaseKeys(found: Case, ask: () => void) {
  const navigate = useNavigate();
  const latest = useRef({ found, ask });
  latest.current = { found, ask };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event) || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
      const { before, after } = beside(latest.current.found.id);
      const to = (id: number | undefined) => id && void navigate({ to: "/cases/$case", params: { case: String(id) } });
      const slide = firstSlide(latest.current.found);
      const actions: Record<string, () => void> = {
        n: () => to(after),
        p: () => to(before),
        s: () => slide && void navigate({ to: "/slides/$series", params: { series: slide } }),
        r: () => document.querySelector<HTMLElement>(".report-text")?.focus(),
        t: () => latest.current.ask(),
        Escape: () => void navigate({ to: "/cases" }),
      };
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate]);
}
