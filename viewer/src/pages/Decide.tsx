/** One thing of the desk: the label and the whole slide, the slides it could be, and what can be decided. */

import { TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { labelOf, overviewOf } from "../data/addresses";
import type { Candidate, DecisionNew, DeskItem, DeskScan, DeskSlide } from "../data/api";
import { soughtQuery } from "../data/desk";
import { dateText, momentText } from "../data/format";
import { stainName } from "../data/stain";
import { apart } from "../math/words";
import { Icon } from "../tools/icons";
import { Keyed, Kbd } from "../tools/Keyed";
import { Mark } from "../tools/Mark";
import { useShortcuts } from "../tools/shortcuts";
import { Thumbnail } from "../tools/Thumbnail";

const MOST = 9;

type Props = { item: DeskItem; onDecide: (decision: DecisionNew, text: string) => void };

export function Decide({ item, onDecide }: Props) {
  return item.scan ? <DecideScan item={item} scan={item.scan} onDecide={onDecide} /> : item.slide && <DecideSlide item={item} slide={item.slide} onDecide={onDecide} />;
}

function DecideScan({ item, scan, onDecide }: Props & { scan: DeskScan }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [word] = useDebouncedValue(typed.trim(), 200);
  const sought = useQuery(soughtQuery(word));
  const field = useRef<HTMLInputElement>(null);
  const found = word.length > 1 ? (sought.data ?? []).map((slide): Candidate => ({ slide, why: [], exact: false })) : [];
  const known = new Set(item.candidates.map(({ slide }) => slide.id));
  const candidates = [...(word.length > 1 ? [] : item.candidates), ...found.map((one) => (known.has(one.slide.id) ? (item.candidates.find(({ slide }) => slide.id === one.slide.id) ?? one) : one))].slice(0, MOST);
  const [turned, setTurned] = useState(0);
  const name = scan.barcode || scan.said_container || scan.scanner;
  const match = (slide: DeskSlide, kind: "match" | "current" = "match") => onDecide({ kind, scan: scan.id, slide: slide.id }, t(`desk.done.${kind}`, { slide: slide.identifier }));
  const best = candidates[0]?.slide;
  const taken = Boolean(best?.scans.length);
  const acts = {
    ignore: () => onDecide({ kind: "ignore", scan: scan.id }, t("desk.done.ignore", { name })),
    rescan: best && (() => onDecide({ kind: "rescan", scan: scan.id, slide: best.id }, t("desk.done.rescan", { name: best.identifier }))),
  };
  useShortcuts({
    Enter: best && (() => match(best)),
    c: best && taken ? () => match(best, "current") : undefined,
    i: acts.ignore,
    r: acts.rescan,
    t: () => setTurned(turned + 90),
    "/": () => field.current?.focus(),
    ...Object.fromEntries(candidates.map(({ slide }, index) => [String(index + 1), () => match(slide)])),
  });
  return (
    <article className="decide" aria-label={name || t("desk.noCode")}>
      <header>
        <h2>{t(`desk.reasons.${item.reason}`, { defaultValue: t(`desk.kindTexts.${item.kind}`) })}</h2>
        <Link to="/scans/$scan" params={{ scan: String(scan.id) }} className="quiet">
          {t("quality.title")}
          {scan.quality && <Mark tone={QUALITY[scan.quality]}>{t(`quality.verdicts.${scan.quality}`)}</Mark>}
        </Link>
      </header>
      <div className="sides">
        <section className="side" aria-label={t("desk.scan")}>
          <h3>{t("desk.scan")}</h3>
          <div className="glass">
            <Picture name={t("desk.label")} src={scan.has_label ? labelOf(scan.series_uid) : ""} turned={turned}>
              <button type="button" className="turn" aria-label={t("desk.turn")} aria-keyshortcuts="t" title={`${t("desk.turn")} (T)`} onClick={() => setTurned(turned + 90)}>
                <Icon name="right" size={17} />
              </button>
            </Picture>
            {scan.has_overview ? (
              <Picture name={t("desk.overview")} src={overviewOf(scan.series_uid)} />
            ) : (
              <figure className="picture">
                <Thumbnail series={scan.series_uid} kind="slide" name={t("desk.thumbnail")} eager />
                <figcaption>{t("desk.thumbnail")}</figcaption>
              </figure>
            )}
          </div>
          <ScanFacts scan={scan} />
        </section>
        <section className="side" aria-label={t("desk.candidates")}>
          <h3>{t("desk.candidates")}</h3>
          <TextInput
            ref={field}
            aria-label={t("desk.seek")}
            placeholder={t("desk.seek")}
            aria-keyshortcuts="/"
            rightSection={typed ? null : <Kbd name="/" />}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") setTyped("");
              if (event.key === "Enter" || event.key === "Escape") event.currentTarget.blur();
            }}
            autoComplete="off"
            spellCheck={false}
          />
          {candidates.length === 0 && <p className="none">{t(word.length > 1 ? "desk.nothingSought" : "desk.noCandidate")}</p>}
          <ol className="candidates">
            {candidates.map((one, index) => (
              <CandidateItem key={one.slide.id} candidate={one} index={index} said={scan.barcode.split(", ")[0] || scan.said_container} onMatch={() => match(one.slide)} />
            ))}
          </ol>
        </section>
      </div>
      <footer className="acts">
        <Keyed keys="Enter" tone="main" disabled={!best} onClick={() => best && match(best)}>
          {best ? t("desk.acts.match", { slide: best.identifier }) : t("desk.acts.matchNone")}
        </Keyed>
        {taken && best && (
          <Keyed keys="c" onClick={() => match(best, "current")}>
            {t("desk.acts.current")}
          </Keyed>
        )}
        {acts.rescan && (
          <Keyed keys="r" title={t("desk.acts.rescanText")} onClick={acts.rescan}>
            {t("desk.acts.rescan")}
          </Keyed>
        )}
        <Keyed keys="i" onClick={acts.ignore}>
          {t("desk.acts.ignore")}
        </Keyed>
      </footer>
    </article>
  );
}

