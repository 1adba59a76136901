/** Pixels of the largest level to millimetres on the glass. Source: DICOM PS3.3 C.8.12.2.1.1. */

export type Grid = {
  orientation: number[];
  originX: number;
  originY: number;
  mmPerPixelX: number;
  mmPerPixelY: number;
};

/** Where a pixel of the largest level lies in the slide coordinate system. */
export function placeOf(grid: Grid, column: number, row: number): { x: number; y: number } {
  const [rowX = 0, rowY = -1, , columnX = -1, columnY = 0] = grid.orientation;
  const along = column * grid.mmPerPixelX;
  const down = row * grid.mmPerPixelY;
  return { x: grid.originX + along * rowX + down * columnX, y: grid.originY + along * rowY + down * columnY };
}
