/** The keyboard and the fine focus of the reading page. */

import { type RefObject, useEffect, useRef } from "react";
import type { PanelName } from "../data/preferences";
import { MAGNIFICATIONS } from "../math/scale";
import type { Scene } from "../scene/scene";
import { toggleFullScreen } from "./SlideBar";

type Keys = {
  scene: RefObject<Scene | null>;
  panel: (name: PanelName) => void;
  plane: (step: number) => void;
  next: () => void;
  previous: () => void;
  share: () => void;
  help: () => void;
  back: () => void;
};

export function useKeys(keys: Keys) {
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
export function useFineFocus(stage: RefObject<HTMLDivElement | null>, plane: (step: number) => void) {
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