export const QUALITY = { pass: "good", warn: "warn", fail: "bad" } as const;

/** A slide that was expected and did not come. */
function DecideSlide({ item, slide, onDecide }: Props & { slide: DeskSlide }) {
  const { t } = useTranslation();
  const acts = {
    cancel: () => onDecide({ kind: "cancel_slide", slide: slide.id }, t("desk.done.cancel_slide", { slide: slide.identifier })),
  };
  useShortcuts({ x: acts.cancel });
  return (
    <article className="decide" aria-label={slide.identifier}>
      <header>
        <h2>{t(`desk.reasons.${item.reason}`, { defaultValue: t("desk.kindTexts.missing") })}</h2>
      </header>
      <div className="sides">
        <section className="side" aria-label={t("desk.slide")}>
          <h3>{t("desk.slide")}</h3>
          <div className="candidate plain">
            <SlideFacts slide={slide} said="" />
          </div>
        </section>
      </div>
      <footer className="acts">
        <Keyed keys="x" onClick={acts.cancel}>
          {t("desk.acts.cancel_slide")}
        </Keyed>
      </footer>
    </article>
  );
}

function Picture({ name, src, turned = 0, children }: { name: string; src: string; turned?: number; children?: ReactNode }) {
  const { t } = useTranslation();
  const [failed, setFailed] = useState(false);
  return (
    <figure className="picture">
      {src && !failed ? (
        <>
          <span className="pane">
            <img src={src} alt={name} data-turned={(turned / 90) % 4} onError={() => setFailed(true)} />
          </span>
          {children}
        </>
      ) : (
        <span className="pane hidden">{t("desk.noPicture")}</span>
      )}
      <figcaption>{name}</figcaption>
    </figure>
  );
}

function ScanFacts({ scan }: { scan: DeskScan }) {
  const { t, i18n } = useTranslation();
  const facts: [string, ReactNode][] = [
    ["barcode", scan.barcode && <span className="mono">{scan.barcode}</span>],
    ["container", scan.said_container && scan.said_container !== scan.barcode && <span className="mono">{scan.said_container}</span>],
    ["text", scan.label_text],
    ["scanner", scan.scanner],
    ["scannedAt", scan.scanned_at && momentText(scan.scanned_at, i18n.language)],
    ["arrivedAt", momentText(scan.arrived_at, i18n.language)],
  ];
  return (
    <dl className="pairs">
      {facts.map(
        ([name, value]) =>
          (value || name === "barcode") && (
            <div key={name}>
              <dt>{t(`desk.facts.${name}`)}</dt>
              <dd>{value || <span className="warn-text">{t("desk.unread")}</span>}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function CandidateItem({ candidate, index, said, onMatch }: { candidate: Candidate; index: number; said: string; onMatch: () => void }) {
  const { t } = useTranslation();
  const { slide, why } = candidate;
  return (
    <li>
      <button type="button" className="candidate" aria-keyshortcuts={String(index + 1)} onClick={onMatch}>
        <Kbd name={index === 0 ? "Enter" : String(index + 1)} />
        <SlideFacts slide={slide} said={said}>
          {why.map((word) => (
            <Mark key={word} tone="accent">
              {t(`desk.why.${word}`, { defaultValue: word })}
            </Mark>
          ))}
        </SlideFacts>
      </button>
    </li>
  );
}

function SlideFacts({ slide, said, children }: { slide: DeskSlide; said: string; children?: ReactNode }) {
  const { t, i18n } = useTranslation();
  const { patient } = slide;
  const born = patient.birth_date && t("patient.born", { date: dateText(patient.birth_date, i18n.language) });
  return (
    <span className="slide-facts">
      <strong className="mono">
        <Compared text={slide.identifier} said={said} />
      </strong>
      <span>
        {patient.name || t("patient.unknown")} <span className="dim">{[born, patient.id].filter(Boolean).join(" · ")}</span>
      </span>
      <span className="dim">{[slide.accession, slide.specimen, slide.block && t("desk.block", { block: slide.block }), stainName(slide.stain), slide.level].filter(Boolean).join(" · ")}</span>
      <span className="marks">
        {children}
        <Mark>{t(`slideStates.${slide.state}`, { defaultValue: slide.state })}</Mark>
        {slide.due_on && <span className="dim">{t("desk.due", { date: dateText(slide.due_on, i18n.language) })}</span>}
        {slide.scans.map((scan) => (
          <span key={scan.id} className="has-scan">
            <Thumbnail series={scan.series_uid} kind="slide" name="" /> {t(scan.current ? "desk.hasCurrent" : "desk.hasScan", { scanner: scan.scanner })}
          </span>
        ))}
      </span>
    </span>
  );
}

/** The identifier, with what differs from what the label said marked. */
function Compared({ text, said }: { text: string; said: string }) {
  const [before, differs, after] = said ? apart(text, said) : [text, "", ""];
  return (
    <>
      {before}
      {differs && <mark>{differs}</mark>}
      {after}
    </>
  );
}
