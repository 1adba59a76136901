/** The cases of a view, as long as it is; rows stay under the cursor while news come in. */

import { useQueries } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { CaseItem, CasePage } from "../data/api";
import { assign, CASES, type CaseFilters, casesQuery, walk } from "../data/cases";
import { ageAt, dateText, momentText, sinceText, today } from "../data/format";
import { may, useSession } from "../data/session";
import { stainName } from "../data/stain";
import { StateMark, UrgencyMark } from "../tools/CaseMarks";
import { Icon } from "../tools/icons";
import { useNow } from "../tools/now";
import { isTyping, moveAlong } from "../tools/rows";
import { useSteady } from "../tools/steady";
import { Thumbnail } from "../tools/Thumbnail";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";

const ROW = 76;
const FACES = 4;

/** Where the list was left, so that one comes back to the same row. */
const left = { key: "", offset: 0, id: 0 };

type Props = { filters: CaseFilters; narrowed: boolean; onWiden: () => void };

export function CaseRows({ filters, narrowed, onWiden }: Props) {
  const { t } = useTranslation();
  const key = JSON.stringify(filters);
  const scroller = useRef<HTMLDivElement>(null);
  const [pages, setPages] = useState<number[]>([0]);
  const [held, hold] = useHeld(scroller);
  const answers = useQueries({ queries: pages.map((page) => casesQuery(filters, page)) });
  const fresh = new Map(answers.flatMap(({ data, isPlaceholderData }, index) => (isPlaceholderData ? [] : (data?.items.map((item, place) => [pages[index]! * CASES + place, item] as const) ?? []))));
  const best = answers.flatMap(({ data }) => data ?? []).reduce<CasePage | undefined>((most, data) => (most && most.total > data.total ? most : data), undefined);
  const steady = useSteady(key, fresh, best?.total ?? 0, held && best !== undefined);
  const total = best && steady.total;
  const virtual = useVirtualizer({ count: total ?? 8, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 6, initialOffset: left.key === key ? left.offset : 0 });
  const rows = virtual.getVirtualItems();
  const wanted = [...new Set([0, ...rows.map((row) => Math.floor(row.index / CASES))])].sort((a, b) => a - b);
  useEffect(() => {
    if (wanted.join() !== pages.join()) setPages(wanted);
    walk([...steady.items].sort(([one], [other]) => one - other).map(([, item]) => item));
  });
  useComeBack(key, scroller, total !== undefined);
  useFirstRow(scroller);
  const failed = answers.find((answer) => answer.isError && !answer.data);
  if (failed) return <Trouble error={failed.error} onRetry={() => void failed.refetch()} />;
  if (total === 0) return <Empty view={filters.view} narrowed={narrowed} onWiden={onWiden} />;
  return (
    <>
      <p className="count" aria-live="polite">
        {total === undefined ? "\u00a0" : t(best?.exact === false ? "cases.atLeast" : "cases.count", { count: best?.total ?? 0 })}
        {steady.changed && (
          <button
            type="button"
            className="news"
            onClick={() => {
              steady.apply();
              hold(false);
            }}
          >
            {t("cases.news")}
          </button>
        )}
      </p>
      <div className="rows" ref={scroller} onKeyDown={moveAlong}>
        <div role="list" style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {rows.map((row) => {
            const item = steady.items.get(row.index);
            return (
              <div key={row.key} role="listitem" className="row-place" style={{ transform: `translateY(${row.start}px)`, height: ROW }}>
                {item ? <Row item={item} gone={steady.gone.has(item.id)} /> : <div className="row case-row waiting" aria-hidden="true" />}
              </div>
            );
          })}
        </div>
      </div>
    </>
  );
}

/** While the pointer or the keyboard is on the list, nothing in it moves. */
function useHeld(scroller: React.RefObject<HTMLDivElement | null>): [boolean, (held: boolean) => void] {
  const [held, hold] = useState(false);
  useEffect(() => {
    const look = () => hold(!document.hidden && Boolean(scroller.current?.matches(":hover") || scroller.current?.contains(document.activeElement)));
    const soon = () => requestAnimationFrame(look);
    const kinds = ["pointerover", "focusin", "focusout", "visibilitychange"];
    for (const kind of kinds) document.addEventListener(kind, soon);
    document.documentElement.addEventListener("pointerleave", soon);
    return () => {
      for (const kind of kinds) document.removeEventListener(kind, soon);
      document.documentElement.removeEventListener("pointerleave", soon);
    };
  }, [scroller]);
  return [held, hold];
}

/** The row one comes back from has the focus again. */
function useComeBack(key: string, scroller: React.RefObject<HTMLDivElement | null>, here: boolean) {
  useEffect(() => {
    if (!here) return;
    const list = scroller.current;
    if (left.key === key) list?.querySelector<HTMLElement>(`a[data-case="${left.id}"]`)?.focus({ preventScroll: true });
    const onScroll = () => Object.assign(left, { key, offset: list?.scrollTop ?? 0 });
    const onFocus = (event: FocusEvent) => {
      const id = event.target instanceof HTMLElement ? Number(event.target.dataset.case) : 0;
      if (id) Object.assign(left, { key, offset: list?.scrollTop ?? 0, id });
    };
    list?.addEventListener("scroll", onScroll, { passive: true });
    list?.addEventListener("focusin", onFocus);
    return () => {
      list?.removeEventListener("scroll", onScroll);
      list?.removeEventListener("focusin", onFocus);
    };
  }, [key, scroller, here]);
}

