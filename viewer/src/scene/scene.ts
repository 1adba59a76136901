/** One slide on the screen: an OpenSeadragon viewer that speaks of magnification and millimetres. No React here. */

import OpenSeadragon from "openseadragon";
import type { PyramidModel, Slide } from "../data/api";
import { isDark } from "../data/channels";
import { type Layer, layerKey } from "../data/layer";
import { ASSUMED_MM, magnificationOf, mmPerPixelAt } from "../math/scale";
import { LEAST_RATIO } from "../math/tiles";
import { turn, type View } from "../math/view";
import { drawer } from "./renderer";
import { tileSource } from "./source";

export type State = {
  /** Centre in pixels of the largest level. */
  x: number;
  y: number;
  magnification: number;
  mmPerPixel: number;
  rotation: number;
};

export type Pointer = { x: number; y: number } | null;

/** Who follows what is shown; told at once of what is so already. */
export type Watcher = {
  onState: (state: State) => void;
  onPointer: (pointer: Pointer) => void;
  onFirstView: () => void;
  /** A tile did not come: the reader may be signed in no more. */
  onMissed: () => void;
};

/** Where the slide and its map lie in the page. */
export type Places = { stage: Element; map: Element };

/** `standIn`: a picture of the whole slide that is shown until its tiles are. */
type Options = { places: Places; slide: Slide; layer: Layer; view: View; standIn?: string };

const STEP_PX = 120;
/** The planes above and below wait until the page's tools are there. */
const NEIGHBOURS_MS = 1000;

export class Scene {
  readonly viewer: OpenSeadragon.Viewer;
  readonly slide: Slide;
  /** `data-settled` names the layer whose tiles are all drawn. */
  readonly element = made("stage", { tabindex: "0", role: "application" });
  private readonly map = made("map-place");
  private readonly shown = new Map<string, OpenSeadragon.TiledImage>();
  private layer: Layer;
  private watcher: Watcher | null = null;
  private settled = false;
  private later: ReturnType<typeof setTimeout> | undefined;
  private atHome = true;

  constructor({ places, slide, layer, view, standIn }: Options) {
    this.slide = slide;
    this.layer = layer;
    this.element.classList.add(isDark(this.pyramid.paths) ? "dark" : "glass");
    this.moveTo(places);
    const frame = made("map-frame"); // OpenSeadragon puts a wrapper of its own about it
    this.map.append(frame);
    if (standIn) this.element.append(picture(standIn));
    quietStyles();
    this.viewer = new OpenSeadragon.Viewer({
      element: this.element,
      drawer: drawer(),
      navigatorElement: frame,
      showNavigator: true,
      navigatorAutoFade: false,
      navigatorRotate: false,
      showNavigationControl: false,
      animationTime: 0.35,
      springStiffness: 9,
      zoomPerScroll: 1.25,
      zoomPerSecond: 2,
      minZoomImageRatio: 0.5,
      maxZoomPixelRatio: 4,
      minPixelRatio: LEAST_RATIO,
      visibilityRatio: 0.2,
      preserveImageSizeOnResize: true,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      gestureSettingsPen: { clickToZoom: false, dblClickToZoom: true },
      gestureSettingsTouch: { pinchRotate: true },
      imageLoaderLimit: 16,
      maxTilesPerFrame: 32,
      maxImageCacheCount: 400,
      blendTime: 0,
      preload: false,
    } as OpenSeadragon.Options);
    this.listen();
    this.viewer.addHandler("open", () => this.opened(view));
    this.viewer.open([{ tileSource: tileSource(this.slide, this.layer) }] as unknown as OpenSeadragon.TileSourceSpecifier[]);
  }

  moveTo({ stage, map }: Places): void {
    stage.prepend(this.element);
    map.append(this.map);
  }

  watch(watcher: Watcher): void {
    this.watcher = watcher;
    this.changed();
    if (this.settled) watcher.onFirstView();
  }

  get pyramid(): PyramidModel {
    return this.slide.pyramids[this.layer.pyramid]!;
  }

  get calibrated(): boolean {
    return this.pyramid.levels[0]!.mm_per_pixel_x !== null;
  }

  /** Millimetres of one pixel of the largest level, across. */
  get baseMm(): number {
    return this.pyramid.levels[0]!.mm_per_pixel_x ?? ASSUMED_MM;
  }

