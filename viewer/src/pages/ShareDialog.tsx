/** With whom a study is shared beyond its place: seen, added, withdrawn. */

import { Button, NativeSelect, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { PersonItem, Purpose, ShareItem } from "../data/api";
import { Refused } from "../data/client";
import { momentText } from "../data/format";
import { share, sharesQuery, withdraw } from "../data/ledger";
import { namesQuery, placesQuery } from "../data/people";
import { Dialog } from "../tools/Dialog";
import { Mark } from "../tools/Mark";
import { placeChoices } from "../tools/RoleFields";
import { Sheet } from "../tools/Sheet";
import { useWork } from "../tools/work";

const PURPOSES: Purpose[] = ["opinion", "care", "research", "teaching"];
const DAYS = ["7", "30", "90", ""];

export function ShareDialog({ study, onClose }: { study: string; onClose: () => void }) {
  const { t } = useTranslation();
  const { data } = useQuery(sharesQuery(study));
  return (
    <Dialog title={t("share.title")} wide onClose={onClose}>
      <Add study={study} />
      <section className="part">
        <h3>{t("share.now")}</h3>
        {data?.length === 0 && <p className="dim">{t("share.nobody")}</p>}
        <ul className="lines-list">
          {data?.map((found) => (
            <ShareLine key={found.id} study={study} found={found} />
          ))}
        </ul>
      </section>
    </Dialog>
  );
}

function ShareLine({ study, found }: { study: string; found: ShareItem }) {
  const { t, i18n } = useTranslation();
  const { busy, error, run } = useWork();
  const facts = [t(`purposes.${found.purpose}.name`), found.until ? t("tokens.until", { time: momentText(found.until, i18n.language) }) : t("share.open"), found.granted_by && t("share.by", { name: found.granted_by }), found.reason];
  return (
    <li>
      <span className="grow">
        <strong>
          {found.guest_name} {found.emergency && <Mark tone="bad">{t("emergency.title")}</Mark>}
        </strong>
        <span className="dim">{facts.filter(Boolean).join(" · ")}</span>
        {error && <span className="bad">{error}</span>}
      </span>
      {!found.emergency && (
        <Button variant="default" size="xs" loading={busy} aria-label={`${t("share.withdraw")} : ${found.guest_name}`} onClick={() => void run(() => withdraw(study, found.id))}>
          {t("share.withdraw")}
        </Button>
      )}
    </li>
  );
}

function Add({ study }: { study: string }) {
  const { t } = useTranslation();
  const { data: places } = useQuery(placesQuery());
  const [kind, setKind] = useState<"actor" | "place">("actor");
  const [person, setPerson] = useState<PersonItem | null>(null);
  const [place, setPlace] = useState("");
  const [purpose, setPurpose] = useState<Purpose>("opinion");
  const [days, setDays] = useState("30");
  const [reason, setReason] = useState("");
  const work = async () => {
    const guest = kind === "actor" ? person?.id : Number(place);
    if (!guest) throw new Refused(400, "nobody_chosen", "");
    await share(study, { guest_kind: kind, guest_id: guest, purpose, days: days ? Number(days) : null, reason: reason.trim() });
    setPerson(null);
    setReason("");
  };
  return (
    <Sheet submit={t("share.add")} work={work}>
      <SegmentedControl
        aria-label={t("share.with")}
        value={kind}
        onChange={(value) => setKind(value as typeof kind)}
        data={[
          { value: "actor", label: t("share.person") },
          { value: "place", label: t("share.place") },
        ]}
      />
      {kind === "actor" ? (
        <PersonField person={person} onPerson={setPerson} />
      ) : (
        <NativeSelect label={t("share.place")} required value={place} onChange={(event) => setPlace(event.currentTarget.value)} data={[{ value: "", label: t("people.choose") }, ...placeChoices(places ?? [])]} />
      )}
      <div className="together">
        <NativeSelect className="grow" label={t("share.purpose")} value={purpose} onChange={(event) => setPurpose(event.currentTarget.value as Purpose)} data={PURPOSES.map((value) => ({ value, label: t(`purposes.${value}.name`) }))} />
        <NativeSelect className="grow" label={t("share.until")} value={days} onChange={(event) => setDays(event.currentTarget.value)} data={DAYS.map((value) => ({ value, label: value ? t("tokens.dayCount", { count: Number(value) }) : t("share.open") }))} />
      </div>
      <TextInput label={t("share.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} autoComplete="off" />
    </Sheet>
  );
}

/** Somebody found by the beginning of a name or login. */
function PersonField({ person, onPerson }: { person: PersonItem | null; onPerson: (person: PersonItem | null) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [word] = useDebouncedValue(typed.trim(), 150);
  const { data } = useQuery(namesQuery(word));
  if (person) {
    return (
      <p className="chosen">
        <span className="grow">
          <strong>{person.name || person.login}</strong> <span className="mono dim">{person.login}</span>
        </span>
        <Button variant="subtle" size="xs" onClick={() => onPerson(null)}>
          {t("share.other")}
        </Button>
      </p>
    );
  }
  return (
    <div>
      <TextInput label={t("share.person")} placeholder={t("share.find")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autoComplete="off" spellCheck={false} />
      <ul className="names" aria-label={t("share.found")}>
        {word.length > 1 &&
          data?.map((found) => (
            <li key={found.id}>
              <button
                type="button"
                onClick={() => {
                  setTyped("");
                  onPerson(found);
                }}
              >
                {found.name || found.login} <span className="mono dim">{found.login}</span>
              </button>
            </li>
          ))}
      </ul>
      {word.length > 1 && data?.length === 0 && <p className="dim">{t("share.nobodyFound")}</p>}
    </div>
  );
}
