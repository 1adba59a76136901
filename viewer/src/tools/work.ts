/** A change that a page asks for: waits, and says in words what went wrong. */

import type { TFunction } from "i18next";
import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import { Refused } from "../data/client";

export function why(problem: unknown, t: TFunction): string {
  if (!(problem instanceof Refused)) return t("errors.offline");
  return t(`problems.${problem.code}`, { defaultValue: problem.status === 403 ? t("errors.denied") : problem.message || t("errors.title") });
}

export function useWork() {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const run = useCallback(
    async (work: () => Promise<unknown>): Promise<boolean> => {
      setBusy(true);
      setError("");
      try {
        await work();
        return true;
      } catch (problem) {
        setError(why(problem, t));
        return false;
      } finally {
        setBusy(false);
      }
    },
    [t],
  );
  return { busy, error, run };
}
