/** How good one scan is: where it is sharp, what was measured against its thresholds, and the way to a new scan. */

import { Button, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { thumbnailOf } from "../data/addresses";
import type { Measure, ScanQuality } from "../data/api";
import { decide, undo } from "../data/desk";
import { measureText, momentText, numberText } from "../data/format";
import { type Heat, heatmapOf, lookAgain, qualityQuery } from "../data/quality";
import { may, useSession } from "../data/session";
import { stainName } from "../data/stain";
import { CaseLink } from "../tools/CaseLink";
import { Icon } from "../tools/icons";
import { Keyed } from "../tools/Keyed";
import { Mark } from "../tools/Mark";
import { useShortcuts } from "../tools/shortcuts";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";
import { QUALITY } from "./Decide";

export function QualityPage() {
  const { scan } = useParams({ from: "/lists/scans/$scan" });
  const { data, error, refetch } = useQuery(qualityQuery(scan));
  const { t } = useTranslation();
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page wide" aria-busy={!data}>
      <Link to="/desk" className="quiet back">
        <Icon name="back" size={18} />
        <span>{t("desk.title")}</span>
      </Link>
      {data && <Quality key={data.scan} quality={data} />}
    </div>
  );
}

function Quality({ quality }: { quality: ScanQuality }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const { slide } = quality;
  return (
    <>
      <div className="page-head">
        <div>
          <h1>{slide?.identifier ?? t("quality.title")}</h1>
          <p className="dim quality-of">
            {slide && (
              <>
                <CaseLink of={slide.case}>
                  {slide.patient.name || t("patient.unknown")} · {slide.accession}
                </CaseLink>
                {" · "}
              </>
            )}
            {[stainName(quality.stain), quality.scanner, quality.measured_at && momentText(quality.measured_at, i18n.language)].filter(Boolean).join(" · ")}
          </p>
        </div>
        <span className="together">
          {quality.verdict && <Mark tone={QUALITY[quality.verdict]}>{t(`quality.verdicts.${quality.verdict}`)}</Mark>}
          <Link className="chip" to="/slides/$series" params={{ series: quality.series_uid }}>
            {t("quality.open")}
          </Link>
        </span>
      </div>
      <div className="quality">
        <Heatmap quality={quality} />
        <div>
          <Against quality={quality} />
          <Measures measures={quality.measures} />
          {may(session, "schedule") && <Acts scan={quality.scan} known={slide !== null} />}
        </div>
      </div>
    </>
  );
}

/** A heat map covers the whole slide, so it lies on the thumbnail as it is. */
function Heatmap({ quality }: { quality: ScanQuality }) {
  const { t, i18n } = useTranslation();
  const [heat, setHeat] = useState<Heat | "">(quality.heatmaps[0] ?? "");
  const [strength, setStrength] = useState(60);
  const [shape, setShape] = useState(0);
  const shows = [...quality.heatmaps, ""] as (Heat | "")[];
  useShortcuts({ h: () => setHeat(shows[(shows.indexOf(heat) + 1) % shows.length] ?? "") });
  return (
    <section className="heat" aria-label={t("quality.map")}>
      <div className="heat-bar">
        <SegmentedControl aria-label={t("quality.map")} value={heat} onChange={(chosen) => setHeat(chosen as Heat | "")} data={shows.map((value) => ({ value, label: t(`quality.heat.${value || "none"}`) }))} />
        <label className="heat-strength">
          <span className="dim">{t("quality.strength")}</span>
          <input type="range" min={10} max={100} step={10} value={strength} disabled={!heat} aria-valuetext={`${numberText(strength, i18n.language)} %`} onChange={(event) => setStrength(Number(event.target.value))} />
        </label>
      </div>
      <div className="heat-glass">
        <div className="heat-slide" style={shape ? { width: `min(100%, ${60 * shape}vh)` } : {}}>
        <img src={thumbnailOf(quality.series_uid)} alt={t("quality.slide")} onLoad={({ currentTarget: image }) => setShape(image.naturalWidth / image.naturalHeight)} />
        {heat && <img className="heat-map" style={{ opacity: strength / 100 }} src={heatmapOf(quality.scan, heat)} alt={t(`quality.heatText.${heat}`)} />}
        </div>
      </div>
      {heat && (
        <p className={`heat-legend dim of-${heat}`}>
          <span>{t(`quality.legend.${heat}.low`)}</span>
          <span className="heat-ramp" aria-hidden="true" />
          <span>{t(`quality.legend.${heat}.high`)}</span>
        </p>
      )}
    </section>
  );
}

/** In words: what speaks against the scan. */
function Against({ quality }: { quality: ScanQuality }) {
  const { t } = useTranslation();
  if (!quality.reasons.length) return null;
  return <p className={quality.verdict === "fail" ? "notice bad-notice" : "notice"}>{quality.reasons.map((reason) => t(`quality.reasons.${reason}`, { defaultValue: t(`quality.names.${reason}`, { defaultValue: reason }) })).join(" · ")}</p>;
}

function Measures({ measures }: { measures: Measure[] }) {
  const { t, i18n } = useTranslation();
  const number = (value: number | null, unit = "") => measureText(value, unit, i18n.language);
  if (!measures.length) return <p className="none">{t("quality.notMeasured")}</p>;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t("quality.measures")}>
      <table className="measures">
        <thead>
          <tr>
            {["measure", "value", "warn", "fail"].map((name) => (
              <th key={name} scope="col" className={name === "measure" ? "" : "number"}>
                {t(`quality.columns.${name}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {measures.map((measure) => (
            <tr key={measure.name}>
              <th scope="row">
                {t(`quality.names.${measure.name}`, { defaultValue: measure.name })}
                <span className="dim">{t(`quality.about.${measure.name}`, { defaultValue: "" })}</span>
              </th>
              <td className="number">{measure.verdict ? <Mark tone={QUALITY[measure.verdict]}>{number(measure.value, measure.unit)}</Mark> : number(measure.value, measure.unit)}</td>
              <td className="number dim">{number(measure.warn, measure.unit)}</td>
              <td className="number dim">{number(measure.fail, measure.unit)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Acts({ scan, known }: { scan: number; known: boolean }) {
  const { t } = useTranslation();
  const session = useSession();
  const { busy, error, run } = useWork();
  const [asked, setAsked] = useState<number | null>(null);
  const ask = () => void run(async () => setAsked((await decide({ kind: "rescan", scan })).id));
  const back = () => asked !== null && void run(() => undo(asked).then(() => setAsked(null)));
  const [looking, setLooking] = useState(false);
  useShortcuts(known ? (asked === null ? { r: ask } : { z: back }) : {});
  return (
    <div className="rescan" role="status">
      {asked === null ? known && (
        <Keyed keys="r" tone="main" disabled={busy} onClick={ask}>
          {t("desk.acts.rescan")}
        </Keyed>
      ) : (
        <>
          <span>{t("quality.asked")}</span>
          <Keyed keys="z" disabled={busy} onClick={back}>
            {t("desk.undo")}
          </Keyed>
        </>
      )}
      {error && <span className="bad">{error}</span>}
      {looking ? (
        <span className="dim">{t("quality.looking")}</span>
      ) : (
        <Button variant="default" disabled={busy} onClick={() => void run(() => lookAgain(scan)).then((done) => done && setLooking(true))}>
          {t("quality.again")}
        </Button>
      )}
      {may(session, "operate") && (
        <Button component={Link} to="/thresholds" variant="subtle">
          {t("thresholds.title")}
        </Button>
      )}
    </div>
  );
}
