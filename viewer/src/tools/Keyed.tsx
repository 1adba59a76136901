/** A button with the key that does the same, shown and told. */

import type { ReactNode } from "react";

const SHOWN: Record<string, string> = { Enter: "⏎", Escape: "Esc", ArrowUp: "↑", ArrowDown: "↓" };

type Props = { keys: string; tone?: "main" | "plain"; disabled?: boolean; title?: string; onClick: () => void; children: ReactNode };

export function Keyed({ keys, tone = "plain", disabled, title, onClick, children }: Props) {
  return (
    <button type="button" className={`keyed-button ${tone}`} aria-keyshortcuts={keys} disabled={disabled} title={title} onClick={onClick}>
      <span>{children}</span>
      <Kbd name={keys} />
    </button>
  );
}

export function Kbd({ name }: { name: string }) {
  return <kbd aria-hidden="true">{SHOWN[name] ?? name.toUpperCase()}</kbd>;
}
