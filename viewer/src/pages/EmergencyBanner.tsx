/** While an emergency access is open: that it is, how long, and the studies it opened. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { myEmergenciesQuery } from "../data/ledger";
import { may, useSession } from "../data/session";
import { Icon } from "../tools/icons";

/** With `study`, only when the emergency opened that one. */
export function EmergencyBanner({ study }: { study?: string }) {
  const { t } = useTranslation();
  const session = useSession();
  const { data } = useQuery({ ...myEmergenciesQuery(), enabled: Boolean(session?.required) && may(session, "break_glass") });
  const now = useMinute();
  const open = data?.filter((found) => Date.parse(found.until) > now && (!study || found.studies.includes(study))) ?? [];
  if (!open.length) return null;
  return (
    <div className="emergency-banner" role="status">
      <Icon name="info" size={18} />
      {open.map((found) => (
        <span key={found.until + found.studies.join()}>
          {t("emergency.banner", { time: left(Date.parse(found.until) - now, t) })}
          {!study &&
            found.studies.map((uid, index) => (
              <Link key={uid} to="/studies/$study" params={{ study: uid }}>
                {t("emergency.study", { number: index + 1 })}
              </Link>
            ))}
        </span>
      ))}
    </div>
  );
}

function useMinute(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 20_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function left(ms: number, t: (key: string, values: { count: number }) => string): string {
  const minutes = Math.max(1, Math.ceil(ms / 60_000));
  return minutes < 120 ? t("emergency.minutes", { count: minutes }) : t("emergency.hours", { count: Math.round(minutes / 60) });
}
