/** The pages that belong together, as links under one heading. */

import { Link, type LinkProps } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

const GROUPS = {
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
} as const satisfies Record<string, { to: LinkProps["to"]; name: string }[]>;

export function Tabs({ of }: { of: keyof typeof GROUPS }) {
  const { t } = useTranslation();
  return (
    <nav className="tabs" aria-label={t(`nav.${of}`)}>
      {GROUPS[of].map(({ to, name }) => (
        <Link key={to} to={to} activeOptions={{ exact: true, includeSearch: false }}>
          {t(name)}
        </Link>
      ))}
    </nav>
  );
}
