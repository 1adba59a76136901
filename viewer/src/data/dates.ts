/** Days as people type them: jj/mm/aaaa in French, yyyy-mm-dd in English; either is understood in both. */

export function dayTyped(iso: string, language: string): string {
  if (!iso || !language.startsWith("fr")) return iso;
  return iso.split("-").reverse().join("/");
}

/** The ISO day, "" for nothing typed, null for what is no day. */
export function dayRead(text: string): string | null {
  const typed = text.trim();
  if (!typed) return "";
  const french = /^(\d{1,2})[/. -](\d{1,2})[/. -](\d{4})$/.exec(typed);
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(typed);
  const parts = french ? [french[3], french[2], french[1]] : iso?.slice(1);
  if (!parts) return null;
  const day = parts.map((part) => part!.padStart(2, "0")).join("-");
  const moment = new Date(`${day}T00:00:00Z`);
  return Number.isNaN(moment.getTime()) || moment.toISOString().slice(0, 10) !== day ? null : day;
}
