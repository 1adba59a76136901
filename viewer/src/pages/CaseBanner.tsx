/** Whose case it is, always in sight; how urgent, in what state, in whose hands. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Case } from "../data/api";
import { assign, beside, proposalsQuery } from "../data/cases";
import { ageAt, dateText, insText, numberText, today } from "../data/format";
import { useSession } from "../data/session";
import { StateMark, UrgencyMark } from "../tools/CaseMarks";
import { Dialog } from "../tools/Dialog";
import { Icon } from "../tools/icons";
import { useWork } from "../tools/work";

export function CaseBanner({ found }: { found: Case }) {
  const { t, i18n } = useTranslation();
  const { patient } = found;
  const age = ageAt(patient.birth_date, today());
  const born = dateText(patient.birth_date, i18n.language);
  const about = [found.specialty, found.department, found.requester && t("case.requester", { name: found.requester }), found.adicap && `ADICAP ${found.adicap}`];
  return (
    <header className="banner">
      <Link to="/cases" className="quiet" aria-label={t("case.back")} title={`${t("case.back")} (Esc)`}>
        <Icon name="back" />
      </Link>
      <div className="banner-who">
        <h1>{patient.name || t("patient.unknown")}</h1>
        <dl>
          <Fact name={t(`case.born${patient.sex}`, { defaultValue: t("case.born") })} value={born && (age === null ? born : `${born} (${t("patient.age", { count: age })})`)} />
          <Fact name={t("case.sex")} value={t(`patient.sex.${patient.sex}`, { defaultValue: "" })} />
          <Fact name={t("case.patientId")} value={patient.id} mono />
          <Fact name="INS" value={insText(patient.ins)} mono />
        </dl>
      </div>
      <div className="banner-what">
        <p>
          <strong className="mono">{found.accession}</strong>
          <UrgencyMark item={found} />
          <StateMark state={found.state} />
        </p>
        <p className="banner-about" title={about.filter(Boolean).join(" · ")}>
          {found.description && <strong>{found.description}</strong>} {about.filter(Boolean).join(" · ")}
        </p>
      </div>
      <Hands found={found} />
      <Beside id={found.id} />
    </header>
  );
}

function Fact({ name, value, mono }: { name: string; value: string; mono?: boolean }) {
  if (!value) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd className={mono ? "mono" : ""}>{value}</dd>
    </div>
  );
}

/** In whose hands it is: to take it, to give it back, to give it to somebody. */
function Hands({ found }: { found: Case }) {
  const { t } = useTranslation();
  const session = useSession();
  const { busy, error, run } = useWork();
  const [giving, setGiving] = useState(false);
  const holder = found.assigned_to;
  const mine = holder !== null && holder.id === session?.id;
  const open = session?.required && !["validated", "cancelled"].includes(found.state);
  return (
    <div className="banner-hands">
      <span className="hand">{holder ? (mine ? t("case.mine") : t("case.of", { name: holder.name })) : t("case.nobodys")}</span>
      <span className="together">
        {open && found.may.report && (
          <Button size="xs" variant={mine ? "default" : "filled"} loading={busy} onClick={() => void run(() => assign(found.id, mine ? null : session.id))}>
            {t(mine ? "case.giveBack" : "cases.take")}
          </Button>
        )}
        {open && (found.may.report || found.may.schedule) && (
          <Button size="xs" variant="default" onClick={() => setGiving(true)}>
            {t("case.give")}
          </Button>
        )}
      </span>
      {error && (
        <span className="bad" role="alert">
          {error}
        </span>
      )}
      {giving && <Give found={found} onClose={() => setGiving(false)} />}
    </div>
  );
}

function Give({ found, onClose }: { found: Case; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const { data } = useQuery(proposalsQuery(found.id));
  const { busy, error, run } = useWork();
  const give = (actor: number | null) => void run(() => assign(found.id, actor)).then((done) => done && onClose());
  return (
    <Dialog title={t("case.giveTitle", { accession: found.accession })} onClose={onClose}>
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      {data?.length === 0 && <p className="dim">{t("case.nobodyElse")}</p>}
      <ul className="proposals" aria-busy={!data}>
        {data?.map((person) => (
          <li key={person.id}>
            <button type="button" disabled={busy || person.id === found.assigned_to?.id} onClick={() => give(person.id)}>
              <span className="two">
                <strong>{person.name}</strong>
                <span className="dim">{person.specialties.join(", ")}</span>
              </span>
              <span className="dim">{t("cases.count", { count: person.load, number: numberText(person.load, i18n.language) })}</span>
            </button>
          </li>
        ))}
        {found.assigned_to && (
          <li>
            <button type="button" disabled={busy} onClick={() => give(null)}>
              <span>{t("case.toNobody")}</span>
            </button>
          </li>
        )}
      </ul>
    </Dialog>
  );
}

/** The case before and the one after, in the list one came from. */
function Beside({ id }: { id: number }) {
  const { t } = useTranslation();
  const { before, after } = beside(id);
  const way = (to: number | undefined, name: "previous" | "next", keys: string) =>
    to ? (
      <Link className="quiet" to="/cases/$case" params={{ case: String(to) }} aria-label={t(`case.${name}`)} title={`${t(`case.${name}`)} (${keys})`}>
        <Icon name={name === "next" ? "next" : "back"} size={18} />
      </Link>
    ) : (
      <span className="quiet off" aria-hidden="true">
        <Icon name={name === "next" ? "next" : "back"} size={18} />
      </span>
    );
  if (!before && !after) return null;
  return (
    <nav className="banner-beside" aria-label={t("case.beside")}>
      {way(before, "previous", "P")}
      {way(after, "next", "N")}
    </nav>
  );
}
