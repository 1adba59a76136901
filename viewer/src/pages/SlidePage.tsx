/** The reading page: one slide, as large as the screen allows, and nothing that is not needed to read it. */

import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { labelOf, overviewOf, thumbnailOf } from "../data/addresses";
import type { Slide } from "../data/api";
import { caseQuery } from "../data/cases";
import { isDark } from "../data/channels";
import { firstChannels, firstLayer, type Layer } from "../data/layer";
import { type Open, openPanels, type PanelName, rememberPanels } from "../data/preferences";
import { slideQuery, studyQuery } from "../data/queries";
import { askAgain, isIn, may, useSession } from "../data/session";
import { type StripSlide, stripOf } from "../data/tree";
import { placeOf } from "../math/place";
import { magnificationOf } from "../math/scale";
import { writeView } from "../math/view";
import { taken } from "../scene/first";
import { type Pointer, Scene, type State } from "../scene/scene";
import { Details } from "../tools/Details";
import { Focus } from "../tools/Focus";
import { Help } from "../tools/Help";
import { Magnifications } from "../tools/Magnifications";
import { Panel } from "../tools/Panel";
import { Rotation } from "../tools/Rotation";
import { ScaleBar } from "../tools/ScaleBar";
import { SlideStrip } from "../tools/SlideStrip";
import { Tool } from "../tools/Tool";
import { Trouble } from "../tools/Trouble";
import { EmergencyBanner } from "./EmergencyBanner";
import { SlideBar } from "./SlideBar";
import { SlideChoices } from "./SlideChoices";
import { useFineFocus, useKeys } from "./slideKeys";

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

function usePanels(): [Open, (name: PanelName) => void] {
  const [open, setOpen] = useState(openPanels);
  const toggle = useCallback((name: PanelName) => {
    setOpen((was) => {
      const now = { ...was, [name]: !was[name] };
      rememberPanels(now);
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
  const ofCase = may(useSession(), "read") ? slide.case : null;
  const { data: found } = useQuery({ ...caseQuery(ofCase ?? 0), enabled: Boolean(ofCase) });
  const siblings = useMemo<StripSlide[]>(() => (found ? stripOf(found, slide.uid) : (study?.series.filter((series) => series.kind === "slide") ?? [])), [found, study, slide.uid]);
  const [layer, setLayer] = useState<Layer>(() => firstLayer(slide, search));
  const [open, toggle] = usePanels();
  const [help, setHelp] = useState(false);
  const [shared, setShared] = useState(false);
  const [pointer, setPointer] = useState<Pointer>(null);
  const [state, setState] = useState<State | null>(null);
  const stage = useRef<HTMLDivElement>(null);
  const map = useRef<HTMLDivElement>(null);
  const scene = useRef<Scene | null>(null);
  const pyramid = slide.pyramids[layer.pyramid]!;
  const dark = isDark(pyramid.paths);

  useLayoutEffect(() => {
    const places = { stage: stage.current!, map: map.current! };
    const begun = taken(slide, layer);
    begun?.moveTo(places);
    const made = begun ?? new Scene({ places, slide, layer, view: search, ...(search.x === undefined && { standIn: thumbnailOf(slide.uid) }) });
    made.watch({ onState: setState, onPointer: setPointer, onFirstView: () => {}, onMissed: askAgain });
    scene.current = made;
    performance.mark("lamelle-tools");
    return () => made.destroy();
    // A scene lives as long as its scanned area; planes, paths and colours change inside it.
  }, [slide, layer.pyramid]);
  const known = isIn(useSession());
  const was = useRef(known);
  useEffect(() => {
    if (known && !was.current) scene.current?.again(); // tiles that were refused while nobody was signed in
    was.current = known;
  }, [known]);
  const name = t("slide.viewer", { name: slide.container || slide.description });
  useLayoutEffect(() => scene.current?.element.setAttribute("aria-label", name), [name, slide, layer.pyramid]);

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
    back: () => void navigate(ofCase ? { to: "/cases/$case", params: { case: String(ofCase) } } : { to: "/studies/$study", params: { study: slide.study_uid } }),
  });
  useFineFocus(stage, plane);

  const most = magnificationOf(scene.current?.baseMm ?? pyramid.levels[0]!.mm_per_pixel_x ?? 0.00025);
  return (
    <>
      <SlideBar slide={slide} study={study} found={found} several={siblings.length > 1} open={open} onToggle={toggle} onHelp={() => setHelp(true)} onShare={share} shared={shared} />
      <EmergencyBanner study={slide.study_uid} />
      <div className="desk">
        {open.strip && (slide.slides_in_study > 1 || siblings.length > 1) && <SlideStrip slides={siblings} open={slide.uid} />}
        <div ref={stage} className={`stage-frame${dark ? " dark" : ""}`}>
          <div className="corner top-right">
            <div ref={map} className={`panel map ${open.map ? "" : "folded"}`} aria-label={t("slide.map")} role="img" />
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
              <SlideChoices slide={slide} layer={layer} onChange={change} />
            </div>
          </div>
        </div>
      </div>
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

/** The address follows what is looked at, a moment after it stands still. */
function useAddress(state: State | null, layer: Layer, slide: Slide) {
  useEffect(() => {
    if (!state) return;
    const timer = setTimeout(() => {
      const z = layer.plane === firstLayer(slide, { pyramid: layer.pyramid }).plane ? undefined : layer.plane;
      const view = writeView({ x: state.x, y: state.y, mag: state.magnification, rotation: state.rotation, z, path: layer.path, pyramid: layer.pyramid, channels: said(slide, layer) });
      history.replaceState(history.state, "", `${location.pathname}?${new URLSearchParams(view)}`);
    }, 250);
    return () => clearTimeout(timer);
  }, [state, layer, slide]);
}

/** Channels belong in the address once they are not as the slide says. */
function said(slide: Slide, layer: Layer): string {
  return layer.channels === firstChannels(slide.pyramids[layer.pyramid]!.paths) ? "" : layer.channels;
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
