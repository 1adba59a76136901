/** A word that marks a line: its state, in a colour that can be read in both themes. */

import type { ReactNode } from "react";

export function Mark({ tone = "plain", children }: { tone?: "plain" | "good" | "warn" | "bad" | "accent"; children: ReactNode }) {
  return <span className={`mark ${tone}`}>{children}</span>;
}
