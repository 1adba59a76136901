/** The slides a day expects on the scanners: how far the day is, what each scanner did, and each slide with its state. */

import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { DeskSlide, ExpectedPage as Expected } from "../data/api";
import { expectedQuery } from "../data/desk";
import { agoText, dateText, numberText, shiftDay, today } from "../data/format";
import { stainName } from "../data/stain";
import { CaseLink } from "../tools/CaseLink";
import { DayField } from "../tools/DayField";
import { Icon } from "../tools/icons";
import { Mark } from "../tools/Mark";
import { useShortcuts } from "../tools/shortcuts";
import { Thumbnail } from "../tools/Thumbnail";
import { Trouble } from "../tools/Trouble";
import { QUALITY } from "./Decide";
import { Tabs } from "./Tabs";

type Show = "all" | "waiting" | "scanned" | "rejected";
const SHOWS: Show[] = ["all", "waiting", "scanned", "rejected"];

const scanned = (slide: DeskSlide) => slide.scans.length > 0 && slide.state !== "rejected";
const SHOWN: Record<Show, (slide: DeskSlide) => boolean> = {
  all: () => true,
  waiting: (slide) => !slide.scans.length && slide.state !== "cancelled",
  scanned,
  rejected: (slide) => slide.state === "rejected",
};

export function ExpectedPage() {
  const { t, i18n } = useTranslation();
  const search = useSearch({ from: "/lists/expected" });
  const navigate = useNavigate();
  const day = search.day ?? today();
  const show = (SHOWS.find((one) => one === search.show) ?? "all") as Show;
  const { data, error, refetch } = useQuery(expectedQuery(day));
  const go = (values: { day?: string; show?: Show }) => {
    const wanted = { day, show, ...values };
    void navigate({ to: "/expected", search: { ...(wanted.day !== today() && { day: wanted.day }), ...(wanted.show !== "all" && { show: wanted.show }) }, replace: true });
  };
  useShortcuts({ ArrowLeft: () => go({ day: shiftDay(day, -1) }), ArrowRight: () => go({ day: shiftDay(day, 1) }) });
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const items = data?.items ?? [];
  const counts = Object.fromEntries(SHOWS.map((one) => [one, items.filter(SHOWN[one]).length]));
  const late = items.filter((slide) => slide.due_on && slide.due_on < day && SHOWN[show](slide));
  const due = items.filter((slide) => !(slide.due_on && slide.due_on < day) && SHOWN[show](slide));
  return (
    <div className="page wide" aria-busy={!data}>
      <Tabs of="lab" />
      <div className="page-head">
        <h1>{t("expected.title")}</h1>
        <span className="together days">
          <button type="button" className="quiet" aria-label={t("expected.before")} aria-keyshortcuts="ArrowLeft" onClick={() => go({ day: shiftDay(day, -1) })}>
            <Icon name="back" size={18} />
          </button>
          <DayField name={t("expected.day")} day={day} onDay={(chosen) => go({ day: chosen || today() })} />
          <button type="button" className="quiet" aria-label={t("expected.after")} aria-keyshortcuts="ArrowRight" onClick={() => go({ day: shiftDay(day, 1) })}>
            <Icon name="next" size={18} />
          </button>
        </span>
      </div>
      {data && <Progress page={data} />}
      <SegmentedControl aria-label={t("expected.show")} value={show} onChange={(chosen) => go({ show: chosen as Show })} data={SHOWS.map((value) => ({ value, label: `${t(`expected.shows.${value}`)} ${numberText(counts[value] ?? 0, i18n.language)}` }))} />
      {late.length > 0 && <Slides title={t("expected.overdue")} slides={late} />}
      {due.length > 0 && <Slides title={t("expected.ofDay", { date: dateText(day, i18n.language) })} slides={due} />}
      {data && late.length + due.length === 0 && <p className="none">{t("expected.none")}</p>}
    </div>
  );
}

function Progress({ page }: { page: Expected }) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => numberText(value, i18n.language);
  const part = page.expected ? Math.round((100 * page.scanned) / page.expected) : 0;
  return (
    <div className="block progress">
      <div className="progress-all">
        <p className="figure">
          {number(page.scanned)} <span className="dim">/ {t("expected.slides", { count: page.expected })}</span>
        </p>
        <progress max={page.expected || 1} value={page.scanned} aria-label={t("expected.progress")}>
          {part} %
        </progress>
        <p className="dim">
          {t("expected.part", { part })}
          {page.overdue > 0 && (
            <>
              {" · "}
              <span className="bad-text">{t("expected.late", { count: page.overdue })}</span>
            </>
          )}
        </p>
      </div>
      <ul className="plain by-scanner">
        {page.scanners.map((scanner) => (
          <li key={scanner.name}>
            <strong>{scanner.name || t("flow.unnamed")}</strong>
            <span className="figure small">{number(scanner.scanned)}</span>
            <span className="dim">{scanner.failed > 0 ? <span className="bad-text">{t("expected.failed", { count: scanner.failed })}</span> : t("expected.noneFailed")}</span>
            <span className="dim">{scanner.last ? agoText(scanner.last, i18n.language) : t("expected.never")}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Slides({ title, slides }: { title: string; slides: DeskSlide[] }) {
  const { t } = useTranslation();
  return (
    <section className="expected">
      <h2>
        {title} <span className="dim">{slides.length}</span>
      </h2>
      <div className="scroll" tabIndex={0} role="region" aria-label={title}>
        <table>
          <thead>
            <tr>
              {["slide", "patient", "from", "state", "scan"].map((name) => (
                <th key={name} scope="col">
                  {t(`expected.columns.${name}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {slides.map((slide) => (
              <Row key={slide.id} slide={slide} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export const STATES: Record<string, "good" | "warn" | "bad" | "accent" | "plain"> = { available: "good", read: "good", scanned: "accent", rejected: "bad" };

function Row({ slide }: { slide: DeskSlide }) {
  const { t, i18n } = useTranslation();
  const scan = slide.scans.find((one) => one.current) ?? slide.scans[0];
  return (
    <tr>
      <td>
        <strong className="mono">{slide.identifier}</strong>
      </td>
      <td>
        <CaseLink of={slide.case}>
          {slide.patient.name || t("patient.unknown")}
        </CaseLink>
        <span className="dim mono">{slide.accession}</span>
      </td>
      <td>
        {stainName(slide.stain)}
        <span className="dim">{[slide.block && t("desk.block", { block: slide.block }), slide.level].filter(Boolean).join(" · ")}</span>
      </td>
      <td>
        <Mark tone={STATES[slide.state] ?? "plain"}>{t(`slideStates.${slide.state}`, { defaultValue: slide.state })}</Mark>
        <span className="dim">{slide.due_on && dateText(slide.due_on, i18n.language)}</span>
      </td>
      <td>
        {scan && (
          <Link to="/scans/$scan" params={{ scan: String(scan.id) }} className="scan-cell">
            <Thumbnail series={scan.series_uid} kind="slide" name="" />
            <span>
              {scan.scanner}
              {slide.scans.length > 1 && <span className="dim"> · {t("expected.scans", { count: slide.scans.length })}</span>}
            </span>
            {scan.quality && <Mark tone={QUALITY[scan.quality]}>{t(`quality.verdicts.${scan.quality}`)}</Mark>}
          </Link>
        )}
      </td>
    </tr>
  );
}
