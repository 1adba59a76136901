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
