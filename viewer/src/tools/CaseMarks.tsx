/** What a case is, in a word each: its state, its urgency, the running clock of a frozen section. */

import { useTranslation } from "react-i18next";
import type { CaseItem } from "../data/api";
import { clockText } from "../data/format";
import { Mark } from "./Mark";
import { useNow } from "./now";

const TONES: Record<CaseItem["state"], "plain" | "good" | "warn" | "accent"> = {
  registered: "plain",
  ready: "accent",
  reading: "accent",
  waiting: "warn",
  preliminary: "warn",
  validated: "good",
  reopened: "warn",
  cancelled: "plain",
};

export function StateMark({ state }: { state: CaseItem["state"] }) {
  const { t } = useTranslation();
  return <Mark tone={TONES[state]}>{t(`cases.state.${state}`)}</Mark>;
}

const DONE = ["validated", "cancelled"];
const SOON_S = 15 * 60;
const LATE_S = 20 * 60; // what a surgeon waits for a frozen section. Source: CAP's turnaround of 20 minutes.

/** Urgency, and for a frozen section that is not done how long the operating room has waited. */
export function UrgencyMark({ item }: { item: Pick<CaseItem, "urgency" | "frozen" | "received_at" | "ordered_at" | "state"> }) {
  const { t } = useTranslation();
  const since = item.received_at ?? item.ordered_at;
  const running = item.frozen && since !== null && !DONE.includes(item.state);
  return (
    <>
      {item.frozen && (
        <Mark tone={running ? "bad" : "plain"}>
          {t("cases.frozen")} {running && <Clock since={since} />}
        </Mark>
      )}
      {item.urgency !== "routine" && <Mark tone={item.urgency === "stat" ? "bad" : "warn"}>{t(`cases.urgency.${item.urgency}`)}</Mark>}
    </>
  );
}

function Clock({ since }: { since: string }) {
  const { t } = useTranslation();
  const seconds = Math.max(0, (useNow(1000) - Date.parse(since)) / 1000);
  const stage = seconds > LATE_S ? "late" : seconds > SOON_S ? "soon" : "";
  return (
    <time className={`clock ${stage}`} role="timer" aria-label={t("cases.frozenSince")}>
      {clockText(seconds)}
    </time>
  );
}
