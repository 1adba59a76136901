/** Magnification and scale bars. Lengths are millimetres; a screen pixel is a CSS pixel. */

export const MAGNIFICATIONS = [1, 2.5, 5, 10, 20, 40] as const;

/** What "40x" means in digital pathology: 0.25 µm of tissue for each pixel; 10x is 1 µm. */
const MM_PER_PIXEL_AT_1X = 0.01;

/** The magnification at which one screen pixel shows `mm` of tissue. */
export function magnificationOf(mm: number): number {
  return MM_PER_PIXEL_AT_1X / mm;
}

/** Tissue shown by one screen pixel at a magnification. */
export function mmPerPixelAt(magnification: number): number {
  return MM_PER_PIXEL_AT_1X / magnification;
}

/** A slide without a pixel size is shown as if it were scanned at 40x, and the page says that nothing can be measured. */
export const ASSUMED_MM = 0.00025;

export type ScaleBar = { mm: number; pixels: number };

/** The longest bar of 1, 2 or 5 times a power of ten that is no longer than `room` screen pixels. */
export function scaleBar(mmPerPixel: number, room: number): ScaleBar {
  const longest = mmPerPixel * room;
  const power = 10 ** Math.floor(Math.log10(longest));
  const step = [5, 2, 1].find((s) => s * power <= longest * (1 + 1e-9)) ?? 1;
  const mm = step * power;
  return { mm, pixels: mm / mmPerPixel };
}

/** A length with the unit a person would use, as value and unit. */
export function length(mm: number): { value: number; unit: "mm" | "µm" | "cm" } {
  if (mm < 1) return { value: round(mm * 1000), unit: "µm" };
  return mm < 10 ? { value: round(mm), unit: "mm" } : { value: round(mm / 10), unit: "cm" };
}

/** Three significant digits are more than a screen can show. */
function round(value: number): number {
  return Number(value.toPrecision(3));
}
