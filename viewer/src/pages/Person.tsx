/** One account, for who administers it: roles, password, sessions, on or off. */

import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Role, UserItem } from "../data/api";
import { momentText } from "../data/format";
import { changeUser, dropUserTotp, endSessions, giveRole, placesQuery, resetPassword, takeRole } from "../data/people";
import { may, useSession } from "../data/session";
import { Dialog } from "../tools/Dialog";
import { Mark } from "../tools/Mark";
import { Once } from "../tools/Once";
import { RoleFields } from "../tools/RoleFields";
import { Sheet } from "../tools/Sheet";
import { useWork } from "../tools/work";

export function Person({ user, onClose }: { user: UserItem; onClose: () => void }) {
  const { t } = useTranslation();
  const session = useSession();
  return (
    <Dialog title={user.name || user.login} wide onClose={onClose}>
      <p className="dim">
        <span className="mono">{user.login}</span> {user.disabled && <Mark tone="bad">{t("people.disabled")}</Mark>}
      </p>
      <Roles user={user} />
      <Identity user={user} />
      <Safety user={user} own={session?.id === user.id} />
      {may(session, "audit") && (
        <p>
          <Link to="/audit" search={{ actor: user.login }}>
            {t("people.ledger")}
          </Link>
        </p>
      )}
    </Dialog>
  );
}

function Roles({ user }: { user: UserItem }) {
  const { t, i18n } = useTranslation();
  const { busy, error, run } = useWork();
  const { data: places } = useQuery(placesQuery());
  const [chosen, setChosen] = useState<{ role: string; place: string } | null>(null);
  const first = { role: "", place: String(places?.[0]?.id ?? "") };
  const give = async () => {
    await giveRole(user.id, { role: chosen!.role as Role, place: chosen!.place ? Number(chosen!.place) : null, until: null });
    setChosen(null);
  };
  return (
    <section className="part">
      <h3>{t("people.roles")}</h3>
      <ul className="lines-list">
        {user.roles.map((role) => (
          <li key={role.id}>
            <span className="grow">
              <strong>{t(`roles.${role.role}`)}</strong>
              <span className="dim">{[role.place_name || t("people.everywhere"), role.until && t("people.untilDay", { date: momentText(role.until, i18n.language) })].filter(Boolean).join(" · ")}</span>
            </span>
            <Button variant="default" size="xs" disabled={busy} aria-label={`${t("people.take")} : ${t(`roles.${role.role}`)}`} onClick={() => void run(() => takeRole(user.id, role.id))}>
              {t("people.take")}
            </Button>
          </li>
        ))}
      </ul>
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      {chosen ? (
        <Sheet submit={t("people.give")} work={give} onCancel={() => setChosen(null)}>
          <RoleFields chosen={chosen} onChange={setChosen} />
        </Sheet>
      ) : (
        <Button variant="default" size="xs" onClick={() => setChosen(first)}>
          {t("people.giveMore")}
        </Button>
      )}
    </section>
  );
}

function Identity({ user }: { user: UserItem }) {
  const { t } = useTranslation();
  const [values, setValues] = useState({ name: user.name, email: user.email, rpps: user.rpps });
  const changed = values.name !== user.name || values.email !== user.email || values.rpps !== user.rpps;
  const text = (name: keyof typeof values) => ({ value: values[name], onChange: (event: React.ChangeEvent<HTMLInputElement>) => setValues({ ...values, [name]: event.currentTarget.value }), autoComplete: "off" });
  const fields = (
    <div className="together">
      <TextInput className="grow" label={t("people.name")} {...text("name")} />
      <TextInput className="grow" label={t("people.email")} type="email" {...text("email")} />
      <TextInput className="grow" label="RPPS" inputMode="numeric" {...text("rpps")} />
    </div>
  );
  return (
    <section className="part">
      <h3>{t("people.identity")}</h3>
      {changed ? (
        <Sheet submit={t("app.save")} work={() => changeUser(user.id, values)} onCancel={() => setValues({ name: user.name, email: user.email, rpps: user.rpps })}>
          {fields}
        </Sheet>
      ) : (
        fields
      )}
    </section>
  );
}

function Safety({ user, own }: { user: UserItem; own: boolean }) {
  const { t } = useTranslation();
  const { busy, error, run } = useWork();
  const [password, setPassword] = useState("");
  const [said, setSaid] = useState("");
  const doing = (work: () => Promise<unknown>, text: string) => void run(work).then((done) => setSaid(done ? text : ""));
  return (
    <section className="part">
      <h3>{t("people.access")}</h3>
      <div className="together wrap">
        {user.kind === "person" && (
          <Button variant="default" size="xs" disabled={busy} onClick={() => doing(async () => setPassword((await resetPassword(user.id)).password), "")}>
            {t("people.reset")}
          </Button>
        )}
        <Button variant="default" size="xs" disabled={busy} onClick={() => doing(() => endSessions(user.id), t("people.ended"))}>
          {t("people.endSessions")}
        </Button>
        {user.totp && (
          <Button variant="default" size="xs" disabled={busy} onClick={() => doing(() => dropUserTotp(user.id), t("people.factorGone"))}>
            {t("people.dropFactor")}
          </Button>
        )}
        {!own && (
          <Button variant="light" color={user.disabled ? "green" : "red"} size="xs" disabled={busy} onClick={() => doing(() => changeUser(user.id, { disabled: !user.disabled }), "")}>
            {t(user.disabled ? "people.enable" : "people.disable")}
          </Button>
        )}
      </div>
      <p role="status" className="good">
        {said}
      </p>
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      {password && <Once secret={password} text={t("people.once", { login: user.login })} />}
    </section>
  );
}
