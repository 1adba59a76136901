/** The reading page: one slide, as large as the screen allows, and nothing that is not needed to read it. */

import "./reading.css";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { PathModel, Slide, Study } from "../data/api";
import { channelsOf, channelsText, hasChannels } from "../data/channels";
import { dateText } from "../data/format";
import { recall, remember } from "../data/preferences";
import { labelOf, overviewOf, slideQuery, studyQuery, thumbnailOf } from "../data/queries";
import { placeOf } from "../math/place";
import { MAGNIFICATIONS, magnificationOf } from "../math/scale";
import { type View, writeView } from "../math/view";
import { type Pointer, Scene, type State } from "../scene/scene";
import type { Layer } from "../scene/source";
import { Channels } from "../tools/Channels";
import { Details } from "../tools/Details";
import { Focus } from "../tools/Focus";
import { Help } from "../tools/Help";
import { stainName } from "../data/stain";
import { Icon } from "../tools/icons";
import { Magnifications } from "../tools/Magnifications";
import { Panel } from "../tools/Panel";
import { Rotation } from "../tools/Rotation";
import { ScaleBar } from "../tools/ScaleBar";
import { SlideStrip } from "../tools/SlideStrip";
import { Tool } from "../tools/Tool";
import { Trouble } from "../tools/Trouble";

export function SlidePage() {
  const { series } = useParams({ from: "/slides/$series" });
  const { data, error, refetch } = useQuery(slideQuery(series));
  if (error && !data) {
    return (
      <div className="reading">
        <Trouble error={error} onRetry={() => void refetch()} />
      </div>
    );
  }
  return <div className="reading">{data ? <Reader key={`${series}/${data.version}`} slide={data} /> : <Waiting series={series} />}</div>;
}

/** The thumbnail stands where the slide will be, so that the first thing seen is the tissue. */
function Waiting({ series }: { series: string }) {
  return (
    <div className="stage">
      <img className="placeholder" src={thumbnailOf(series)} alt="" />
    </div>
  );
}

const PANELS = ["strip", "map", "label", "info"] as const;
type PanelName = (typeof PANELS)[number];
type Open = Record<PanelName, boolean>;

function usePanels(): [Open, (name: PanelName) => void] {
  const [open, setOpen] = useState<Open>(() => {
    const kept = recall("panels", "strip,map,label").split(",");
    return Object.fromEntries(PANELS.map((name) => [name, kept.includes(name)])) as Open;
  });
  const toggle = useCallback((name: PanelName) => {
    setOpen((was) => {
      const now = { ...was, [name]: !was[name] };
      remember("panels", PANELS.filter((panel) => now[panel]).join());
      return now;
    });
  }, []);
  return [open, toggle];
}

