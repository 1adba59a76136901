/** The first view of a slide, drawn from its tiles by hand: it is on the screen before OpenSeadragon is loaded. */

import { tileUrl } from "../data/addresses";
import type { Slide } from "../data/api";
import type { Layer } from "../data/layer";
import { ASSUMED_MM, mmPerPixelAt } from "../math/scale";
import { type Drawn, type Eye, levelAt, type LevelShape, shownPixels, tilesIn, wholeIn } from "../math/tiles";
import type { View } from "../math/view";

/** So few tiles of the smallest level are shown until the sharp ones come; the map needs them anyway. */
const MOST_COARSE = 4;

export type Sketch = { canvas: HTMLCanvasElement; whole: Promise<unknown> };

/** Draws into `place`; null for a turned view, which is left to OpenSeadragon. */
export function sketch(place: Element, slide: Slide, layer: Layer, view: View): Sketch | null {
  if (view.rotation) return null;
  const { levels } = slide.pyramids[layer.pyramid]!;
  const canvas = document.createElement("canvas");
  canvas.className = "sketch";
  place.append(canvas);
  const size = { width: canvas.clientWidth, height: canvas.clientHeight };
  canvas.width = size.width * devicePixelRatio;
  canvas.height = size.height * devicePixelRatio;
  const context = canvas.getContext("2d")!;
  const eye = eyeOf(view, levels[0]!) ?? wholeIn(size, levels[0]!);
  const drawn = (level: number, over: GlobalCompositeOperation) =>
    Promise.allSettled(
      tilesIn(size, levels, level, eye).map(async (tile) => {
        const image = await loaded(tileUrl(slide, layer, level, tile.column, tile.row));
        context.globalCompositeOperation = over;
        paint(context, image, levels[level]!, tile);
      }),
    );
  const sharp = levelAt(levels, eye.scale);
  const { columns, rows } = levels.at(-1)!;
  if (sharp < levels.length - 1 && columns * rows <= MOST_COARSE) void drawn(levels.length - 1, "destination-over");
  return { canvas, whole: drawn(sharp, "source-over") };
}

function eyeOf({ x, y, mag }: View, largest: LevelShape & { mm_per_pixel_x: number | null }): Eye | null {
  if (x === undefined || y === undefined || mag === undefined) return null;
  return { x, y, scale: (largest.mm_per_pixel_x ?? ASSUMED_MM) / mmPerPixelAt(mag) };
}

async function loaded(address: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

/** Edges on whole pixels of the screen leave no seam between tiles. */
function paint(context: CanvasRenderingContext2D, image: HTMLImageElement, level: LevelShape, { column, row, box }: Drawn): void {
  const shown = shownPixels(level, column, row);
  const [left, top, right, bottom] = [box.x, box.y, box.x + box.width, box.y + box.height].map((edge) => Math.round(edge * devicePixelRatio));
  context.drawImage(image, 0, 0, shown.width, shown.height, left!, top!, right! - left!, bottom! - top!);
}
