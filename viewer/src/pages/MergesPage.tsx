/** Which patients were merged into which, the newest first, and the way back from it. */

import { Button, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { CasePatient, MergeItem } from "../data/api";
import { dateText, momentText } from "../data/format";
import { mergesQuery, undoMerge } from "../data/merges";
import { Icon } from "../tools/icons";
import { useSearchKey } from "../tools/rows";
import { Sure } from "../tools/Sure";
import { Trouble } from "../tools/Trouble";
import { Tabs } from "./Tabs";

export function MergesPage() {
  const { t } = useTranslation();
  const { q = "" } = useSearch({ from: "/lists/merges" });
  const navigate = useNavigate();
  const [typed, setTyped] = useState(q);
  const [word] = useDebouncedValue(typed.trim(), 200);
  const box = useSearchKey();
  const { data, error, refetch } = useQuery(mergesQuery(word));
  useEffect(() => {
    if (word !== q) void navigate({ to: "/merges", search: word ? { q: word } : {}, replace: true });
  }, [word]);
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="lab" />
      <h1>{t("merges.title")}</h1>
      <p className="dim">{t("merges.text")}</p>
      <TextInput
        ref={box}
        className="find"
        type="search"
        aria-label={t("merges.find")}
        placeholder={t("merges.find")}
        leftSection={<Icon name="search" size={18} />}
        value={typed}
        maxLength={64}
        onChange={(event) => setTyped(event.currentTarget.value)}
      />
      {data?.length === 0 && <p className="none">{t(word ? "merges.nothing" : "merges.none")}</p>}
      <ul className="plain merges">
        {data?.map((merge) => (
          <Merge key={merge.id} merge={merge} />
        ))}
      </ul>
    </div>
  );
}

function Merge({ merge }: { merge: MergeItem }) {
  const { t, i18n } = useTranslation();
  const [asking, setAsking] = useState(false);
  const at = merge.said_at ?? merge.merged_at;
  const undone = { who: merge.undone_by, time: momentText(merge.undone_at, i18n.language) };
  return (
    <li className={merge.undone_at ? "merge undone" : "merge"}>
      <Who patient={merge.gone} />
      <span className="merge-into">
        <Icon name="next" size={18} />
        <span className="unseen">{t("merges.into")}</span>
      </span>
      <Who patient={merge.kept} />
      <span className="two">
        <time dateTime={at}>{momentText(at, i18n.language)}</time>
        {merge.source && <span className="dim">{t("merges.by", { who: merge.source })}</span>}
      </span>
      {merge.undone_at ? (
        <span className="dim">{t(merge.undone_by ? "merges.undone" : "merges.undoneAt", undone)}</span>
      ) : merge.undoable ? (
        <Button variant="default" size="xs" aria-label={`${t("merges.undo")} : ${name(merge.gone)}`} onClick={() => setAsking(true)}>
          {t("merges.undo")}
        </Button>
      ) : (
        <span className="dim">{t("merges.beyond")}</span>
      )}
      {asking && (
        <Sure
          title={t("merges.sure")}
          text={t("merges.sureText", { count: merge.cases, gone: name(merge.gone), kept: name(merge.kept) })}
          action={t("merges.sureAction")}
          work={() => undoMerge(merge.id)}
          onClose={() => setAsking(false)}
        />
      )}
    </li>
  );
}

const name = (patient: CasePatient) => [patient.name, patient.id].filter(Boolean).join(" · ");

/** A patient out of reach has no identifier. */
function Who({ patient }: { patient: CasePatient }) {
  const { t, i18n } = useTranslation();
  if (!patient.id) return <span className="dim">{t("merges.elsewhere")}</span>;
  return (
    <span className="two">
      <strong>{patient.name || t("patient.unknown")}</strong>
      <span className="dim">
        <span className="mono">{patient.id}</span> {patient.birth_date && `· ${dateText(patient.birth_date, i18n.language)}`}
      </span>
    </span>
  );
}
