/** A list that changes under somebody's hands: while they are on it, what they see stays where it is. */

import { useRef } from "react";

type Shown<Item> = { items: Map<number, Item>; total: number };
type Settled<Item> = Shown<Item> & { gone: Set<number>; changed: boolean };

/** What is shown of a list of which the places in `fresh` are known anew; once not `held`, or with another key, that. */
export function useSteady<Item extends { id: number }>(key: string, fresh: Map<number, Item>, total: number, held: boolean): Settled<Item> & { apply: () => void } {
  const kept = useRef<(Shown<Item> & { key: string }) | null>(null);
  const before = held && kept.current?.key === key ? kept.current : null;
  const found = before ? settled(before, fresh, total) : { items: fresh, total, gone: new Set<number>(), changed: false };
  kept.current = { key, items: found.items, total: found.total };
  const apply = () => {
    kept.current = null;
  };
  return { ...found, apply };
}

/**
 * Items stay at their places and are shown as they are now; `gone` are those that are in the list no more, and `changed`
 * says that the list would look different.
 */
export function settled<Item extends { id: number }>(before: Shown<Item>, fresh: Map<number, Item>, total: number): Settled<Item> {
  const byId = new Map([...fresh.values()].map((item) => [item.id, item] as const));
  const items = new Map([...before.items].map(([place, item]) => [place, byId.get(item.id) ?? item] as const));
  const last = Math.max(-1, ...fresh.keys()) - Math.max(0, total - before.total); // what came in pushed others out
  const gone = new Set([...before.items].filter(([place, item]) => fresh.has(place) && place <= last && !byId.has(item.id)).map(([, item]) => item.id));
  const placed = new Set([...items.values()].map((item) => item.id));
  for (const [place, item] of fresh) if (!items.has(place) && !placed.has(item.id)) items.set(place, item);
  const moved = [...fresh].some(([place, item]) => items.get(place)?.id !== item.id);
  return { items, total: before.total, gone, changed: moved || total !== before.total };
}
