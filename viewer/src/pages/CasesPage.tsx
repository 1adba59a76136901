/** The worklist: views with their counts, filters, and the cases themselves. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type CaseFilters, saveView, worklistsQuery } from "../data/cases";
import { may, useSession } from "../data/session";
import { Dialog } from "../tools/Dialog";
import { Icon } from "../tools/icons";
import { useSearchKey } from "../tools/rows";
import { Sheet } from "../tools/Sheet";
import { CaseRows } from "./CaseRows";
import { CaseViews } from "./CaseViews";
import "./cases.css";

const URGENCIES = ["stat", "urgent", "routine"];
const STATES = ["registered", "ready", "reading", "waiting", "preliminary", "reopened", "validated", "cancelled"];
const SORTS = ["priority", "oldest", "newest", "changed"];

export function CasesPage() {
  const { t } = useTranslation();
  const session = useSession();
  const search = useSearch({ from: "/lists/cases" });
  const navigate = useNavigate();
  const home = may(session, "report") && session?.required ? "mine" : "all";
  const filters: CaseFilters = { ...search, view: search.view ?? (search.q ? undefined : home) };
  const go = (values: CaseFilters) => void navigate({ to: "/cases", search: values, replace: true });
  const narrowed = STATES.length > 0 && Object.entries(filters).some(([name, value]) => value && !["view", "sort"].includes(name));
  return (
    <div className="worklist">
      <h1 className="unseen">{t("cases.title")}</h1>
      <CaseViews filters={filters} />
      <div className="worklist-main">
        <Bar filters={filters} home={home} narrowed={narrowed} onChange={(values) => go({ ...filters, ...values })} />
        <CaseRows key={JSON.stringify(filters)} filters={filters} narrowed={narrowed} onWiden={() => go({ view: filters.view ?? home })} />
      </div>
    </div>
  );
}

type BarProps = { filters: CaseFilters; home: string; narrowed: boolean; onChange: (values: CaseFilters) => void };

function Bar({ filters, home, narrowed, onChange }: BarProps) {
  const { t } = useTranslation();
  const { data } = useQuery(worklistsQuery());
  const [saving, setSaving] = useState(false);
  const choice = (name: "urgency" | "state" | "specialty" | "department", values: { value: string; label: string }[]) =>
    values.length > 0 && (
      <NativeSelect
        size="sm"
        aria-label={t(`cases.by.${name}`)}
        className={filters[name] ? "chosen-filter" : ""}
        value={filters[name] ?? ""}
        onChange={(event) => onChange({ [name]: event.currentTarget.value || undefined })}
        data={[{ value: "", label: t(`cases.by.${name}`) }, ...values]}
      />
    );
  const plain = (values: string[] | undefined) => values?.map((value) => ({ value, label: value })) ?? [];
  return (
    <div className="filters" role="search">
      <Find filters={filters} home={home} onChange={onChange} />
      {choice("urgency", URGENCIES.map((value) => ({ value, label: t(`cases.urgency.${value}`) })))}
      {choice("state", STATES.map((value) => ({ value, label: t(`cases.state.${value}`) })))}
      {choice("specialty", plain(data?.specialties))}
      {choice("department", plain(data?.departments))}
      {narrowed && (
        <Button size="sm" variant="subtle" onClick={() => onChange({ q: undefined, urgency: undefined, state: undefined, specialty: undefined, department: undefined, view: filters.view ?? home })}>
          {t("studies.clear")}
        </Button>
      )}
      <span className="filters-end">
        {narrowed && (
          <Button size="sm" variant="default" onClick={() => setSaving(true)}>
            {t("cases.save")}
          </Button>
        )}
        <NativeSelect size="sm" aria-label={t("cases.sort")} value={filters.sort ?? "priority"} onChange={(event) => onChange({ sort: event.currentTarget.value })} data={SORTS.map((value) => ({ value, label: t(`cases.sorts.${value}`) }))} />
      </span>
      {saving && <SaveView filters={filters} onClose={() => setSaving(false)} />}
    </div>
  );
}

/** What is typed is looked for in all cases, whatever their state; a press of a button keeps to the view. */
function Find({ filters, home, onChange }: Omit<BarProps, "narrowed">) {
  const { t } = useTranslation();
  const asked = filters.q ?? "";
  const [typed, setTyped] = useState(asked);
  const [word] = useDebouncedValue(typed.trim(), 150);
  const view = useRef(filters.view ?? home);
  if (filters.view) view.current = filters.view;
  const box = useSearchKey();
  const last = useRef(word);
  useEffect(() => {
    if (word === last.current) return;
    last.current = word;
    if (word !== asked) onChange(word ? { q: word, ...(!asked && { view: undefined }) } : { q: undefined, view: view.current });
  });
  useEffect(() => {
    if (asked === last.current) return;
    last.current = asked;
    setTyped(asked);
  }, [asked]);
  return (
    <>
      <TextInput
        ref={box}
        className="search"
        size="sm"
        type="search"
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown") return;
          event.preventDefault();
          document.querySelector<HTMLElement>("a.case-row")?.focus();
        }}
        placeholder={t("cases.search")}
        aria-label={t("cases.searchHint")}
        aria-keyshortcuts="/"
        leftSection={<Icon name="search" size={17} />}
        rightSection={typed ? null : <kbd aria-hidden="true">/</kbd>}
      />
      {asked && (
        <Button size="sm" variant={filters.view ? "filled" : "default"} aria-pressed={Boolean(filters.view)} onClick={() => onChange({ view: filters.view ? undefined : view.current })}>
          {t("cases.within", { view: t(`cases.views.${view.current}`) })}
        </Button>
      )}
    </>
  );
}

function SaveView({ filters, onClose }: { filters: CaseFilters; onClose: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(filters.q ?? filters.specialty ?? filters.department ?? "");
  return (
    <Dialog title={t("cases.save")} onClose={onClose}>
      <Sheet submit={t("app.save")} work={() => saveView(name.trim(), filters)} onDone={onClose} onCancel={onClose}>
        <TextInput label={t("cases.viewName")} required data-autofocus maxLength={60} value={name} onChange={(event) => setName(event.currentTarget.value)} autoComplete="off" />
      </Sheet>
    </Dialog>
  );
}
