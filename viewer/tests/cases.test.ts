/** How a worklist writes times and numbers, and how it stays still under the cursor. */

import { expect, test } from "vitest";
import { clockText, insText, sinceText } from "../src/data/format";
import { within } from "../src/data/tree";
import { settled } from "../src/tools/steady";

const NOW = Date.parse("2026-03-12T12:00:00Z");

test.each([
  ["2026-03-12T11:48:10Z", "11 min"],
  ["2026-03-12T10:01:00Z", "119 min"],
  ["2026-03-12T09:00:00Z", "3 h"],
  ["2026-03-10T11:00:00Z", "2 j"],
])("%s is %s ago", (iso, text) => {
  expect(sinceText(iso, NOW, "fr").replace(/\u202f|\u00a0/g, " ")).toBe(text);
});

test("a clock shows hours only once there are some", () => {
  expect([clockText(7), clockText(61), clockText(3661)]).toEqual(["00:07", "01:01", "1:01:01"]);
});

test("a matricule is read in groups, and anything else as it is", () => {
  expect([insText("255069904812322"), insText("")]).toEqual(["2 55 06 99 048 123 22", ""]);
});

test("what a slide's number shares with its case is not said again", () => {
  expect([within("26P1-A-2", "26P1"), within("EXT-9", "26P1"), within("26P1", "26P1")]).toEqual(["A-2", "EXT-9", "26P1"]);
});

const list = (...ids: number[]) => new Map(ids.map((id, place): [number, { id: number; state: string }] => [place, { id, state: `s${id}` }]));

test("a list that is held keeps its places, shows what is new of its items, and says that more changed", () => {
  const before = { items: list(1, 2, 3), total: 3 };
  const fresh = new Map([...list(4, 1, 3)].map(([place, item]) => [place, { ...item, state: "new" }]));
  const held = settled(before, fresh, 3);
  expect([...held.items.values()].map(({ id, state }) => `${id} ${state}`)).toEqual(["1 new", "2 s2", "3 new"]);
  expect([[...held.gone], held.changed]).toEqual([[2], true]);
});

test("what was only pushed to the next page is not gone, and a list that is the same has not changed", () => {
  expect([...settled({ items: list(1, 2, 3), total: 3 }, list(4, 1, 2), 4).gone]).toEqual([]);
  expect(settled({ items: list(1, 2, 3), total: 3 }, list(1, 2, 3), 3).changed).toBe(false);
});
