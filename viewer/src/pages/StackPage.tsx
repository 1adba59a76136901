/** A stack of radiology images: wheel to scroll, drag to window. */

import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Stack } from "../data/api";
import { dateText, numberText } from "../data/format";
import { renderedOf } from "../data/addresses";
import { stackQuery, studyQuery } from "../data/queries";
import { askAgain, isIn, useSession } from "../data/session";
import { factLines, Lines } from "../tools/Details";
import { Icon } from "../tools/icons";
import { Panel } from "../tools/Panel";
import { Tool } from "../tools/Tool";
import { Trouble } from "../tools/Trouble";
import { EmergencyBanner } from "./EmergencyBanner";

type WindowLevel = { center: number; width: number };

/** Hounsfield windows; they mean nothing outside of CT. */
const PRESETS: Record<string, WindowLevel> = {
  mediastinum: { center: 40, width: 400 },
  lung: { center: -600, width: 1500 },
  abdomen: { center: 50, width: 350 },
  brain: { center: 40, width: 80 },
  bone: { center: 500, width: 2000 },
};
const AHEAD = 4;

export function StackPage() {
  const { series } = useParams({ from: "/stacks/$series" });
  const { data, error, refetch } = useQuery(stackQuery(series));
  return (
    <div className="reading">
      {error && !data && <Trouble error={error} onRetry={() => void refetch()} />}
      {data && <StackReader key={series} stack={data} />}
    </div>
  );
}

function StackReader({ stack }: { stack: Stack }) {
  const { t, i18n } = useTranslation();
  const { data: study } = useQuery(studyQuery(stack.study_uid));
  const navigate = useNavigate();
  const [index, setIndex] = useState(Math.floor(stack.images.length / 2));
  const [level, setLevel] = useState<WindowLevel | undefined>(stack.windows[0]);
  const [info, setInfo] = useState(false);
  const stage = useRef<HTMLDivElement>(null);
  const count = stack.images.length;
  const step = (by: number) => setIndex((was) => Math.max(0, Math.min(count - 1, was + by)));
  const image = stack.images[index];
  const urlOf = (at: number) => {
    const found = stack.images[at];
    return found && renderedOf(stack.study_uid, stack.uid, found, level);
  };
  useScroll(stage, step);
  useWindowDrag(stage, level, setLevel);
  useStackKeys(step, count, () => void navigate({ to: "/studies/$study", params: { study: stack.study_uid } }), setIndex);
  useEffect(() => {
    for (let away = 1; away <= AHEAD; away++) {
      for (const at of [index + away, index - away]) {
        const url = urlOf(at);
        if (url) new Image().src = url;
      }
    }
  });
  const known = isIn(useSession());
  const ct = stack.modality === "CT";
  const number = (value: number) => numberText(value, i18n.language, 0);
  return (
    <>
      <header className="topbar">
        <Link className="quiet" to="/studies/$study" params={{ study: stack.study_uid }} aria-label={t("slide.back")} title={t("slide.back")}>
          <Icon name="back" />
        </Link>
        <div className="who">
          <strong>{study ? study.patient.name || t("patient.unknown") : "\u00a0"}</strong>
          <span>{study && [study.patient.id, dateText(study.patient.birth_date, i18n.language)].filter(Boolean).join(" · ")}</span>
        </div>
        <div className="what">
          <strong>{stack.description || stack.modality}</strong>
          <span className="mono">{[stack.modality, study?.accession].filter(Boolean).join(" · ")}</span>
        </div>
        <div className="tools">
          <Tool icon="info" name={t("slide.info")} keys="I" on={info} onClick={() => setInfo(!info)} />
        </div>
      </header>
      <EmergencyBanner study={stack.study_uid} />
      <div className="desk">
        <div ref={stage} className="stage-frame stack" tabIndex={0} role="application" aria-label={t("stack.image", { index: index + 1, count })}>
          {image ? <img key={`${urlOf(index)}#${known}`} className="stack-image" src={urlOf(index)} onError={askAgain} alt={t("stack.image", { index: index + 1, count })} draggable={false} /> : <p className="empty">{t("stack.none")}</p>}
          {info && (
            <div className="corner top-right">
              <Panel title={t("slide.info")} className="info" onClose={() => setInfo(false)}>
                <Lines lines={[[t("slide.size"), `${number(stack.columns)} × ${number(stack.rows)} px`], ...factLines(stack.facts, t)]} />
              </Panel>
            </div>
          )}
          <div className="corner bottom-left">
            <p className="position">
              {t("stack.image", { index: index + 1, count })}
              {image?.position_mm != null && ` · ${numberText(image.position_mm, i18n.language, 1)} mm`}
            </p>
            <p className="position">{t("stack.hint")}</p>
          </div>
          <div className="corner bottom">
            <div className="dock">
              <input className="stack-slider" type="range" min={0} max={Math.max(0, count - 1)} value={index} aria-label={t("stack.image", { index: index + 1, count })} onChange={(event) => setIndex(Number(event.target.value))} />
              {level && (
                <>
                  <span className="divider" />
                  <output className="magnification" title={t("stack.window")}>
                    {number(level.center)} / {number(level.width)}
                  </output>
                  <button type="button" className="chip" aria-pressed={level === stack.windows[0]} onClick={() => setLevel(stack.windows[0])}>
                    {t("stack.default")}
                  </button>
                  {ct &&
                    Object.entries(PRESETS).map(([name, preset]) => (
                      <button key={name} type="button" className="chip" aria-pressed={level === preset} onClick={() => setLevel(preset)}>
                        {t(`stack.presets.${name}`)}
                      </button>
                    ))}
                </>
              )}
            </div>
          </div>
        </div>
      </div>
    </>
  );
}

