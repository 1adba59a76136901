/** The slide of this address before anything else is loaded: a sketch at once, the scene the page goes on with after it.

What lies around the slide has its place here already (a template of index.html), so that nothing moves later.
*/

import type { Slide } from "../data/api";
import { isDark } from "../data/channels";
import { readFirst } from "../data/first";
import { firstLayer, type Layer, sameLayer } from "../data/layer";
import { openPanels } from "../data/preferences";
import { readView } from "../math/view";
import type { Scene } from "./scene";
import { sketch } from "./sketch";

/** How long the rest of the page waits for tiles: a slow disk must not keep it away. */
const PATIENCE_MS = 400;

type Begun = { scene: Scene; layer: Layer; frame: Element };
let begun: Begun | null = null;

/** Resolves when the rest may load; at once when this is no slide that can be shown. */
export async function begin(): Promise<void> {
  const slide = readFirst();
  if (!slide) return;
  const view = readView(Object.fromEntries(new URLSearchParams(location.search)));
  const layer = firstLayer(slide, view);
  const frame = framed(slide, layer);
  const places = { stage: frame.querySelector(".stage-frame")!, map: frame.querySelector(".map")! };
  const drawn = sketch(places.stage, slide, layer, view);
  if (drawn) {
    void drawn.whole.then(mark);
    await inTime(drawn.whole);
  }
  const { Scene } = await import("./scene");
  const scene = new Scene({ places, slide, layer, view });
  begun = { scene, layer, frame };
  scene.viewer.addOnceHandler("animation-start", () => drawn?.canvas.remove());
  const whole = new Promise<void>((resolve) => scene.watch({ onState: () => {}, onPointer: () => {}, onFirstView: resolve, onMissed: () => {} }));
  void whole.then(() => {
    drawn?.canvas.remove();
    if (!drawn) mark();
    performance.mark("lamelle-scene");
  });
  await inTime(whole);
}

/** The scene this page began with, if it shows what is wanted; it is given away once. */
export function taken(slide: Slide, layer: Layer): Scene | null {
  const found = begun;
  begun = null;
  found?.frame.remove();
  if (found && found.scene.slide.uid === slide.uid && found.scene.slide.version === slide.version && sameLayer(found.layer, layer)) return found.scene;
  found?.scene.destroy();
  return null;
}

function framed(slide: Slide, layer: Layer): Element {
  const template = document.getElementById("reading") as HTMLTemplateElement;
  const frame = template.content.firstElementChild!.cloneNode(true) as Element;
  const open = openPanels();
  if (!open.strip || slide.slides_in_study < 2) frame.querySelector(".strip")!.remove();
  if (!open.map) frame.querySelector(".map")!.classList.add("folded");
  if (isDark(slide.pyramids[layer.pyramid]!.paths)) frame.querySelector(".stage-frame")!.classList.add("dark");
  document.body.prepend(frame);
  return frame;
}

function inTime(wanted: Promise<unknown>): Promise<unknown> {
  return Promise.race([wanted, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

/** The tiles are drawn: with the next frame they are on the screen. */
function mark(): void {
  requestAnimationFrame(() => performance.mark("lamelle-first-view"));
}
