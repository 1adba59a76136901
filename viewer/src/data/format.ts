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
