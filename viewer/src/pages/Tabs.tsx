/** The pages that belong together, as links under one heading. */

import { Link, type LinkProps } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { Action } from "../data/api";
import { may, useSession } from "../data/session";

/** Without `needs` it is for everybody who sees the group. */
type Tab = { to: LinkProps["to"]; name: string; needs?: Action };

const GROUPS = {
  cases: [
    { to: "/cases", name: "cases.title" },
    { to: "/priorities", name: "priorities.title" },
    { to: "/specialties", name: "specialties.title" },
  ],
  lab: [
    { to: "/desk", name: "desk.title", needs: "schedule" },
    { to: "/expected", name: "expected.title", needs: "schedule" },
    { to: "/flow", name: "flow.title" },
    { to: "/merges", name: "merges.title", needs: "schedule" },
    { to: "/messages", name: "messages.title", needs: "operate" },
    { to: "/thresholds", name: "thresholds.tab", needs: "operate" },
  ],
  people: [
    { to: "/people", name: "people.title" },
    { to: "/places", name: "places.title" },
    { to: "/roles", name: "rights.title" },
  ],
  audit: [
    { to: "/audit", name: "audit.title" },
    { to: "/audit/emergencies", name: "emergencies.title" },
    { to: "/audit/ledger", name: "ledger.title" },
  ],
} as const satisfies Record<string, Tab[]>;

export function Tabs({ of }: { of: keyof typeof GROUPS }) {
  const { t } = useTranslation();
  const session = useSession();
  const tabs: readonly Tab[] = GROUPS[of];
  return (
    <nav className="tabs" aria-label={t(`nav.${of}`)}>
      {tabs
        .filter(({ needs }) => !needs || may(session, needs))
        .map(({ to, name }) => (
        <Link key={to} to={to!} activeOptions={{ exact: true, includeSearch: false }}>
          {t(name)}
        </Link>
      ))}
    </nav>
  );
}