/** Down, with nothing in hand, begins the walk along the list. */
function useFirstRow(scroller: React.RefObject<HTMLDivElement | null>) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "ArrowDown" || isTyping(event) || (document.activeElement !== document.body && document.activeElement?.id !== "content")) return;
      event.preventDefault();
      scroller.current?.querySelector<HTMLElement>("a.row")?.focus();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [scroller]);
}

function Row({ item, gone }: { item: CaseItem; gone: boolean }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const { patient } = item;
  const came = item.received_at ?? item.ordered_at;
  const age = ageAt(patient.birth_date, today());
  const who = [patient.id, t(`patient.sex.${patient.sex}`, { defaultValue: "" }), age === null ? "" : t("patient.age", { count: age })];
  const waits = [item.waiting_count && t("cases.waitingSlides", { count: item.waiting_count }), item.techniques_open && t("cases.openTechniques", { count: item.techniques_open })];
  return (
    <>
      <Link className={`row case-row${item.unread ? " unread" : ""}${gone ? " gone" : ""}`} to="/cases/$case" params={{ case: String(item.id) }} data-case={item.id}>
        <span className="row-dot" title={item.unread ? t("cases.unread") : undefined}>
          {item.unread && <span className="unseen">{t("cases.unread")}</span>}
        </span>
        <Faces item={item} />
        <span className="row-who">
          <strong>{patient.name || t("patient.unknown")}</strong>
          <span>{who.filter(Boolean).join(" · ")}</span>
        </span>
        <span className="row-what">
          <strong>
            <span className="mono">{item.accession}</span> {item.description}
          </strong>
          <span>{[...new Set(item.slides.map((slide) => stainName(slide.stain)).filter(Boolean)), item.specialty, item.department].filter(Boolean).join(" · ")}</span>
        </span>
        <span className="row-state">
          <span className="row-marks">
            <UrgencyMark item={item} />
            <StateMark state={item.state} />
          </span>
          <span className="row-waits">{waits.filter(Boolean).join(" · ")}</span>
        </span>
        <span className="row-hand">{item.assigned_to && (item.assigned_to.id === session?.id ? t("cases.me") : item.assigned_to.name)}</span>
        <Age came={came} title={came ? `${t("cases.came")} ${momentText(came, i18n.language)}` : dateText(null, i18n.language)} />
      </Link>
      {!item.assigned_to && session?.required && may(session, "report") && <Take item={item} />}
    </>
  );
}

function Age({ came, title }: { came: string | null; title: string }) {
  const { i18n } = useTranslation();
  return (
    <span className="row-age" title={title}>
      {sinceText(came, useNow(30_000), i18n.language)}
    </span>
  );
}

function Faces({ item }: { item: CaseItem }) {
  const { t } = useTranslation();
  const shown = item.slides.slice(0, FACES);
  const awaited = shown.length ? 0 : Math.min(FACES, item.slide_count);
  const rest = item.slide_count - shown.length - awaited;
  return (
    <span className="row-images">
      {shown.map((slide) => (
        <Thumbnail key={slide.series_uid} series={slide.series_uid} kind="slide" name="" />
      ))}
      {Array.from({ length: awaited }, (_, index) => (
        <span key={index} className="thumbnail awaited" />
      ))}
      {item.slide_count === 0 && <span className="dim">{t("cases.noSlides")}</span>}
      {rest > 0 && <span className="more">+{rest}</span>}
    </span>
  );
}

/** A case nobody has: one press takes it. */
function Take({ item }: { item: CaseItem }) {
  const { t } = useTranslation();
  const session = useSession();
  const { busy, error, run } = useWork();
  return (
    <button type="button" className="take" disabled={busy} title={error || undefined} aria-label={`${t("cases.take")} : ${item.accession}`} onClick={() => void run(() => assign(item.id, session!.id))}>
      {error ? <Icon name="info" size={15} /> : t("cases.take")}
    </button>
  );
}

function Empty({ view, narrowed, onWiden }: { view: string | undefined; narrowed: boolean; onWiden: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="empty" role="status">
      <img src="/icon.svg" alt="" width={64} height={64} />
      <h2>{t(narrowed ? "cases.nothing" : `cases.none.${view}`, { defaultValue: t("cases.none.all") })}</h2>
      {narrowed ? (
        <button type="button" className="chip" onClick={onWiden}>
          {t("studies.clear")}
        </button>
      ) : (
        view === "mine" && (
          <p>
            <Link to="/cases" search={{ view: "unassigned" }}>
              {t("cases.seeUnassigned")}
            </Link>
          </p>
        )
      )}
    </div>
  );
}
