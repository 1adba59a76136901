/** Dates, numbers and lengths in the reader's language. */

export function dateText(iso: string | null, language: string): string {
  if (!iso) return "";
  const [year, month, day] = iso.split("-").map(Number);
  const local = new Date(year ?? 0, (month ?? 1) - 1, day ?? 1);
  return new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" }).format(local);
}

export function momentText(iso: string | null, language: string): string {
  if (!iso) return "";
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

export function numberText(value: number, language: string, digits = 2): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** Years of age on a day; null when a date is missing. */
export function ageAt(birth: string | null, day: string | null): number | null {
  if (!birth || !day) return null;
  const years = Number(day.slice(0, 4)) - Number(birth.slice(0, 4));
  return day.slice(5) < birth.slice(5) ? years - 1 : years;
}

export function bytesText(bytes: number, language: string): string {
  const units = language.startsWith("fr") ? ["o", "ko", "Mo", "Go", "To"] : ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${numberText(bytes / 1000 ** power, language, 1)} ${units[power]}`;
}

/** A span of time in its two largest units: `2 h 05 min`, `3 j 4 h`. */
export function durationText(seconds: number, language: string): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  const day = language.startsWith("fr") ? "j" : "d";
  return hours % 24 ? `${days} ${day} ${hours % 24} h` : `${days} ${day}`;
}

/** How long ago, in words; minutes at the finest. */
export function agoText(iso: string | null, language: string, now = Date.now()): string {
  if (!iso) return "";
  const minutes = Math.round((Date.parse(iso) - now) / 60_000);
  const [value, unit] = Math.abs(minutes) < 60 ? ([minutes, "minute"] as const) : Math.abs(minutes) < 2880 ? ([Math.round(minutes / 60), "hour"] as const) : ([Math.round(minutes / 1440), "day"] as const);
  return new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" }).format(value, unit);
}

/** The day of this workstation's clock, as ISO says it. */
export function today(shift = 0): string {
  const now = new Date();
  now.setDate(now.getDate() + shift);
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

export function shiftDay(day: string, by: number): string {
  const moment = new Date(`${day}T12:00:00Z`);
  moment.setUTCDate(moment.getUTCDate() + by);
  return moment.toISOString().slice(0, 10);
}

const SIGNS: Record<string, string> = { um: "µm", mm2: "mm²", tiles: "", ratio: "" };

/** A measure with its unit; a share is written in hundredths. */
export function measureText(value: number | null, unit: string, language: string): string {
  if (value === null) return "—";
  if (unit === "share") return `${numberText(100 * value, language, 1)} %`;
  return [numberText(value, language, 2), SIGNS[unit] ?? unit].filter(Boolean).join(" ");
}

const UNITS = [
  { unit: "day", seconds: 86_400, from: 172_800 },
  { unit: "hour", seconds: 3_600, from: 7_200 },
  { unit: "minute", seconds: 60, from: 0 },
];

/** How long ago, in one unit: "12 min", "3 h", "2 j". */
export function sinceText(iso: string | null, now: number, language: string): string {
  if (!iso) return "";
  const past = Math.max(0, (now - Date.parse(iso)) / 1000);
  const { unit, seconds } = UNITS.find(({ from }) => past >= from)!;
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(Math.floor(past / seconds));
}

/** A running clock: "04:07", "1:12:30". */
export function clockText(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return parts
    .slice(parts[0] ? 0 : 1)
    .map((part, index) => String(part).padStart(index || !parts[0] ? 2 : 1, "0"))
    .join(":");
}

/** A matricule INS as it is read aloud: "2 55 06 99 048 123 22". */
export function insText(ins: string): string {
  return ins.replace(/^(.)(..)(..)(..)(...)(...)(..)$/, "$1 $2 $3 $4 $5 $6 $7");
}
