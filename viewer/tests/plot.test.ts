/** Numbers to places on a plot, counts to bars, two words beside each other. */

import { expect, test } from "vitest";
import { byHour } from "../src/math/hours";
import { clockTicks, ticks } from "../src/math/plot";
import { apart } from "../src/math/words";

test.each([
  [0, [0, 1]],
  [1, [0, 1]],
  [3, [0, 1, 2, 3]],
  [7, [0, 2, 4, 6, 8]],
  [104, [0, 50, 100, 150]],
])("counts up to %i have round steps", (largest, steps) => {
  expect(ticks(largest, 4, true)).toEqual(steps);
});

test("an axis of durations has the steps of a clock", () => {
  expect(clockTicks(4.2 * 86_400)).toEqual([0, 1, 2, 3, 4, 5].map((day) => day * 86_400));
  expect(clockTicks(0)).toEqual([0, 60]);
});

test("an hour without scans is a bar of nothing, and each scan is counted once", () => {
  const now = Date.parse("2026-11-22T10:20:00Z");
  const { series, bars, daily } = byHour(
    [
      { hour: "2026-11-22T10:00:00Z", scanner: "B", count: 2 },
      { hour: "2026-11-22T08:00:00Z", scanner: "A", count: 5 },
      { hour: "2026-11-20T08:00:00Z", scanner: "A", count: 9 },
    ],
    1,
    now,
  );
  expect([series, daily, bars.length]).toEqual([["A", "B"], false, 24]);
  expect(bars.slice(-3).map((bar) => bar.parts)).toEqual([
    [5, 0],
    [0, 0],
    [0, 2],
  ]);
});

test("a longer time is counted by day", () => {
  const { bars, daily } = byHour([{ hour: "2026-11-19T10:00:00Z", scanner: "A", count: 3 }], 7, Date.parse("2026-11-22T10:00:00Z"));
  expect([daily, bars.length, bars.flatMap((bar) => bar.parts).reduce((sum, part) => sum + part, 0)]).toEqual([true, 7, 3]);
});

test.each([
  ["26P1-A-1", "26P1-A-7", ["26P1-A-", "1", ""]],
  ["26P01284-A", "26P01234-A", ["26P012", "8", "4-A"]],
  ["same", "same", ["same", "", ""]],
  ["11", "1", ["1", "1", ""]],
])("%s beside %s", (text, other, parts) => {
  expect(apart(text, other)).toEqual(parts);
});