  state(): State {
    const { viewport } = this.viewer;
    const center = this.image.viewportToImageCoordinates(viewport.getCenter(true));
    const mmPerPixel = this.baseMm / this.image.viewportToImageZoom(viewport.getZoom(true));
    return {
      x: center.x,
      y: center.y,
      mmPerPixel,
      magnification: magnificationOf(mmPerPixel),
      rotation: turn(viewport.getRotation(true)),
    };
  }

  /** Show tissue at a magnification, about the centre of the screen. */
  magnify(magnification: number, immediately = false): void {
    this.atHome = false;
    const { viewport } = this.viewer;
    viewport.zoomTo(this.zoomAt(magnification), undefined, immediately);
  }

  zoomBy(factor: number): void {
    this.atHome = false;
    this.viewer.viewport.zoomBy(factor);
    this.viewer.viewport.applyConstraints();
  }

  /** Move by steps of the screen, whatever the rotation. */
  pan(right: number, down: number): void {
    this.atHome = false;
    const { viewport } = this.viewer;
    const step = new OpenSeadragon.Point(right * STEP_PX, down * STEP_PX).rotate(-viewport.getRotation(true));
    viewport.panBy(viewport.deltaPointsFromPixels(step));
    viewport.applyConstraints();
  }

  rotateTo(degrees: number): void {
    this.viewer.viewport.setRotation(degrees);
  }

  rotateBy(degrees: number): void {
    this.rotateTo(this.viewer.viewport.getRotation() + degrees);
  }

  reset(): void {
    this.atHome = true;
    this.rotateTo(0);
    this.viewer.viewport.goHome();
  }

  /** Another plane, optical path or colour of the same area: the new tiles cover the old ones before these go. */
  show(layer: Layer): void {
    this.layer = layer;
    const wanted = this.imageOf(layer);
    if (wanted) this.reveal(layer);
    else this.add(layer, 1);
  }

  /** Load everything again: tiles that were refused are not asked for twice otherwise. */
  again(): void {
    const before = [...this.shown.values()];
    this.shown.clear();
    this.add(this.layer, 1, () => before.forEach((image) => this.viewer.world.removeItem(image)));
  }

  destroy(): void {
    this.watcher = null;
    clearTimeout(this.later);
    this.viewer.destroy();
    this.element.remove();
    this.map.remove();
  }

  private opened(view: View): void {
    this.shown.set(layerKey(this.layer), this.viewer.world.getItemAt(0));
    this.goTo(view);
    this.changed();
  }

  private goTo(view: View): void {
    const { viewport } = this.viewer;
    if (view.rotation) viewport.setRotation(view.rotation, true);
    if (view.x === undefined || view.y === undefined || view.mag === undefined) return;
    this.atHome = false;
    viewport.zoomTo(this.zoomAt(view.mag), undefined, true);
    viewport.panTo(this.image.imageToViewportCoordinates(view.x, view.y), true);
  }

  private zoomAt(magnification: number): number {
    return this.image.imageToViewportZoom(this.baseMm / mmPerPixelAt(magnification));
  }

  private listen(): void {
    const { viewer } = this;
    for (const event of ["canvas-drag", "canvas-scroll", "canvas-pinch", "canvas-double-click"] as const) {
      viewer.addHandler(event, () => {
        this.atHome = false;
      });
    }
    // A panel that opens must not change the magnification, but the whole slide stays whole.
    viewer.addHandler("resize", () => this.atHome && viewer.isOpen() && viewer.viewport.goHome(true));
    for (const event of ["animation", "animation-finish", "resize", "rotate"] as const) {
      viewer.addHandler(event, () => this.changed());
    }
    viewer.addHandler("tile-load-failed", () => this.watcher?.onMissed());
    viewer.addHandler("canvas-key", (event) => {
      event.preventDefaultAction = true;
    });
    new OpenSeadragon.MouseTracker({
      element: viewer.canvas,
      moveHandler: (event) => {
        const at = (event as unknown as { position: OpenSeadragon.Point }).position;
        if (!viewer.isOpen() || viewer.world.getItemCount() === 0) return;
        this.watcher?.onPointer(this.image.viewportToImageCoordinates(viewer.viewport.pointFromPixel(at, true)));
      },
      leaveHandler: () => this.watcher?.onPointer(null),
    });
    viewer.world.addHandler("add-item", (event) => {
      const item = (event as unknown as { item: OpenSeadragon.TiledImage }).item;
      item.addHandler("fully-loaded-change", (change) => {
        if ((change as unknown as { fullyLoaded: boolean }).fullyLoaded) this.whole();
      });
    });
  }

