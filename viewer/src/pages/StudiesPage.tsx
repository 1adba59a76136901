/** The list of studies: as long as the archive, with only what is on the screen loaded. */

import { Button, Code, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQueries } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { StudyItem, StudyPage } from "../data/api";
import { ageAt, dateText } from "../data/format";
import { type Filters, PAGE, studiesQuery } from "../data/queries";
import { may, useSession } from "../data/session";
import { stainName } from "../data/stain";
import { DayField } from "../tools/DayField";
import { Icon } from "../tools/icons";
import { moveAlong, useSearchKey } from "../tools/rows";
import { Thumbnail } from "../tools/Thumbnail";
import { Trouble } from "../tools/Trouble";

const ROW = 104;
const SHOWN_IMAGES = 4;
const MODALITIES = ["", "SM", "CT", "MR", "CR"];

export function StudiesPage() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/lists/studies" });
  const navigate = useNavigate();
  const [typed, setTyped] = useState(search.q ?? "");
  const [word] = useDebouncedValue(typed.trim(), 120);
  const filters: Filters = { q: word, modality: search.modality ?? "", from: search.from ?? "", to: search.to ?? "" };
  const change = (values: Partial<Filters>) => void navigate({ to: "/studies", search: { ...filters, ...values }, replace: true });
  useEffect(() => {
    if ((search.q ?? "") !== word) change({ q: word });
  });
  const box = useSearchKey();
  const filtered = Object.values(filters).some(Boolean);
  return (
    <div className="studies">
      <h1 className="unseen">{t("studies.title")}</h1>
      <div className="filters" role="search">
        <TextInput
          ref={box}
          className="search"
          size="md"
          type="search"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          placeholder={t("studies.search")}
          aria-label={t("studies.searchHint")}
          aria-keyshortcuts="/"
          leftSection={<Icon name="search" size={18} />}
          rightSection={typed ? null : <kbd aria-hidden="true">/</kbd>}
        />
        <SegmentedControl aria-label={t("study.series")} value={filters.modality} onChange={(modality) => change({ modality })} data={MODALITIES.map((value) => ({ value, label: t(`studies.modality.${value || "all"}`) }))} />
        <DayField name={t("studies.from")} day={filters.from} onDay={(from) => change({ from })} />
        <DayField name={t("studies.to")} day={filters.to} onDay={(to) => change({ to })} />
        {filtered && (
          <Button
            variant="subtle"
            onClick={() => {
              setTyped("");
              change({ q: "", modality: "", from: "", to: "" });
            }}
          >
            {t("studies.clear")}
          </Button>
        )}
      </div>
      <Rows key={JSON.stringify(filters)} filters={filters} filtered={filtered} />
    </div>
  );
}

function Rows({ filters, filtered }: { filters: Filters; filtered: boolean }) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const [pages, setPages] = useState<number[]>([0]);
  const answers = useQueries({ queries: pages.map((page) => studiesQuery(filters, page)) });
  const known = new Map(answers.flatMap(({ data }) => data?.items.map((item, index) => [data.offset + index, item] as const) ?? []));
  const best = answers.flatMap(({ data }) => data ?? []).reduce<StudyPage | undefined>((most, data) => (most && most.total > data.total ? most : data), undefined);
  const total = best?.total;
  const virtual = useVirtualizer({ count: total ?? 8, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 6 });
  const rows = virtual.getVirtualItems();
  const wanted = [...new Set([0, ...rows.map((row) => Math.floor(row.index / PAGE))])].sort((a, b) => a - b);
  useEffect(() => {
    if (wanted.join() !== pages.join()) setPages(wanted);
  });
  const failed = answers.find((answer) => answer.isError && !answer.data);
  if (failed) return <Trouble error={failed.error} onRetry={() => void failed.refetch()} />;
  if (total === 0) return <Empty filtered={filtered} />;
  return (
    <>
      <p className="count" aria-live="polite">
        {total === undefined ? "\u00a0" : t(best?.exact === false ? "studies.atLeast" : "studies.count", { count: total })}
      </p>
      <div className="rows" ref={scroller} onKeyDown={moveAlong}>
        <div role="list" style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {rows.map((row) => (
            <div key={row.key} role="listitem" className="row-place" style={{ transform: `translateY(${row.start}px)`, height: ROW }}>
              <Row study={known.get(row.index)} />
            </div>
          ))}
        </div>
      </div>
    </>
  );
}

function Row({ study }: { study: StudyItem | undefined }) {
  const { t, i18n } = useTranslation();
  if (!study) return <div className="row waiting" aria-hidden="true" />;
  const { patient } = study;
  const slides = study.series.filter((series) => series.kind === "slide");
  const age = ageAt(patient.birth_date, study.date);
  const rest = study.series.length - SHOWN_IMAGES;
  const count = slides.length ? t("studies.slides", { count: slides.length }) : t("studies.series", { count: study.series_count });
  return (
    <Link className="row" to="/studies/$study" params={{ study: study.uid }}>
      <span className="row-images">
        {study.series.slice(0, SHOWN_IMAGES).map((series) => (
          <Thumbnail key={series.uid} series={series.uid} kind={series.kind} name="" />
        ))}
        {rest > 0 && <span className="more">+{rest}</span>}
      </span>
      <span className="row-who">
        <strong>{patient.name || t("patient.unknown")}</strong>
        <span>
          {[patient.id, t(`patient.sex.${patient.sex}`, { defaultValue: "" }), age === null ? "" : t("patient.age", { count: age })].filter(Boolean).join(" · ")}
        </span>
      </span>
      <span className="row-what">
        <strong>{study.description || study.series[0]?.description || "—"}</strong>
        <span>{[...new Set(slides.map((slide) => stainName(slide.stain) || slide.description).filter(Boolean))].join(" · ") || study.modalities.map((name) => t(`studies.modality.${name}`, { defaultValue: name })).join(" · ")}</span>
      </span>
      <span className="row-case">
        <span className="mono">{study.accession}</span>
        <span>{count}</span>
      </span>
      <span className="row-date">{dateText(study.date, i18n.language)}</span>
    </Link>
  );
}

function Empty({ filtered }: { filtered: boolean }) {
  const { t } = useTranslation();
  const session = useSession();
  const kind = filtered ? "nothing" : session?.required ? "none" : "empty";
  return (
    <div className="empty" role="status">
      <img src="/icon.svg" alt="" width={72} height={72} />
      <h2>{t(`studies.${kind}.title`)}</h2>
      <p>{t(`studies.${kind}.text`)}</p>
      {kind === "empty" && <Code>{t("studies.empty.command")}</Code>}
      {kind !== "empty" && may(session, "break_glass") && session?.required && (
        <p>
          {t("emergency.hint")} <Link to="/emergency">{t("emergency.open")}</Link>
        </p>
      )}
    </div>
  );
}
