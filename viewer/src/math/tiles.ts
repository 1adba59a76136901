/** Where the tiles of a level lie, in the units of OpenSeadragon: the width of the whole image is 1. */

export type LevelShape = {
  width: number;
  height: number;
  tile_width: number;
  tile_height: number;
  columns: number;
  rows: number;
};

export type Box = { x: number; y: number; width: number; height: number };

/** Pixels of one tile that belong to the image: tiles at the right and bottom edges are padded. */
export function shownPixels(level: LevelShape, column: number, row: number): { width: number; height: number } {
  return {
    width: Math.min(level.tile_width, level.width - column * level.tile_width),
    height: Math.min(level.tile_height, level.height - row * level.tile_height),
  };
}

/** The box of one tile. A level may be a pixel narrower or lower than its factor says: it is stretched to the whole. */
export function tileBox(level: LevelShape, aspect: number, column: number, row: number): Box {
  const shown = shownPixels(level, column, row);
  return {
    x: (column * level.tile_width) / level.width,
    y: (row * level.tile_height) / level.height / aspect,
    width: shown.width / level.width,
    height: shown.height / level.height / aspect,
  };
}

/** The tile under a point, always one that exists. */
export function tileAt(level: LevelShape, aspect: number, x: number, y: number): { x: number; y: number } {
  const column = Math.floor((x * level.width) / level.tile_width);
  const row = Math.floor((y * aspect * level.height) / level.tile_height);
  return { x: clamp(column, level.columns - 1), y: clamp(row, level.rows - 1) };
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(most, value));
}

/** A level is drawn as long as one of its pixels is at least this much of a screen pixel: finer ones would be wasted. */
export const LEAST_RATIO = 0.4;

/** Centre in pixels of the largest level; `scale`: screen pixels for each of them. */
export type Eye = { x: number; y: number; scale: number };

/** The whole slide in a window. */
export function wholeIn(size: { width: number; height: number }, largest: LevelShape): Eye {
  const scale = Math.min(size.width / largest.width, size.height / largest.height);
  return { x: largest.width / 2, y: largest.height / 2, scale };
}

/** Which of the levels, the largest first, is drawn at a scale. */
export function levelAt(levels: LevelShape[], scale: number): number {
  const found = levels.findIndex((level) => (scale * levels[0]!.width) / level.width >= LEAST_RATIO);
  return found < 0 ? levels.length - 1 : found;
}

export type Drawn = { column: number; row: number; box: Box };

/** The tiles of one level that a window shows, each with its box in screen pixels from the window's corner. */
export function tilesIn(size: { width: number; height: number }, levels: LevelShape[], level: number, eye: Eye): Drawn[] {
  const largest = levels[0]!;
  const shape = levels[level]!;
  const aspect = largest.width / largest.height;
  const unit = largest.width * eye.scale;
  const left = size.width / 2 - eye.x * eye.scale;
  const top = size.height / 2 - eye.y * eye.scale;
  const first = tileAt(shape, aspect, -left / unit, -top / unit);
  const last = tileAt(shape, aspect, (size.width - left) / unit, (size.height - top) / unit);
  const found: Drawn[] = [];
  for (let row = first.y; row <= last.y; row++) {
    for (let column = first.x; column <= last.x; column++) {
      const box = tileBox(shape, aspect, column, row);
      found.push({ column, row, box: { x: left + box.x * unit, y: top + box.y * unit, width: box.width * unit, height: box.height * unit } });
    }
  }
  return found;
}