  /** All tiles of the first view are drawn: with the next frame they are on the screen. */
  private whole(): void {
    if (this.settled) return;
    this.settled = true;
    this.later = setTimeout(() => this.preloadNeighbours(), NEIGHBOURS_MS);
    requestAnimationFrame(() => {
      this.element.querySelector(".placeholder")?.remove();
      this.element.dataset.settled = layerKey(this.layer);
      this.watcher?.onFirstView();
    });
  }

  private changed(): void {
    if (this.viewer.isOpen() && this.viewer.world.getItemCount() > 0) this.watcher?.onState(this.state());
  }

  /** Every plane and path lies at the same place, so any image measures for all. */
  private get image(): OpenSeadragon.TiledImage {
    return this.viewer.world.getItemAt(0);
  }

  private imageOf(layer: Layer): OpenSeadragon.TiledImage | undefined {
    return this.shown.get(layerKey(layer));
  }

  private add(layer: Layer, opacity: number, onAdded = () => {}): void {
    this.viewer.addTiledImage({
      tileSource: tileSource(this.slide, layer) as unknown as string,
      opacity,
      preload: opacity === 0,
      success: (event) => {
        const added = (event as unknown as { item: OpenSeadragon.TiledImage }).item;
        this.shown.set(layerKey(layer), added);
        onAdded();
        if (layerKey(layer) === layerKey(this.layer)) this.reveal(layer);
      },
    });
  }

  private reveal(layer: Layer): void {
    const wanted = this.imageOf(layer)!;
    wanted.setOpacity(1);
    wanted.setPreload(false);
    const { world } = this.viewer;
    world.setItemIndex(wanted, world.getItemCount() - 1);
    delete this.element.dataset.settled;
    const settle = () => {
      if (layerKey(layer) !== layerKey(this.layer)) return;
      this.element.dataset.settled = layerKey(layer);
      for (const image of this.shown.values()) if (image !== wanted) image.setOpacity(0);
      this.forgetDistant();
      this.preloadNeighbours();
    };
    if (wanted.getFullyLoaded()) settle();
    else wanted.addOnceHandler("fully-loaded-change", settle);
  }

  /** The planes above and below load while the reader looks at this one, so that focusing does not wait. */
  private preloadNeighbours(): void {
    for (const step of [1, -1]) {
      const plane = this.layer.plane + step;
      const layer = { ...this.layer, plane };
      if (plane >= 0 && plane < this.pyramid.planes_um.length && !this.imageOf(layer) && this.settled) this.add(layer, 0);
    }
  }

  private forgetDistant(): void {
    for (const [name, image] of this.shown) {
      const [, plane] = name.split("/");
      const near = Math.abs(Number(plane) - this.layer.plane) <= 2 && sameButPlane(name, layerKey(this.layer));
      if (!near) {
        this.viewer.world.removeItem(image);
        this.shown.delete(name);
      }
    }
  }
}

function picture(address: string): HTMLImageElement {
  const image = new Image();
  image.className = "placeholder";
  image.alt = "";
  image.src = address;
  return image;
}

function made(name: string, attributes: Record<string, string> = {}): HTMLElement {
  const element = document.createElement("div");
  element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** OpenSeadragon adds a style element of its own unless one is there; our page's policy would refuse it. */
function quietStyles(): void {
  const name = "data-openseadragon-mobile-css";
  if (document.querySelector(`style[${name}]`)) return;
  const style = document.createElement("style");
  style.setAttribute(name, "true");
  style.nonce = document.querySelector<HTMLElement>("meta[property=csp-nonce]")?.nonce ?? "";
  document.head.appendChild(style);
}

function sameButPlane(one: string, other: string): boolean {
  const rest = (name: string) => name.split("/").filter((_, index) => index !== 1).join("/");
  return rest(one) === rest(other);
}
