/** What this workstation remembers: the theme of the lists and which panels are open. */

export type Theme = "dark" | "light";

export const PANELS = ["strip", "map", "label", "info"] as const;
export type PanelName = (typeof PANELS)[number];
export type Open = Record<PanelName, boolean>;

export function remember(name: string, value: string): void {
  localStorage.setItem(`lamelle.${name}`, value);
}

export function recall(name: string, otherwise: string): string {
  return localStorage.getItem(`lamelle.${name}`) ?? otherwise;
}

export function openPanels(): Open {
  const kept = recall("panels", "strip,map,label").split(",");
  return Object.fromEntries(PANELS.map((name) => [name, kept.includes(name)])) as Open;
}

export function rememberPanels(open: Open): void {
  remember("panels", PANELS.filter((panel) => open[panel]).join());
}
