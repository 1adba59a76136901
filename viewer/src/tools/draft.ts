/** A text that is kept while it is written, and that never quietly replaces what somebody else wrote meanwhile. */

import { useCallback, useEffect, useRef, useState } from "react";
import { Refused } from "../data/client";

const QUIET_MS = 1_500;
const RETRY_MS = 5_000;

export type DraftState = "same" | "typed" | "saving" | "saved" | "failed" | "stale";
/** `version` is the one written over, 0 for none. */
export type Written = { text: string; version: number };
type Keep = (text: string, version: number) => Promise<{ version: number }>;

/** `newest` is what the server has; `keep` writes over a version and answers the one to write over next. */
export function useDraft(newest: Written, keep: Keep) {
  const [text, setText] = useState(newest.text);
  const [state, setState] = useState<DraftState>("same");
  const [savedAt, setSavedAt] = useState<Date | null>(null);
  const now = useRef({ text: newest.text, kept: newest.text, base: newest.version, stale: false });
  const work = useRef<Promise<boolean> | null>(null);
  const timer = useRef(0);
  const keeping = useRef(keep);
  keeping.current = keep;

  const save = useCallback(async (): Promise<boolean> => {
    clearTimeout(timer.current);
    if (work.current) await work.current;
    const mine = now.current;
    if (mine.stale) return false;
    if (mine.text === mine.kept) return true;
    const sent = mine.text;
    setState("saving");
    work.current = keeping
      .current(sent, mine.base)
      .then(({ version }) => {
        Object.assign(mine, { kept: sent, base: version });
        setSavedAt(new Date());
        setState(mine.text === sent ? "saved" : "typed");
        return true;
      })
      .catch((problem: unknown) => {
        mine.stale = problem instanceof Refused && problem.code === "stale_report";
        setState(mine.stale ? "stale" : "failed");
        if (!mine.stale) timer.current = window.setTimeout(() => void save(), RETRY_MS);
        return false;
      })
      .finally(() => {
        work.current = null;
      });
    return work.current;
  }, []);

  const write = useCallback(
    (typed: string) => {
      now.current.text = typed;
      setText(typed);
      if (now.current.stale) return;
      setState(typed === now.current.kept ? "saved" : "typed");
      clearTimeout(timer.current);
      timer.current = window.setTimeout(() => void save(), QUIET_MS);
    },
    [save],
  );

  /** Begins again from what the server has; what was typed is the caller's to show. */
  const restart = useCallback((from: Written) => {
    Object.assign(now.current, { text: from.text, kept: from.text, base: from.version, stale: false });
    setText(from.text);
    setState("same");
  }, []);

  /** Writes what is typed over what the server has. */
  const insist = useCallback(
    (over: number): Promise<boolean> => {
      Object.assign(now.current, { base: over, stale: false, kept: null });
      return save();
    },
    [save],
  );

  useEffect(() => {
    const mine = now.current;
    if (newest.version <= mine.base || work.current) return;
    if (mine.text === mine.kept) restart(newest);
    else {
      clearTimeout(timer.current);
      mine.stale = true;
      setState("stale");
    }
  }, [newest.version, newest.text, restart]);

  useEffect(() => {
    const onLeave = (event: BeforeUnloadEvent) => {
      if (now.current.text !== now.current.kept) event.preventDefault();
    };
    window.addEventListener("beforeunload", onLeave);
    return () => {
      window.removeEventListener("beforeunload", onLeave);
      void save();
    };
  }, [save]);

  return { text, state, savedAt, write, save, restart, insist, base: () => now.current.base };
}
