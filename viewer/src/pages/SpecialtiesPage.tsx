/** Who reads what: one's own sub-specialties, and those of colleagues. */

import { Button, TagsInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Specialties } from "../data/api";
import { worklistsQuery } from "../data/cases";
import { Refused } from "../data/client";
import { LONGEST, setSpecialties, specialtiesQuery } from "../data/priorities";
import { useSession } from "../data/session";
import { Dialog } from "../tools/Dialog";
import { Mark } from "../tools/Mark";
import { Sheet } from "../tools/Sheet";
import { Trouble } from "../tools/Trouble";
import { Tabs } from "./Tabs";

const MOST = 50;

export function SpecialtiesPage() {
  const { t } = useTranslation();
  const session = useSession();
  const { data, error, refetch } = useQuery(specialtiesQuery());
  const [edited, setEdited] = useState<Specialties | null>(null);
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const isMe = (reader: Specialties) => Boolean(session?.required) && reader.id === session?.id;
  const readers = [...(data ?? [])].sort((one, other) => Number(isMe(other)) - Number(isMe(one)));
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="cases" />
      <h1>{t("specialties.title")}</h1>
      <p className="dim">{t("specialties.text")}</p>
      {data?.length === 0 && <p className="none">{t("specialties.none")}</p>}
      <ul className="plain readers">
        {readers.map((reader) => (
          <Reader key={reader.id} reader={reader} me={isMe(reader)} onEdit={() => setEdited(reader)} />
        ))}
      </ul>
      {edited && <Edit reader={edited} known={(data ?? []).flatMap((reader) => reader.specialties)} me={isMe(edited)} onClose={() => setEdited(null)} />}
    </div>
  );
}

function Reader({ reader, me, onEdit }: { reader: Specialties; me: boolean; onEdit: () => void }) {
  const { t } = useTranslation();
  return (
    <li className="reader">
      <span className="two">
        <strong>
          {reader.name} {me && <Mark tone="accent">{t("specialties.you")}</Mark>}
        </strong>
        <span className="dim">
          {reader.login !== reader.name && `${reader.login} · `}
          {t("specialties.load", { count: reader.load })}
        </span>
      </span>
      <span className="marks">
        {reader.specialties.map((one) => (
          <Mark key={one}>{one}</Mark>
        ))}
        {reader.specialties.length === 0 && <span className="dim">{t("specialties.all")}</span>}
      </span>
      {reader.editable && (
        <Button variant="default" size="xs" onClick={onEdit} aria-label={`${t("specialties.change")} : ${reader.name}`}>
          {t("specialties.change")}
        </Button>
      )}
    </li>
  );
}

function Edit({ reader, known, me, onClose }: { reader: Specialties; known: string[]; me: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const asked = useQuery(worklistsQuery()).data?.specialties ?? [];
  const [names, setNames] = useState(reader.specialties);
  const [typed, setTyped] = useState("");
  const wanted = [...new Set([...names, typed].map((one) => one.trim()).filter(Boolean))];
  const bad = wanted.length > MOST || wanted.some((one) => one.length > LONGEST);
  const work = async () => {
    if (bad) throw new Refused(400, "bad_specialty", "");
    await setSpecialties(reader.id, wanted);
  };
  return (
    <Dialog title={me ? t("specialties.editMine") : t("specialties.editTitle", { name: reader.name })} onClose={onClose}>
      <Sheet submit={t("app.save")} work={work} onDone={onClose} onCancel={onClose}>
        <TagsInput
          label={t("specialties.which")}
          description={t("specialties.hint")}
          data={[...new Set([...asked, ...known])].sort()}
          value={names}
          onChange={setNames}
          searchValue={typed}
          onSearchChange={setTyped}
          error={bad && t("problems.bad_specialty")}
          data-autofocus
          clearable
          comboboxProps={{ withinPortal: false }}
        />
      </Sheet>
    </Dialog>
  );
}
