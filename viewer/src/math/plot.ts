/** Numbers to places on a plot. No drawing here. */

/** Round steps from 0 that reach the largest value: at most `most` of them, the last at least `largest`. */
export function ticks(largest: number, most = 4, whole = false): number[] {
  if (!(largest > 0)) return [0, 1];
  const rough = largest / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const found = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough && (!whole || Number.isInteger(candidate))) ?? Math.ceil(rough);
  const count = Math.ceil(largest / found - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * found);
}

/** Steps a clock has, in seconds, for an axis of durations. */
const CLOCK = [60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000];

export function clockTicks(largest_s: number, most = 5): number[] {
  if (!(largest_s > 0)) return [0, 60];
  const step = CLOCK.find((candidate) => largest_s / candidate <= most) ?? Math.ceil(largest_s / most / 864_000) * 864_000;
  return Array.from({ length: Math.ceil(largest_s / step) + 1 }, (_, index) => index * step);
}