function useScroll(stage: React.RefObject<HTMLDivElement | null>, step: (by: number) => void) {
  const latest = useRef(step);
  latest.current = step;
  useEffect(() => {
    const element = stage.current!;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      latest.current(event.deltaY > 0 ? 1 : -1);
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [stage]);
}

/** Right is wider, up is brighter; one image of the size of the screen is asked for at most once a frame. */
function useWindowDrag(stage: React.RefObject<HTMLDivElement | null>, level: WindowLevel | undefined, set: (level: WindowLevel) => void) {
  const latest = useRef(level);
  latest.current = level;
  useEffect(() => {
    const element = stage.current!;
    let from: { x: number; y: number; level: WindowLevel } | null = null;
    const onDown = (event: PointerEvent) => {
      if (!latest.current || event.button !== 0 || !(event.target instanceof HTMLImageElement)) return;
      from = { x: event.clientX, y: event.clientY, level: latest.current };
      element.setPointerCapture(event.pointerId);
    };
    const onMove = (event: PointerEvent) => {
      if (!from) return;
      const gain = Math.max(1, from.level.width / 300);
      const width = Math.max(1, Math.round(from.level.width + (event.clientX - from.x) * gain));
      set({ center: Math.round(from.level.center + (event.clientY - from.y) * gain), width });
    };
    const onUp = () => {
      from = null;
    };
    element.addEventListener("pointerdown", onDown);
    element.addEventListener("pointermove", onMove);
    element.addEventListener("pointerup", onUp);
    return () => {
      element.removeEventListener("pointerdown", onDown);
      element.removeEventListener("pointermove", onMove);
      element.removeEventListener("pointerup", onUp);
    };
  }, [stage, set]);
}

function useStackKeys(step: (by: number) => void, count: number, back: () => void, set: (index: number) => void) {
  const latest = useRef({ step, count, back, set });
  latest.current = { step, count, back, set };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement) return;
      const now = latest.current;
      const action = {
        ArrowDown: () => now.step(1),
        ArrowRight: () => now.step(1),
        ArrowUp: () => now.step(-1),
        ArrowLeft: () => now.step(-1),
        PageDown: () => now.step(10),
        PageUp: () => now.step(-10),
        Home: () => now.set(0),
        End: () => now.set(now.count - 1),
        Escape: now.back,
      }[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
