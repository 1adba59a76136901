/** News of cases and of the desk as they happen: what is shown of them is asked for again. */

import { useEffect } from "react";
import { askCases } from "./cases";
import { queryClient } from "./queries";
import { isIn, useSession } from "./session";

const GATHER_MS = 700;
const RETRY_MS = 10_000;
const LEFT_MS = 5 * 60_000;
const TOUCHES = ["pointermove", "pointerdown", "keydown", "wheel"] as const;

/** Listens while somebody is in and the page is seen: browsers open few connections to one server, whatever the tabs. */
export function useLive(): void {
  const known = isIn(useSession());
  useEffect(() => {
    if (!known) return;
    let stop = document.hidden ? () => {} : listen();
    const onSeen = () => {
      stop();
      stop = () => {};
      if (document.hidden) return;
      missed();
      stop = listen();
    };
    document.addEventListener("visibilitychange", onSeen);
    for (const kind of TOUCHES) window.addEventListener(kind, touched, { passive: true });
    return () => {
      document.removeEventListener("visibilitychange", onSeen);
      for (const kind of TOUCHES) window.removeEventListener(kind, touched);
      stop();
    };
  }, [known]);
}

/** A page left alone asks for nothing: each question would keep its session alive. */
let touchedAt = Date.now();
let behind = false;

function touched(): void {
  const back = leftAlone();
  touchedAt = Date.now();
  if (behind || back) missed();
}

const leftAlone = () => Date.now() - touchedAt > LEFT_MS;

/** For what has no news of its own: asked for again every so often while somebody is there. */
export const whileHere = (everyMs: number) => () => (leftAlone() ? false : everyMs);

function listen(): () => void {
  const news = gathered();
  let source: EventSource | null = null;
  let retry = 0;
  let lost = false;
  const open = () => {
    source = new EventSource("/api/live");
    source.addEventListener("cases", (event) => news.cases((JSON.parse(event.data as string) as { ids: number[] }).ids));
    source.addEventListener("desk", news.desk);
    source.onopen = () => {
      if (lost) missed();
      lost = false;
    };
    source.onerror = () => {
      lost = true;
      if (source?.readyState === EventSource.CLOSED) retry = window.setTimeout(open, RETRY_MS);
    };
  };
  open();
  return () => {
    source?.close();
    clearTimeout(retry);
    news.stop();
  };
}

/** A scanner that delivers forty slides makes one question, not forty. */
function gathered() {
  const ids = new Set<number>();
  let desk = false;
  let timer = 0;
  const tell = () => {
    if (leftAlone()) behind = true;
    else if (ids.size) void askCases(...ids);
    if (desk && !behind) void queryClient.invalidateQueries({ queryKey: ["desk"] });
    ids.clear();
    desk = false;
    timer = 0;
  };
  const soon = () => {
    timer ||= window.setTimeout(tell, GATHER_MS);
  };
  return {
    cases: (said: number[]) => {
      for (const id of said) ids.add(id);
      soon();
    },
    desk: () => {
      desk = true;
      soon();
    },
    stop: () => clearTimeout(timer),
  };
}

function missed(): void {
  behind = false;
  for (const name of ["cases", "case", "worklists", "desk", "messages", "flow"]) void queryClient.invalidateQueries({ queryKey: [name] });
}
