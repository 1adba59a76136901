/** What this workstation remembers: the theme of the lists and which panels are open. */

export type Theme = "dark" | "light";

export function remember(name: string, value: string): void {
  localStorage.setItem(`lamelle.${name}`, value);
}

export function recall(name: string, otherwise: string): string {
  return localStorage.getItem(`lamelle.${name}`) ?? otherwise;
}
