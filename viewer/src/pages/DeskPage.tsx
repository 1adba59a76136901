/** The reconciliation desk: what does not go by itself, one after the other, each decided with one key. */

import { SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { DecisionNew, DeskCounts, DeskItem } from "../data/api";
import { decide, deskQuery, undo } from "../data/desk";
import { agoText, dateText, numberText } from "../data/format";
import { stainName } from "../data/stain";
import { Kbd, Keyed } from "../tools/Keyed";
import { Mark } from "../tools/Mark";
import { useShortcuts } from "../tools/shortcuts";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";
import { Decide } from "./Decide";
import { Tabs } from "./Tabs";

const KINDS = ["", "unmatched", "duplicate", "unexpected", "missing"] as const;
export const TONES = { unmatched: "warn", duplicate: "bad", unexpected: "accent", missing: "plain" } as const;

export const keyOf = (item: DeskItem) => (item.scan ? `scan-${item.scan.id}` : `slide-${item.slide?.id}`);
export const titleOf = (item: DeskItem) => (item.scan ? item.scan.barcode || item.scan.said_container : item.slide?.identifier) || "";

/** What was decided last, so that it can be taken back at once. */
type Done = { id: number; text: string; item: string };

export function DeskPage() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/lists/desk" });
  const navigate = useNavigate();
  const kind = search.kind ?? "";
  const [typed, setTyped] = useState(search.q ?? "");
  const [word] = useDebouncedValue(typed.trim(), 200);
  const { data, error, refetch } = useQuery(deskQuery(kind, word));
  const [open, setOpen] = useState("");
  const [gone, setGone] = useState<string[]>([]);
  const [last, setLast] = useState<Done | null>(null);
  const { error: failed, run } = useWork();
  const items = (data?.items ?? []).filter((item) => !gone.includes(keyOf(item)));
  const at = Math.max(0, items.findIndex((item) => keyOf(item) === open));
  const item = items[at];
  const place = useRef(0);
  const show = (index: number) => {
    const shown = items[Math.min(Math.max(index, 0), items.length - 1)];
    if (shown) setOpen(keyOf(shown));
  };
  useEffect(() => {
    if (item && keyOf(item) !== open) show(Math.min(place.current, items.length - 1));
    else place.current = at;
  });
  /** The next one is shown at once; what the server refuses comes back. */
  const take = (decision: DecisionNew, text: string) => {
    if (!item) return;
    const key = keyOf(item);
    setGone([...gone, key]);
    void run(async () => {
      const { id } = await decide(decision);
      setLast({ id, text, item: key });
    }).then(() => setGone((before) => before.filter((one) => one !== key)));
  };
  const takeBack = () => {
    if (!last) return;
    const { id, item: key } = last;
    setLast(null);
    void run(async () => {
      await undo(id);
      setOpen(key);
    });
  };
  useShortcuts({ ArrowDown: () => show(at + 1), ArrowUp: () => show(at - 1), j: () => show(at + 1), k: () => show(at - 1), z: last ? takeBack : undefined });
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="desk-page" aria-busy={!data}>
      <Tabs of="lab" />
      <div className="desk-head">
        <h1>{t("desk.title")}</h1>
        <SegmentedControl
          aria-label={t("desk.kind")}
          value={kind}
          onChange={(chosen) => void navigate({ to: "/desk", search: chosen ? { kind: chosen } : {}, replace: true })}
          data={KINDS.map((value) => ({ value, label: <Counted kind={value} counts={data?.counts} /> }))}
        />
        <TextInput className="desk-find" aria-label={t("desk.find")} placeholder={t("desk.find")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autoComplete="off" spellCheck={false} />
        <Link to="/desk/decisions" className="quiet">
          {t("decisions.title")}
        </Link>
      </div>
      {data && items.length === 0 && <Nothing filtered={Boolean(kind || word)} />}
      {item && (
        <div className="desk-body">
          <ol className="desk-list keyed" aria-label={t("desk.waiting")}>
            {items.map((one, index) => (
              <Line key={keyOf(one)} item={one} on={index === at} onOpen={() => setOpen(keyOf(one))} />
            ))}
          </ol>
          <Decide key={keyOf(item)} item={item} onDecide={take} />
        </div>
      )}
      <div className="desk-foot">
        <div className="desk-said" role="status">
          {failed && <span className="bad">{failed}</span>}
          {last && !failed && (
            <>
              <span>{last.text}</span>
              <Keyed keys="z" onClick={takeBack}>
                {t("desk.undo")}
              </Keyed>
            </>
          )}
        </div>
        <DeskKeys />
      </div>
    </div>
  );
}

function Counted({ kind, counts }: { kind: (typeof KINDS)[number]; counts: DeskCounts | undefined }) {
  const { t, i18n } = useTranslation();
  const count = counts && (kind ? counts[kind] : counts.unmatched + counts.duplicate + counts.unexpected + counts.missing);
  return (
    <>
      {t(`desk.kinds.${kind || "all"}`)} {count !== undefined && <span className="dim">{numberText(count, i18n.language)}</span>}
    </>
  );
}

function Line({ item, on, onOpen }: { item: DeskItem; on: boolean; onOpen: () => void }) {
  const { t, i18n } = useTranslation();
  const line = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (on) line.current?.scrollIntoView({ block: "nearest" });
  }, [on]);
  const { scan, slide } = item;
  return (
    <li>
      <button ref={line} type="button" className="desk-line" aria-current={on ? "true" : undefined} onClick={onOpen}>
        <strong className="mono">{titleOf(item) || t("desk.noCode")}</strong>
        <Mark tone={TONES[item.kind]}>{t(`desk.kinds.${item.kind}`)}</Mark>
        <span className="dim">{scan ? scan.scanner : [slide?.accession, stainName(slide?.stain ?? "")].filter(Boolean).join(" · ")}</span>
        <span className="dim">{scan ? agoText(scan.arrived_at, i18n.language) : slide?.due_on && dateText(slide.due_on, i18n.language)}</span>
      </button>
    </li>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const { t } = useTranslation();
  return (
    <div className="empty" role="status">
      <h2>{t(filtered ? "desk.nothing.title" : "desk.empty.title")}</h2>
      <p>{t(filtered ? "desk.nothing.text" : "desk.empty.text")}</p>
    </div>
  );
}

/** The keys that are on no button, in one line. */
function DeskKeys() {
  const { t } = useTranslation();
  return (
    <p className="desk-keys dim">
      {(["ArrowUp", "ArrowDown", "/", "t"] as const).map((key) => (
        <span key={key}>
          <Kbd name={key} /> {t(`desk.keys.${key}`)}
        </span>
      ))}
    </p>
  );
}
