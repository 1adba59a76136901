/** The report of a case: written, kept as it is written, given out, signed; every version can be read again. */

import { Button, NativeSelect } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Case, ReportItem } from "../data/api";
import { askWritten, finishReport, writeReport, writtenOf } from "../data/cases";
import { Refused } from "../data/client";
import { dateText, momentText } from "../data/format";
import { Dialog } from "../tools/Dialog";
import { useDraft } from "../tools/draft";
import { Mark } from "../tools/Mark";
import { Sheet } from "../tools/Sheet";
import { useWork } from "../tools/work";

const OURS = "lamelle";
const TONES: Record<ReportItem["state"], "plain" | "warn" | "good"> = { draft: "plain", preliminary: "warn", final: "good", cancelled: "plain" };

export function CaseReport({ found }: { found: Case }) {
  const { t } = useTranslation();
  const [again, setAgain] = useState(0);
  const [seen, setSeen] = useState<number | null>(null);
  const last = writtenOf(found).version;
  const newest = [...found.reports].reverse().find((report) => report.state !== "cancelled");
  const ours = !newest || (newest.source === OURS && newest.state !== "final");
  const writes = found.may.report && found.state !== "cancelled";
  const shown = found.reports.find((report) => report.version === seen) ?? null;
  const editing = writes && !shown && (ours || again === last);
  return (
    <section className="report" aria-labelledby="case-report">
      <header className="report-head">
        <h2 id="case-report">{t("report.title")}</h2>
        {(shown ?? newest) && <Mark tone={TONES[(shown ?? newest)!.state]}>{t(`report.state.${(shown ?? newest)!.state}`)}</Mark>}
        {found.reports.length > 1 && <Versions reports={found.reports} seen={seen} onSee={setSeen} />}
      </header>
      {editing ? (
        <Editor found={found} newest={newest} onFinished={() => setAgain(0)} />
      ) : (
        <Reading report={shown ?? newest} onAgain={writes && !shown && newest ? () => setAgain(last) : undefined} />
      )}
    </section>
  );
}

function Versions({ reports, seen, onSee }: { reports: ReportItem[]; seen: number | null; onSee: (version: number | null) => void }) {
  const { t, i18n } = useTranslation();
  const name = (report: ReportItem) => `${t("report.version", { number: report.version })} · ${t(`report.state.${report.state}`)} · ${momentText(report.written_at, i18n.language)}`;
  const data = [{ value: "", label: t("report.newest") }, ...[...reports].reverse().map((report) => ({ value: String(report.version), label: name(report) }))];
  return <NativeSelect size="xs" className="versions" aria-label={t("report.versions")} value={seen ?? ""} onChange={(event) => onSee(Number(event.currentTarget.value) || null)} data={data} />;
}

function Reading({ report, onAgain }: { report: ReportItem | undefined; onAgain: (() => void) | undefined }) {
  const { t } = useTranslation();
  if (!report) return <p className="none">{t("report.none")}</p>;
  return (
    <>
      <div className="report-read">{report.text || t("report.empty")}</div>
      <p className="dim report-by">
        <By report={report} />
      </p>
      {onAgain && (
        <div className="report-ways">
          <Button size="sm" variant="default" onClick={onAgain}>
            {t(report.state === "final" ? "report.correct" : "report.write")}
          </Button>
        </div>
      )}
    </>
  );
}

function By({ report }: { report: ReportItem }) {
  const { t, i18n } = useTranslation();
  const from = report.source === OURS ? "" : t("report.from", { source: report.source });
  const signed = report.validated_at ? t("report.signed", { name: report.validator, time: momentText(report.validated_at, i18n.language) }) : "";
  const written = signed ? "" : t("report.written", { name: report.author || "—", time: momentText(report.written_at, i18n.language) });
  return [signed, written, from].filter(Boolean).join(" · ");
}

type EditorProps = { found: Case; newest: ReportItem | undefined; onFinished: () => void };

