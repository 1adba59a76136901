/** To the page of a case. */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

export function CaseLink({ of, children }: { of: number; children: ReactNode }) {
  return <Link to="/cases/$case" params={{ case: String(of) }}>{children}</Link>;
}
