/** Rules are checked as they are typed, by what the server takes. */

import { expect, test } from "vitest";
import { faultsOf, type RuleDraft, ruleOf } from "../src/data/priorities";

const rule = (value: string, hours: string): RuleDraft => ({ field: "specialty", value, hours });

test.each([
  [rule("uro", "24"), {}],
  [rule(" uro ", "-24"), {}],
  [rule("  ", "24"), { value: "missing" }],
  [rule("x".repeat(101), "24"), { value: "long" }],
  [rule("uro", ""), { hours: "number" }],
  [rule("uro", "1,5"), { hours: "number" }],
  [rule("uro", "100001"), { hours: "far" }],
  [rule("", "soon"), { value: "missing", hours: "number" }],
])("%o: %o", (draft, faults) => {
  expect(faultsOf([draft])).toEqual([faults]);
});

test("of two rules on the same the second is marked", () => {
  const other: RuleDraft = { field: "department", value: "uro", hours: "1" };
  expect(faultsOf([rule("uro", "1"), other, rule("uro ", "2")])).toEqual([{}, {}, { value: "twice" }]);
});

test("what is sent is trimmed and a number", () => {
  expect(ruleOf(rule(" uro ", "+12"))).toEqual({ field: "specialty", value: "uro", hours: 12 });
});