function Editor({ found, newest, onFinished }: EditorProps) {
  const { t } = useTranslation();
  const draft = useDraft(writtenOf(found), (text, version) => writeReport(found.id, text, version));
  const [signing, setSigning] = useState(false);
  const [aside, setAside] = useState("");
  const { busy, error, run } = useWork();
  const finish = async (state: "preliminary" | "final") => {
    if (!(await draft.save())) throw new Refused(409, "not_kept", "");
    await finishReport(found.id, draft.base(), state);
    onFinished();
  };
  const takeTheirs = async () => {
    const theirs = await askWritten(found.id);
    setAside(draft.text);
    draft.restart(theirs);
  };
  const keepMine = async () => {
    const { version } = await askWritten(found.id);
    await draft.insist(version);
  };
  const empty = !draft.text.trim();
  return (
    <>
      <textarea
        className="report-text"
        aria-label={t("report.title")}
        aria-keyshortcuts="r"
        placeholder={t("report.placeholder")}
        value={draft.text}
        spellCheck
        onChange={(event) => draft.write(event.target.value)}
        onBlur={() => void draft.save()}
      />
      {draft.state === "stale" && (
        <div className="notice stale" role="alert">
          <p>{newest && newest.version > draft.base() ? t("report.stale", { name: newest.author || newest.source }) : t("report.staleSoon")}</p>
          <div className="together wrap">
            <Button size="xs" variant="default" onClick={() => void run(takeTheirs)}>
              {t("report.takeTheirs")}
            </Button>
            <Button size="xs" variant="default" onClick={() => void run(keepMine)}>
              {t("report.keepMine")}
            </Button>
          </div>
        </div>
      )}
      {aside && (
        <details className="aside-text" open>
          <summary>{t("report.yours")}</summary>
          <div className="report-read">{aside}</div>
          <Button size="xs" variant="subtle" onClick={() => setAside("")}>
            {t("slide.close")}
          </Button>
        </details>
      )}
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      <div className="report-ways">
        <Kept state={draft.state} savedAt={draft.savedAt} newest={newest} />
        <Button size="sm" variant="default" disabled={empty || draft.state === "stale" || (newest?.state === "preliminary" && draft.text === newest.text)} loading={busy} onClick={() => void run(() => finish("preliminary"))}>
          {t("report.preliminary")}
        </Button>
        {found.may.validate && (
          <Button size="sm" disabled={empty || draft.state === "stale"} onClick={() => setSigning(true)}>
            {t("report.sign")}
          </Button>
        )}
      </div>
      {signing && <Sign found={found} work={() => finish("final")} onClose={() => setSigning(false)} />}
    </>
  );
}

function Kept({ state, savedAt, newest }: { state: string; savedAt: Date | null; newest: ReportItem | undefined }) {
  const { t, i18n } = useTranslation();
  const time = savedAt && new Intl.DateTimeFormat(i18n.language, { timeStyle: "short" }).format(savedAt);
  return (
    <span className={`kept ${state === "failed" ? "bad" : "dim"}`} role="status">
      {state === "same" ? newest && <By report={newest} /> : t(`report.kept.${state}`, { time: time ?? "", defaultValue: "" })}
    </span>
  );
}

/** Before it is signed: whose report it is, once more. */
function Sign({ found, work, onClose }: { found: Case; work: () => Promise<void>; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const { patient } = found;
  const waits = [found.waiting_count && t("cases.waitingSlides", { count: found.waiting_count }), found.techniques_open && t("cases.openTechniques", { count: found.techniques_open })].filter(Boolean);
  return (
    <Dialog title={t("report.signTitle")} onClose={onClose}>
      <Sheet submit={t("report.signNow")} work={work} onDone={onClose} onCancel={onClose}>
        <p className="whose">
          <strong>{patient.name || t("patient.unknown")}</strong>
          <span>{[dateText(patient.birth_date, i18n.language), patient.id].filter(Boolean).join(" · ")}</span>
          <span className="mono">{found.accession}</span>
        </p>
        {waits.length > 0 && <p className="notice">{t("report.stillWaits", { what: waits.join(", ") })}</p>}
        <p className="dim">{t("report.signText")}</p>
      </Sheet>
    </Dialog>
  );
}
