/** Emergency access: one patient's studies, with a reason, for a limited time, and the protection officer is told. */

import { Button, NativeSelect, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { EmergencyOpened } from "../data/api";
import { dateText, momentText } from "../data/format";
import { breakGlass } from "../data/ledger";
import { studyQuery } from "../data/queries";
import { useWork } from "../tools/work";

const REASONS = ["urgent_care", "on_call", "intraoperative", "transfer", "other"] as const;

export function EmergencyPage() {
  const { t } = useTranslation();
  const [opened, setOpened] = useState<EmergencyOpened | null>(null);
  return (
    <div className="page narrow">
      <h1>{t("emergency.title")}</h1>
      {opened ? <Opened opened={opened} onMore={() => setOpened(null)} /> : <Ask onOpened={setOpened} />}
    </div>
  );
}

function Ask({ onOpened }: { onOpened: (opened: EmergencyOpened) => void }) {
  const { t } = useTranslation();
  const { busy, error, run } = useWork();
  const [by, setBy] = useState<"patient_id" | "accession">("patient_id");
  const [value, setValue] = useState("");
  const [choice, setChoice] = useState("");
  const [more, setMore] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const reason = [choice === "other" ? "" : t(`emergency.reasons.${choice}`), more.trim()].filter(Boolean).join(" : ");
    void run(async () => onOpened(await breakGlass({ [by]: value.trim(), reason })));
  };
  return (
    <form className="sheet" onSubmit={submit}>
      <p className="notice">{t("emergency.told")}</p>
      <div className="together">
        <SegmentedControl
          aria-label={t("emergency.by")}
          value={by}
          onChange={(chosen) => setBy(chosen as typeof by)}
          data={[
            { value: "patient_id", label: t("emergency.patient") },
            { value: "accession", label: t("study.accession") },
          ]}
        />
        <TextInput className="grow mono" aria-label={t(by === "patient_id" ? "emergency.patient" : "study.accession")} required value={value} onChange={(event) => setValue(event.currentTarget.value)} autoComplete="off" spellCheck={false} />
      </div>
      <NativeSelect
        label={t("emergency.reason")}
        required
        value={choice}
        onChange={(event) => setChoice(event.currentTarget.value)}
        data={[{ value: "", label: t("emergency.choose") }, ...REASONS.map((name) => ({ value: name, label: t(`emergency.reasons.${name}`) }))]}
      />
      <Textarea label={t(choice === "other" ? "emergency.say" : "emergency.more")} required={choice === "other"} autosize minRows={2} value={more} onChange={(event) => setMore(event.currentTarget.value)} />
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      <div className="sheet-end">
        <Button type="submit" loading={busy}>
          {t("emergency.open")}
        </Button>
      </div>
    </form>
  );
}

function Opened({ opened, onMore }: { opened: EmergencyOpened; onMore: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <div className="sheet" role="status">
      <p>
        <strong>{t("emergency.opened", { count: opened.studies.length })}</strong> {t("emergency.until", { time: momentText(opened.until, i18n.language) })}
      </p>
      <ul className="plain">
        {opened.studies.map((uid, index) => (
          <StudyLine key={uid} uid={uid} number={index + 1} />
        ))}
      </ul>
      <div className="sheet-end">
        <Button variant="default" onClick={onMore}>
          {t("emergency.another")}
        </Button>
      </div>
    </div>
  );
}

function StudyLine({ uid, number }: { uid: string; number: number }) {
  const { t, i18n } = useTranslation();
  const { data } = useQuery(studyQuery(uid));
  const text = data && [data.patient.name, data.description, data.accession, dateText(data.date, i18n.language)].filter(Boolean).join(" · ");
  return (
    <li>
      <Link to="/studies/$study" params={{ study: uid }}>
        {text || t("emergency.study", { number })}
      </Link>
    </li>
  );
}
