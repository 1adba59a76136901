/** Counts by the hour as bars without holes: hours of one day, days of a longer time, on this workstation's clock. */

type Hour = { hour: string; scanner: string; count: number };
type Bars = { series: string[]; bars: { at: number; parts: number[] }[]; daily: boolean };

const HOUR_MS = 3_600_000;

export function byHour(scans: Hour[], days: number, now: number): Bars {
  const daily = days > 2;
  const series = [...new Set(scans.map((scan) => scan.scanner))].sort();
  const bars = Array.from({ length: daily ? days : days * 24 }, (_, index, all = daily ? days : days * 24) => ({ at: begin(now, daily, all - 1 - index), parts: series.map(() => 0) }));
  const places = new Map(bars.map(({ at }, index) => [at, index]));
  for (const { hour, scanner, count } of scans) {
    const place = places.get(begin(Date.parse(hour), daily, 0));
    if (place !== undefined) bars[place]!.parts[series.indexOf(scanner)]! += count;
  }
  return { series, bars, daily };
}

/** When the hour or the day of a moment began, so many hours or days before. */
function begin(moment: number, daily: boolean, back: number): number {
  if (!daily) return Math.floor(moment / HOUR_MS) * HOUR_MS - back * HOUR_MS;
  const day = new Date(moment);
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - back);
  return day.getTime();
}
