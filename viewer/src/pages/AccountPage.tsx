/** One's own account: who one is here, the password, the second factor, the sessions and the tokens. */

import { Button, PasswordInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Account, SessionItem } from "../data/api";
import { Refused } from "../data/client";
import { momentText } from "../data/format";
import { accountQuery, endSession, sessionsQuery } from "../data/people";
import { keep, newPassword } from "../data/session";
import { Dialog } from "../tools/Dialog";
import { Mark } from "../tools/Mark";
import { Sheet } from "../tools/Sheet";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";
import { SecondFactor } from "./SecondFactor";
import { Tokens } from "./Tokens";

export function AccountPage() {
  const { t } = useTranslation();
  const { data, error, refetch } = useQuery(accountQuery());
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page" aria-busy={!data}>
      <h1>{t("account.title")}</h1>
      {data && (
        <>
          <Who account={data} />
          {data.local && <Password login={data.login} />}
          {data.local && <SecondFactor account={data} />}
        </>
      )}
      <Sessions />
      <Tokens />
    </div>
  );
}

function Who({ account }: { account: Account }) {
  const { t, i18n } = useTranslation();
  const lines: [string, string][] = [
    [t("people.name"), account.name],
    [t("signin.login"), account.login],
    [t("people.email"), account.email],
    ["RPPS", account.rpps],
  ];
  return (
    <section className="block">
      <dl className="facts">
        {lines
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        <div>
          <dt>{t("people.roles")}</dt>
          <dd>
            {account.roles.map((role) => (
              <span key={role.id} className="held">
                {t(`roles.${role.role}`)} <span className="dim">{role.place_name || t("people.everywhere")}</span>
                {role.until && <span className="dim"> {t("people.untilDay", { date: momentText(role.until, i18n.language) })}</span>}
              </span>
            ))}
            {account.roles.length === 0 && t("people.noRole")}
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Password({ login }: { login: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const [done, setDone] = useState(false);
  return (
    <section className="block" aria-labelledby="password">
      <div className="block-head">
        <div>
          <h2 id="password">{t("signin.password")}</h2>
          <p className="dim">{t("account.passwordText")}</p>
        </div>
        <Button variant="default" onClick={() => setOpen(true)}>
          {t("account.changePassword")}
        </Button>
      </div>
      {done && (
        <p className="good" role="status">
          {t("account.passwordChanged")}
        </p>
      )}
      {open && <PasswordDialog login={login} onDone={() => setDone(true)} onClose={() => setOpen(false)} />}
    </section>
  );
}

function PasswordDialog({ login, onDone, onClose }: { login: string; onDone: () => void; onClose: () => void }) {
  const { t } = useTranslation();
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const work = async () => {
    if (fresh !== again) throw new Refused(400, "passwords_differ", "");
    keep(await newPassword(old, fresh));
    onDone();
  };
  const fields = [
    [t("account.oldPassword"), "current-password", old, setOld],
    [t("signin.newPassword"), "new-password", fresh, setFresh],
    [t("signin.again"), "new-password", again, setAgain],
  ] as const;
  return (
    <Dialog title={t("account.changePassword")} onClose={onClose}>
      <Sheet submit={t("account.changePassword")} work={work} onDone={onClose} onCancel={onClose}>
        <input className="unseen" type="text" value={login} autoComplete="username" readOnly tabIndex={-1} aria-hidden="true" />
        {fields.map(([label, complete, value, set]) => (
          <PasswordInput key={label} label={label} required autoComplete={complete} value={value} onChange={(event) => set(event.currentTarget.value)} visibilityToggleButtonProps={{ "aria-label": t("signin.show", { name: label }) }} />
        ))}
      </Sheet>
    </Dialog>
  );
}

function Sessions() {
  const { t } = useTranslation();
  const { data } = useQuery(sessionsQuery());
  return (
    <section className="block" aria-labelledby="sessions">
      <h2 id="sessions">{t("account.sessions")}</h2>
      <p className="dim">{t("account.sessionsText")}</p>
      <ul className="lines-list">
        {data?.map((session) => (
          <SessionLine key={session.id} session={session} />
        ))}
      </ul>
    </section>
  );
}

function SessionLine({ session }: { session: SessionItem }) {
  const { t, i18n } = useTranslation();
  const { busy, error, run } = useWork();
  return (
    <li>
      <span className="grow">
        <strong>{program(session.agent) || t("account.unknownProgram")}</strong>
        <span className="dim">
          {[session.address, t("account.lastUse", { time: momentText(session.last_at, i18n.language) })].filter(Boolean).join(" · ")}
          {error && ` · ${error}`}
        </span>
      </span>
      {session.current ? (
        <Mark tone="accent">{t("account.thisOne")}</Mark>
      ) : (
        <Button variant="default" size="xs" loading={busy} onClick={() => void run(() => endSession(session.id))}>
          {t("account.end")}
        </Button>
      )}
    </li>
  );
}

/** A browser's long name in two words. */
export function program(agent: string): string {
  const browser = ["Edg", "OPR", "Firefox", "Chrome", "Safari", "curl", "python"].find((name) => agent.includes(name)) ?? "";
  const system = ["Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux"].find((name) => agent.includes(name)) ?? "";
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera", "Mac OS X": "macOS", python: "Python" };
  return [browser, system].filter(Boolean).map((name) => names[name] ?? name).join(" · ") || agent.slice(0, 60);
}
