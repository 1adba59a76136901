/** How the laboratory flows: what waits now, what each scanner did, how long a case takes from order to report. */

import { Button, NativeSelect, SegmentedControl, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { DepartmentFlow, Flow, FlowQueue, FlowTime, ScannerFlow } from "../data/api";
import { changeScanner, flowQuery } from "../data/flow";
import { agoText, durationText, numberText } from "../data/format";
import { may, useSession } from "../data/session";
import { byHour } from "../math/hours";
import { Bars } from "../tools/Bars";
import { Dialog } from "../tools/Dialog";
import { Sheet } from "../tools/Sheet";
import { Spans } from "../tools/Spans";
import { Trouble } from "../tools/Trouble";
import { Tabs } from "./Tabs";

const DAYS = ["1", "7", "30"];

export function FlowPage() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/lists/flow" });
  const navigate = useNavigate();
  const days = search.days ?? "1";
  const department = search.department ?? "";
  const { data, error, refetch } = useQuery(flowQuery(days, department));
  const all = useQuery(flowQuery(days, "")).data;
  const change = (values: { days?: string; department?: string }) => {
    const wanted = { days, department, ...values };
    void navigate({ to: "/flow", search: { ...(wanted.days !== "1" && { days: wanted.days }), ...(wanted.department && { department: wanted.department }) }, replace: true });
  };
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const departments = [...new Set([...(all?.departments ?? []).map((one) => one.department), department])].filter(Boolean);
  return (
    <div className="page wide" aria-busy={!data}>
      <Tabs of="lab" />
      <div className="page-head">
        <h1>{t("flow.title")}</h1>
        <span className="together wrap">
          <NativeSelect aria-label={t("flow.department")} value={department} onChange={(event) => change({ department: event.currentTarget.value })} data={[{ value: "", label: t("flow.anyDepartment") }, ...departments]} />
          <SegmentedControl aria-label={t("flow.days")} value={days} onChange={(chosen) => change({ days: chosen })} data={DAYS.map((value) => ({ value, label: t("flow.lastDays", { count: Number(value) }) }))} />
        </span>
      </div>
      {data && (
        <>
          <Queue queue={data.queue} />
          <Hours flow={data} />
          <div className="block">
            <Spans title={t("flow.times")} spans={data.times.map((time) => ({ ...time, name: t(`flow.steps.${time.step}`) }))} />
            {data.departments.length > 0 && <Departments departments={data.departments} />}
          </div>
          <Fleet scanners={data.scanners} />
        </>
      )}
    </div>
  );
}

const LED: Partial<Record<keyof FlowQueue, string>> = { to_scan: "/expected", overdue: "/expected", on_desk: "/desk" };

function Queue({ queue }: { queue: FlowQueue }) {
  const { t, i18n } = useTranslation();
  return (
    <ul className="tiles" aria-label={t("flow.queue")}>
      {(["to_scan", "overdue", "on_desk", "unread_cases", "to_sign"] as const).map((name) => {
        const text = (
          <>
            <strong className="figure">{numberText(queue[name], i18n.language)}</strong>
            <span className="dim">{t(`flow.queues.${name}`)}</span>
          </>
        );
        const late = name === "overdue" && queue.overdue > 0 ? " late" : "";
        return <li key={name}>{LED[name] ? <Link to={LED[name]} className={`tile${late}`}>{text}</Link> : <span className="tile">{text}</span>}</li>;
      })}
    </ul>
  );
}