function Reader({ slide }: { slide: Slide }) {
  const { t, i18n } = useTranslation();
  const search = useSearch({ from: "/slides/$series" });
  const navigate = useNavigate();
  const { data: study } = useQuery(studyQuery(slide.study_uid));
  const siblings = useMemo(() => study?.series.filter((series) => series.kind === "slide") ?? [], [study]);
  const [layer, setLayer] = useState<Layer>(() => firstLayer(slide, search));
  const [open, toggle] = usePanels();
  const [help, setHelp] = useState(false);
  const [shared, setShared] = useState(false);
  const [pointer, setPointer] = useState<Pointer>(null);
  const [state, setState] = useState<State | null>(null);
  const [ready, setReady] = useState(false);
  const stage = useRef<HTMLDivElement>(null);
  const map = useRef<HTMLDivElement>(null);
  const scene = useRef<Scene | null>(null);
  const pyramid = slide.pyramids[layer.pyramid]!;
  const grey = pyramid.paths.every((path) => path.rgb);

  useEffect(() => {
    const made = new Scene({
      element: stage.current!,
      navigator: map.current!,
      slide,
      layer,
      view: search,
      onState: setState,
      onPointer: setPointer,
      onFirstView: () => {
        setReady(true);
        performance.mark("lamelle-first-view");
      },
    });
    scene.current = made;
    return () => made.destroy();
    // A scene lives as long as its scanned area; planes, paths and colours change inside it.
  }, [slide, layer.pyramid]);

  const change = useCallback(
    (values: Partial<Layer>) => {
      setLayer((was) => {
        const now = { ...was, ...values };
        if (now.pyramid === was.pyramid) scene.current?.show(now);
        return now;
      });
    },
    [],
  );
  useAddress(state, layer, slide);
  const go = useCallback((uid: string | undefined) => uid && void navigate({ to: "/slides/$series", params: { series: uid } }), [navigate]);
  const index = siblings.findIndex((sibling) => sibling.uid === slide.uid);
  const share = useCallback(() => {
    void navigator.clipboard?.writeText(location.href).then(() => setShared(true));
  }, []);
  useEffect(() => {
    if (!shared) return;
    const timer = setTimeout(() => setShared(false), 1800);
    return () => clearTimeout(timer);
  }, [shared]);

  const plane = (step: number) => {
    const next = layer.plane + step;
    if (next >= 0 && next < pyramid.planes_um.length) change({ plane: next });
  };
  useKeys({
    help: () => setHelp(true),
    scene,
    panel: toggle,
    plane,
    next: () => go(siblings[index + 1]?.uid),
    previous: () => go(siblings[index - 1]?.uid),
    share,
    back: () => void navigate({ to: "/studies/$study", params: { study: slide.study_uid } }),
  });
  useFineFocus(stage, plane);

  const most = magnificationOf(scene.current?.baseMm ?? pyramid.levels[0]!.mm_per_pixel_x ?? 0.00025);
  return (
    <>
      <TopBar slide={slide} study={study} open={open} onToggle={toggle} onHelp={() => setHelp(true)} onShare={share} shared={shared} />
      <div className="desk">
        {open.strip && siblings.length > 1 && <SlideStrip slides={siblings} open={slide.uid} />}
        <div className="stage-frame">
          <div ref={stage} className={`stage ${grey ? "dark" : "glass"}`} tabIndex={0} role="application" aria-label={t("slide.viewer", { name: slide.container || slide.description })} />
          {!ready && search.x === undefined && <img className="placeholder over" src={thumbnailOf(slide.uid)} alt="" hidden={Boolean(stage.current?.dataset.drawn)} />}
          <div className={`corner top-right${grey ? " on-dark" : ""}`}>
            <div className={`panel map ${open.map ? "" : "folded"}`}>
              <div ref={map} className="map-frame" aria-label={t("slide.map")} role="img" />
            </div>
            {open.label && (slide.has_label || slide.has_overview) && <LabelPanel slide={slide} onClose={() => toggle("label")} />}
            {open.info && (
              <Panel title={t("slide.info")} className="info" onClose={() => toggle("info")}>
                <Details slide={slide} pyramid={layer.pyramid} />
              </Panel>
            )}
          </div>
          {pyramid.planes_um.length > 1 && (
            <div className="corner right-middle">
              <Focus planes={pyramid.planes_um} plane={layer.plane} onPlane={(next) => change({ plane: next })} />
            </div>
          )}
          <div className="corner bottom-left">
            {state && scene.current?.calibrated && <ScaleBar mmPerPixel={state.mmPerPixel} />}
            {scene.current && !scene.current.calibrated && <p className="warning">{t("slide.uncalibrated")}</p>}
            <Position slide={slide} layer={layer} pointer={pointer ?? state} language={i18n.language} />
          </div>
          <div className="corner bottom">
            <div className="dock">
              <Magnifications current={state?.magnification ?? 0} most={most} calibrated={scene.current?.calibrated ?? true} onPick={(value) => scene.current?.magnify(value)} />
              <span className="divider" />
              <Tool icon="reset" name={t("slide.reset")} keys="0" onClick={() => scene.current?.reset()} />
              <span className="divider" />
              <Rotation degrees={state?.rotation ?? 0} onTurn={(step) => scene.current?.rotateBy(step)} onSet={(degrees) => scene.current?.rotateTo(degrees)} />
              <Choices slide={slide} layer={layer} onChange={change} />
            </div>
          </div>
        </div>
      </div>
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

function firstLayer(slide: Slide, view: View): Layer {
  const pyramid = slide.pyramids[view.pyramid ?? 0] ? (view.pyramid ?? 0) : 0;
  const { planes_um, paths } = slide.pyramids[pyramid]!;
  const middle = Math.floor((planes_um.length - 1) / 2);
  const plane = view.z !== undefined && planes_um[view.z] !== undefined ? view.z : middle;
  const path = paths.some((p) => p.identifier === view.path) ? (view.path ?? "") : "";
  return { pyramid, plane, path, icc: recall("icc", "") === "srgb" && paths.some((p) => p.icc && !p.rgb), channels: firstChannels(paths, view.channels) };
}

/** All channels of a fluorescence slide, in the colours the slide says. */
function firstChannels(paths: PathModel[], text = ""): string {
  return hasChannels(paths) ? channelsText(channelsOf(paths, text)) : "";
}

/** The address follows what is looked at, a moment after it stands still. */
function useAddress(state: State | null, layer: Layer, slide: Slide) {
  useEffect(() => {
    if (!state) return;
    const timer = setTimeout(() => {
      const view = writeView({ x: state.x, y: state.y, mag: state.magnification, rotation: state.rotation, z: layer.plane, path: layer.path, pyramid: layer.pyramid, channels: said(slide, layer) });
      history.replaceState(history.state, "", `${location.pathname}?${new URLSearchParams(view)}`);
    }, 250);
    return () => clearTimeout(timer);
  }, [state, layer, slide]);
}

/** Channels belong in the address once they are not as the slide says. */
function said(slide: Slide, layer: Layer): string {
  return layer.channels === firstChannels(slide.pyramids[layer.pyramid]!.paths) ? "" : layer.channels;
}

type TopBarProps = { slide: Slide; study: Study | undefined; open: Open; shared: boolean; onToggle: (name: PanelName) => void; onHelp: () => void; onShare: () => void };

function TopBar({ slide, study, open, shared, onToggle, onHelp, onShare }: TopBarProps) {
  const { t, i18n } = useTranslation();
  const [full, setFull] = useState(false);
  useEffect(() => {
    const onChange = () => setFull(Boolean(document.fullscreenElement));
    document.addEventListener("fullscreenchange", onChange);
    return () => document.removeEventListener("fullscreenchange", onChange);
  }, []);
  return (
    <header className="topbar">
      <Link className="quiet" to="/studies/$study" params={{ study: slide.study_uid }} aria-label={t("slide.back")} title={`${t("slide.back")} (Esc)`}>
        <Icon name="back" />
      </Link>
      <div className="who">
        <strong>{study ? study.patient.name || t("patient.unknown") : "\u00a0"}</strong>
        <span>{study && [study.patient.id, dateText(study.patient.birth_date, i18n.language)].filter(Boolean).join(" · ")}</span>
      </div>
      <div className="what">
        <strong>{stainName(slide.stain) || slide.description || slide.container}</strong>
        <span className="mono">{[study?.accession, slide.container].filter(Boolean).join(" · ")}</span>
      </div>
      <div className="tools" role="toolbar" aria-label={t("slide.info")}>
        <span role="status" className={shared ? "toast" : "unseen"}>
          {shared ? t("slide.shared") : ""}
        </span>
        {study && study.series.filter((series) => series.kind === "slide").length > 1 && <Tool icon="strip" name={t("slide.case")} keys="S" on={open.strip} onClick={() => onToggle("strip")} />}
        <Tool icon="map" name={t("slide.map")} keys="M" on={open.map} onClick={() => onToggle("map")} />
        {(slide.has_label || slide.has_overview) && <Tool icon="label" name={t("slide.label")} keys="L" on={open.label} onClick={() => onToggle("label")} />}
        <Tool icon="info" name={t("slide.info")} keys="I" on={open.info} onClick={() => onToggle("info")} />
        <Tool icon="share" name={t("slide.share")} keys="C" onClick={onShare} />
        <Tool icon="help" name={t("slide.help")} keys="?" onClick={onHelp} />
        <Tool icon="full" name={t(full ? "slide.leaveFullScreen" : "slide.fullScreen")} keys="F" on={full} onClick={toggleFullScreen} />
      </div>
    </header>
  );
}

function toggleFullScreen() {
  void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
}

function LabelPanel({ slide, onClose }: { slide: Slide; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Panel title={t("slide.label")} className="label" onClose={onClose}>
      {slide.has_label && <img src={labelOf(slide.uid)} alt={t("slide.label")} />}
      {slide.has_overview && <img src={overviewOf(slide.uid)} alt={t("slide.overview")} />}
    </Panel>
  );
}

function Position({ slide, layer, pointer, language }: { slide: Slide; layer: Layer; pointer: Pointer; language: string }) {
  const { t } = useTranslation();
  const pyramid = slide.pyramids[layer.pyramid]!;
  const base = pyramid.levels[0]!;
  if (!pointer || base.mm_per_pixel_x === null || base.mm_per_pixel_y === null) return null;
  const grid = { orientation: pyramid.orientation, originX: pyramid.origin_x_mm, originY: pyramid.origin_y_mm, mmPerPixelX: base.mm_per_pixel_x, mmPerPixelY: base.mm_per_pixel_y };
  const place = placeOf(grid, pointer.x, pointer.y);
  const text = (mm: number) => new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(mm);
  return (
    <p className="position" title={t("slide.position")}>
      <span className="unseen">{t("slide.position")} </span>x {text(place.x)} · y {text(place.y)} mm
    </p>
  );
}

function Choices({ slide, layer, onChange }: { slide: Slide; layer: Layer; onChange: (values: Partial<Layer>) => void }) {
  const { t } = useTranslation();
  const pyramid = slide.pyramids[layer.pyramid]!;
  return (
    <>
      {layer.channels && <Channels paths={pyramid.paths} shown={channelsOf(pyramid.paths, layer.channels)} onChange={(channels) => onChange({ channels })} />}
      {pyramid.paths.length > 1 && !layer.channels && (
        <label className="choice">
          <span>{t("slide.path")}</span>
          <select value={layer.path || pyramid.paths[0]!.identifier} onChange={(event) => onChange({ path: event.target.value })}>
            {pyramid.paths.map((path) => (
              <option key={path.identifier} value={path.identifier}>
                {[path.description || path.identifier, path.color].filter(Boolean).join(" · ")}
              </option>
            ))}
          </select>
        </label>
      )}
      {slide.pyramids.length > 1 && (
        <label className="choice">
          <span>{t("slide.area")}</span>
          <select value={layer.pyramid} onChange={(event) => onChange({ pyramid: Number(event.target.value), plane: 0, path: "", channels: firstChannels(slide.pyramids[Number(event.target.value)]!.paths) })}>
            {slide.pyramids.map((each, index) => (
              <option key={each.uid || index} value={index}>
                {each.label || t("slide.areaName", { index: index + 1 })}
              </option>
            ))}
          </select>
        </label>
      )}
      {pyramid.paths.some((path) => path.icc && !path.rgb) && (
        <Tool
          icon="colour"
          name={t("slide.colour")}
          on={layer.icc}
          onClick={() => {
            remember("icc", layer.icc ? "" : "srgb");
            onChange({ icc: !layer.icc });
          }}
        />
      )}
    </>
  );
}

type Keys = {
  scene: React.RefObject<Scene | null>;
  panel: (name: PanelName) => void;
  plane: (step: number) => void;
  next: () => void;
  previous: () => void;
  share: () => void;
  help: () => void;
  back: () => void;
};

function useKeys(keys: Keys) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const now = latest.current;
      const field = event.target instanceof HTMLElement && event.target.closest("input, select");
      if (document.querySelector("dialog[open]") || field || event.ctrlKey || event.metaKey || event.altKey) return;
      if (act(event, now)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

/** What each key does; true when it did something. */
function act(event: KeyboardEvent, keys: Keys): boolean {
  const scene = keys.scene.current;
  const far = event.shiftKey ? 4 : 1;
  const actions: Record<string, (() => void) | undefined> = {
    ArrowLeft: () => scene?.pan(-far, 0),
    ArrowRight: () => scene?.pan(far, 0),
    ArrowUp: () => scene?.pan(0, -far),
    ArrowDown: () => scene?.pan(0, far),
    "+": () => scene?.zoomBy(1.5),
    "=": () => scene?.zoomBy(1.5),
    "-": () => scene?.zoomBy(1 / 1.5),
    "0": () => scene?.reset(),
    r: () => scene?.rotateBy(90),
    R: () => scene?.rotateBy(-90),
    "[": () => scene?.rotateBy(-5),
    "]": () => scene?.rotateBy(5),
    PageUp: () => keys.plane(1),
    PageDown: () => keys.plane(-1),
    n: keys.next,
    p: keys.previous,
    l: () => keys.panel("label"),
    m: () => keys.panel("map"),
    i: () => keys.panel("info"),
    s: () => keys.panel("strip"),
    f: toggleFullScreen,
    c: keys.share,
    "?": keys.help,
    Escape: document.fullscreenElement ? undefined : keys.back,
  };
  const magnification = /^[1-6]$/.test(event.key) ? MAGNIFICATIONS[Number(event.key) - 1] : undefined;
  const action = magnification === undefined ? actions[event.key] : () => scene?.magnify(magnification);
  action?.();
  return action !== undefined;
}

/** Shift and the wheel turn the fine focus, as on a microscope. */
function useFineFocus(stage: React.RefObject<HTMLDivElement | null>, plane: (step: number) => void) {
  const latest = useRef(plane);
  latest.current = plane;
  useEffect(() => {
    const element = stage.current!;
    const onWheel = (event: WheelEvent) => {
      if (!event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      latest.current((event.deltaY || event.deltaX) < 0 ? 1 : -1);
    };
    element.addEventListener("wheel", onWheel, { capture: true, passive: false });
    return () => element.removeEventListener("wheel", onWheel, { capture: true });
  }, [stage]);
}

