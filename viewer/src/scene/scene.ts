/** One slide on the screen: an OpenSeadragon viewer that speaks of magnification and millimetres. No React here. */

import OpenSeadragon from "openseadragon";
import type { PyramidModel, Slide } from "../data/api";
import { magnificationOf, mmPerPixelAt } from "../math/scale";
import { turn, type View } from "../math/view";
import { drawer } from "./renderer";
import { type Layer, tileSource } from "./source";

export type State = {
  /** Centre in pixels of the largest level. */
  x: number;
  y: number;
  magnification: number;
  mmPerPixel: number;
  rotation: number;
};

export type Pointer = { x: number; y: number } | null;

type Options = {
  element: HTMLElement;
  navigator: HTMLElement;
  slide: Slide;
  layer: Layer;
  view: View;
  onState: (state: State) => void;
  onPointer: (pointer: Pointer) => void;
  onFirstView: () => void;
};

/** A slide without a pixel size is shown as if it were scanned at 40x, and the page says that nothing can be measured. */
const ASSUMED_MM = 0.00025;
const STEP_PX = 120;

export class Scene {
  readonly viewer: OpenSeadragon.Viewer;
  private readonly slide: Slide;
  private readonly shown = new Map<string, OpenSeadragon.TiledImage>();
  private layer: Layer;
  private settled = false;
  private atHome = true;
  private readonly onState: (state: State) => void;

  constructor(options: Options) {
    this.slide = options.slide;
    this.layer = options.layer;
    this.onState = options.onState;
    quietStyles();
    this.viewer = new OpenSeadragon.Viewer({
      element: options.element,
      drawer: drawer(),
      navigatorElement: options.navigator,
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
    this.listen(options);
    this.viewer.addHandler("open", () => this.opened(options.view));
    this.viewer.open([{ tileSource: tileSource(this.slide, this.layer) }] as unknown as OpenSeadragon.TileSourceSpecifier[]);
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

  destroy(): void {
    this.viewer.destroy();
  }

  private opened(view: View): void {
    this.shown.set(key(this.layer), this.viewer.world.getItemAt(0));
    this.goTo(view);
    this.preloadNeighbours();
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

  private listen(options: Options): void {
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
    viewer.addHandler("canvas-key", (event) => {
      event.preventDefaultAction = true;
    });
    viewer.addHandler("tile-drawn" as "open", () => options.element.dataset.drawn || this.drawn(options));
    new OpenSeadragon.MouseTracker({
      element: viewer.canvas,
      moveHandler: (event) => {
        const at = (event as unknown as { position: OpenSeadragon.Point }).position;
        if (!viewer.isOpen() || viewer.world.getItemCount() === 0) return;
        options.onPointer(this.image.viewportToImageCoordinates(viewer.viewport.pointFromPixel(at, true)));
      },
      leaveHandler: () => options.onPointer(null),
    });
    viewer.world.addHandler("add-item", (event) => {
      const item = (event as unknown as { item: OpenSeadragon.TiledImage }).item;
      item.addHandler("fully-loaded-change", (change) => {
        if (!(change as unknown as { fullyLoaded: boolean }).fullyLoaded || this.settled) return;
        this.settled = true;
        options.element.dataset.settled = "true";
        options.onFirstView();
      });
    });
  }

  private drawn(options: Options): void {
    options.element.dataset.drawn = "true";
  }

  private changed(): void {
    if (this.viewer.isOpen() && this.viewer.world.getItemCount() > 0) this.onState(this.state());
  }

  /** Every plane and path lies at the same place, so any image measures for all. */
  private get image(): OpenSeadragon.TiledImage {
    return this.viewer.world.getItemAt(0);
  }

  private imageOf(layer: Layer): OpenSeadragon.TiledImage | undefined {
    return this.shown.get(key(layer));
  }

  private add(layer: Layer, opacity: number): void {
    this.viewer.addTiledImage({
      tileSource: tileSource(this.slide, layer) as unknown as string,
      opacity,
      preload: opacity === 0,
      success: (event) => {
        const added = (event as unknown as { item: OpenSeadragon.TiledImage }).item;
        this.shown.set(key(layer), added);
        if (key(layer) === key(this.layer)) this.reveal(layer);
      },
    });
  }

  private reveal(layer: Layer): void {
    const wanted = this.imageOf(layer)!;
    wanted.setOpacity(1);
    wanted.setPreload(false);
    const { world } = this.viewer;
    world.setItemIndex(wanted, world.getItemCount() - 1);
    const settle = () => {
      if (key(layer) !== key(this.layer)) return;
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
      const near = Math.abs(Number(plane) - this.layer.plane) <= 2 && sameButPlane(name, key(this.layer));
      if (!near) {
        this.viewer.world.removeItem(image);
        this.shown.delete(name);
      }
    }
  }
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

function key(layer: Layer): string {
  return `${layer.pyramid}/${layer.plane}/${layer.path}/${layer.icc}/${layer.channels}`;
}

function sameButPlane(one: string, other: string): boolean {
  const rest = (name: string) => name.split("/").filter((_, index) => index !== 1).join("/");
  return rest(one) === rest(other);
}
