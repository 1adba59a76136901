/** What comes first, by the rules of each place, and who reads what. */

import { queryOptions } from "@tanstack/react-query";
import type { PlaceRules, PriorityRuleNew, Specialties } from "./api";
import { get, send } from "./client";
import { queryClient } from "./queries";

export const prioritiesQuery = () => queryOptions({ queryKey: ["priorities"], queryFn: ({ signal }) => get<PlaceRules[]>("/api/priorities", signal) });
export const specialtiesQuery = () => queryOptions({ queryKey: ["specialties"], queryFn: ({ signal }) => get<Specialties[]>("/api/specialties", signal) });

/** No rules at all: those of the place it is in hold again. */
export const setRules = (place: number, rules: PriorityRuleNew[]) => changed("priorities", send("PUT", "/api/priorities", { place, rules }));
export const setSpecialties = (id: number, specialties: string[]) => changed("specialties", send("PUT", "/api/specialties", { id, specialties }));

async function changed(what: string, work: Promise<void>): Promise<void> {
  await work;
  await Promise.all([what, "worklists", "cases", "case", "proposals"].map((name) => queryClient.invalidateQueries({ queryKey: [name] })));
}

// -- rules as they are typed: what the server takes, checked before it is asked ----------------------------------------

export const RULE_FIELDS: PriorityRuleNew["field"][] = ["urgency", "frozen", "specialty", "department", "requester", "adicap"];
export const MOST_RULES = 200;
export const LONGEST = 100;
const LONGEST_HOURS = 100_000;

export type RuleDraft = { field: PriorityRuleNew["field"]; value: string; hours: string };
export type RuleFaults = { value?: "missing" | "long" | "twice"; hours?: "number" | "far" };

export const ruleOf = ({ field, value, hours }: RuleDraft): PriorityRuleNew => ({ field, value: value.trim(), hours: Number(hours) });

/** What is wrong with each of the rules; nothing, of most. */
export function faultsOf(rules: RuleDraft[]): RuleFaults[] {
  return rules.map((rule, at) => {
    const value = rule.value.trim();
    const twice = rules.slice(0, at).some((other) => other.field === rule.field && other.value.trim() === value);
    const ofValue = !value ? "missing" : value.length > LONGEST ? "long" : twice ? "twice" : undefined;
    const ofHours = !/^[-+]?\d+$/.test(rule.hours.trim()) ? "number" : Math.abs(Number(rule.hours)) > LONGEST_HOURS ? "far" : undefined;
    return { ...(ofValue && { value: ofValue }), ...(ofHours && { hours: ofHours }) };
  });
}
