/** The rules of one place in a form: added, changed, taken away; what is wrong with one stands at its field. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { PlaceItem, PriorityRuleNew, Worklists } from "../data/api";
import { worklistsQuery } from "../data/cases";
import { Refused } from "../data/client";
import { faultsOf, MOST_RULES, RULE_FIELDS, type RuleDraft, type RuleFaults, ruleOf, setRules } from "../data/priorities";
import { Dialog } from "../tools/Dialog";
import { Icon } from "../tools/icons";
import { Sheet } from "../tools/Sheet";

const URGENCIES = ["stat", "urgent", "routine"];
/** What a rule begins with when it is on something else. */
const FIRST: Partial<Record<RuleDraft["field"], string>> = { urgency: "stat", frozen: "yes" };

export function EditRules({ place, rules, onClose }: { place: PlaceItem; rules: PriorityRuleNew[]; onClose: () => void }) {
  const { t } = useTranslation();
  const known = useQuery(worklistsQuery()).data;
  const [drafts, setDrafts] = useState(rules.map((rule): RuleDraft => ({ ...rule, hours: String(rule.hours) })));
  const [tried, setTried] = useState(false);
  const faults = faultsOf(drafts);
  const change = (at: number, values: Partial<RuleDraft>) => setDrafts(drafts.map((draft, index) => (index === at ? { ...draft, ...values } : draft)));
  const work = async () => {
    setTried(true);
    if (faults.some((fault) => fault.value || fault.hours)) throw new Refused(400, "bad_priority_rule", "");
    await setRules(place.id, drafts.map(ruleOf));
  };
  return (
    <Dialog title={t("priorities.editTitle", { place: place.name })} wide onClose={onClose}>
      <Sheet submit={t("app.save")} work={work} onDone={onClose} onCancel={onClose}>
        <p className="dim">{t("priorities.editText")}</p>
        {drafts.map((draft, at) => (
          <Line key={at} draft={draft} number={at + 1} faults={tried ? faults[at]! : {}} known={known} onChange={(values) => change(at, values)} onDrop={() => setDrafts(drafts.toSpliced(at, 1))} />
        ))}
        <div>
          <Button variant="subtle" size="xs" disabled={drafts.length >= MOST_RULES} onClick={() => setDrafts([...drafts, { field: "specialty", value: "", hours: "" }])}>
            {t("priorities.add")}
          </Button>
        </div>
      </Sheet>
    </Dialog>
  );
}

type LineProps = { draft: RuleDraft; number: number; faults: RuleFaults; known: Worklists | undefined; onChange: (values: Partial<RuleDraft>) => void; onDrop: () => void };

function Line({ draft, number, faults, known, onChange, onDrop }: LineProps) {
  const { t } = useTranslation();
  const named = (column: "field" | "value" | "hours") => `${t(`priorities.${column}`)}, ${t("priorities.rule", { number })}`;
  const fault = (word: string | undefined) => word && t(`priorities.faults.${word}`);
  const urgencies = [...new Set([...URGENCIES, draft.value])].map((value) => ({ value, label: t(`cases.urgency.${value}`, { defaultValue: value }) }));
  const choices = draft.field === "urgency" ? urgencies : draft.field === "frozen" ? [{ value: "yes", label: t("priorities.yes") }] : null;
  const seen = draft.field === "specialty" ? known?.specialties : draft.field === "department" ? known?.departments : undefined;
  return (
    <div className="rule-line" role="group" aria-label={t("priorities.rule", { number })}>
      <NativeSelect
        aria-label={named("field")}
        value={draft.field}
        onChange={(event) => {
          const field = event.currentTarget.value as RuleDraft["field"];
          onChange({ field, value: FIRST[field] ?? "" });
        }}
        data={RULE_FIELDS.map((value) => ({ value, label: t(`priorities.fields.${value}`) }))}
      />
      {choices ? (
        <NativeSelect aria-label={named("value")} value={draft.value} error={fault(faults.value)} onChange={(event) => onChange({ value: event.currentTarget.value })} data={choices} />
      ) : (
        <TextInput aria-label={named("value")} value={draft.value} error={fault(faults.value)} list={seen && `seen-${number}`} onChange={(event) => onChange({ value: event.currentTarget.value })} autoComplete="off" />
      )}
      {seen && (
        <datalist id={`seen-${number}`}>
          {seen.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
      <TextInput aria-label={named("hours")} value={draft.hours} error={fault(faults.hours)} inputMode="numeric" rightSection="h" onChange={(event) => onChange({ hours: event.currentTarget.value })} autoComplete="off" />
      <button type="button" className="quiet" aria-label={t("priorities.drop", { number })} title={t("priorities.drop", { number })} onClick={onDrop}>
        <Icon name="close" size={16} />
      </button>
    </div>
  );
}