function Hours({ flow }: { flow: Flow }) {
  const { t, i18n } = useTranslation();
  const { series, bars, daily } = byHour(flow.scans, flow.days, Date.now());
  const name = new Intl.DateTimeFormat(i18n.language, daily ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" });
  return (
    <div className="block">
      <Bars title={t(daily ? "flow.perDay" : "flow.perHour")} of={t(daily ? "flow.day" : "flow.hour")} series={series.map((one) => one || t("flow.unnamed"))} bars={bars.map(({ at, parts }) => ({ name: name.format(at), parts }))} />
    </div>
  );
}

const STEPS: FlowTime["step"][] = ["ordered_scanned", "scanned_opened", "opened_validated", "ordered_validated"];

function Departments({ departments }: { departments: DepartmentFlow[] }) {
  const { t, i18n } = useTranslation();
  const long = (seconds: number | null | undefined) => (seconds == null ? "—" : durationText(seconds, i18n.language));
  return (
    <div className="scroll departments" tabIndex={0} role="region" aria-label={t("flow.byDepartment")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("flow.department")}</th>
            {STEPS.map((step) => (
              <th key={step} scope="col" className="number">
                {t(`flow.steps.${step}`)}
              </th>
            ))}
            <th scope="col" className="number">
              {t("flow.cases")}
            </th>
          </tr>
        </thead>
        <tbody>
          {departments.map(({ department, times }) => (
            <tr key={department}>
              <th scope="row">{department || t("flow.noDepartment")}</th>
              {STEPS.map((step) => {
                const time = times.find((one) => one.step === step);
                return (
                  <td key={step} className="number">
                    {long(time?.median_s)} <span className="dim">· {long(time?.p90_s)}</span>
                  </td>
                );
              })}
              <td className="number">{numberText(Math.max(0, ...times.map((time) => time.n)), i18n.language)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Fleet({ scanners }: { scanners: ScannerFlow[] }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const [renamed, setRenamed] = useState<ScannerFlow | null>(null);
  const number = (value: number) => numberText(value, i18n.language);
  const rate = (part: number, whole: number) => (whole ? `${numberText((100 * part) / whole, i18n.language, 1)} %` : "—");
  return (
    <section className="fleet" aria-labelledby="fleet">
      <h2 id="fleet">{t("flow.fleet")}</h2>
      {scanners.length === 0 && <p className="none">{t("flow.noScanner")}</p>}
      {scanners.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={t("flow.fleet")}>
          <table>
            <thead>
              <tr>
                {["scanner", "today", "scans", "failures", "rescans", "last"].map((name, index) => (
                  <th key={name} scope="col" className={index ? "number" : ""}>
                    {t(`flow.columns.${name}`)}
                  </th>
                ))}
                <th aria-label={t("flow.rename")} />
              </tr>
            </thead>
            <tbody>
              {scanners.map((scanner) => (
                <tr key={scanner.id}>
                  <th scope="row">
                    {scanner.name}
                    {scanner.station !== scanner.name && <span className="dim mono">{scanner.station}</span>}
                  </th>
                  <td className="number">{number(scanner.today)}</td>
                  <td className="number">{number(scanner.scans)}</td>
                  <td className="number">
                    {number(scanner.failures)} <span className="dim">{rate(scanner.failures, scanner.scans)}</span>
                  </td>
                  <td className="number">
                    {number(scanner.rescans)} <span className="dim">{rate(scanner.rescans, scanner.scans)}</span>
                  </td>
                  <td className="number nowrap">{agoText(scanner.last, i18n.language) || t("expected.never")}</td>
                  <td>
                    {may(session, "operate") && (
                      <Button size="xs" variant="subtle" aria-label={`${t("flow.rename")} : ${scanner.name}`} onClick={() => setRenamed(scanner)}>
                        {t("flow.rename")}
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {renamed && <Rename scanner={renamed} onClose={() => setRenamed(null)} />}
    </section>
  );
}

function Rename({ scanner, onClose }: { scanner: ScannerFlow; onClose: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(scanner.name);
  return (
    <Dialog title={t("flow.rename")} onClose={onClose}>
      <Sheet submit={t("app.save")} work={() => changeScanner(scanner.id, { name: name.trim() })} onDone={onClose} onCancel={onClose}>
        <TextInput label={t("flow.name")} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
      </Sheet>
    </Dialog>
  );
}
