/** Keys of a page of lists: one table of what each key does. Keys of the reading page are its own. */

import { useEffect, useRef } from "react";

export type Shortcuts = Record<string, (() => void) | undefined>;

/** Keys do nothing while somebody types or a dialog is open; what has the focus keeps Enter and the space bar, but in `within`. */
export function useShortcuts(shortcuts: Shortcuts, within = ".keyed") {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const at = event.target instanceof HTMLElement ? event.target : document.body;
      const typing = at.closest("input:not([type=range]):not([type=checkbox]):not([type=radio]), select, textarea");
      if (typing || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if ((event.key === "Enter" || event.key === " ") && at.closest("a, button") && !at.closest(within)) return;
      const act = latest.current[event.key] ?? latest.current[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [within]);
}
