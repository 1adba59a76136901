/** Who is signed in, in which roles, and for which purpose they look. */

import { Popover } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Purpose, Session } from "../data/api";
import { lookFor, signOut } from "../data/session";
import { Icon } from "../tools/icons";
import { useWork } from "../tools/work";

export function AccountMenu({ session, children }: { session: Session; children: ReactNode }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const { busy, error, run } = useWork();
  const close = () => setOpen(false);
  const roles = [...new Set(session.roles.map((role) => t(`roles.${role.role}`)))];
  const places = [...new Set(session.roles.map((role) => role.place_name).filter(Boolean))];
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" width={330} shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <button type="button" className="account" aria-haspopup="dialog" aria-expanded={open} aria-label={t("account.of", { name: session.name || session.login, purpose: t(`purposes.${session.purpose}.name`) })} onClick={() => setOpen(!open)}>
          <span className="initials" aria-hidden="true">
            {initials(session.name || session.login)}
          </span>
          <span className="account-text">
            <strong>{session.name || session.login}</strong>
            <span>{t(`purposes.${session.purpose}.name`)}</span>
          </span>
          <Icon name="down" size={16} />
        </button>
      </Popover.Target>
      <Popover.Dropdown className="account-menu" aria-label={t("account.menu")}>
        <div className="account-who">
          <strong>{session.name || session.login}</strong>
          <span>{roles.join(", ")}</span>
          <span>{[session.establishment, ...places.filter((place) => place !== session.establishment)].filter(Boolean).join(" · ")}</span>
        </div>
        {session.purposes.length > 1 && (
          <fieldset className="purposes" disabled={busy}>
            <legend>{t("account.purpose")}</legend>
            {session.purposes.map((purpose) => (
              <PurposeChoice key={purpose} purpose={purpose} now={session.purpose} onPick={() => void run(() => lookFor(purpose)).then((done) => done && close())} />
            ))}
          </fieldset>
        )}
        {error && (
          <p className="bad" role="alert">
            {error}
          </p>
        )}
        <div className="account-looks">{children}</div>
        <div className="account-ways">
          <Link to="/account" onClick={close}>
            {t("account.title")}
          </Link>
          {session.actions.includes("break_glass") && (
            <Link to="/emergency" onClick={close}>
              {t("emergency.title")}
            </Link>
          )}
          <button type="button" onClick={() => void run(signOut)}>
            {t("account.signOut")}
          </button>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

function PurposeChoice({ purpose, now, onPick }: { purpose: Purpose; now: Purpose; onPick: () => void }) {
  const { t } = useTranslation();
  return (
    <label className="purpose">
      <input type="radio" name="purpose" checked={purpose === now} onChange={onPick} />
      <span>
        <strong>{t(`purposes.${purpose}.name`)}</strong>
        <span>{t(`purposes.${purpose}.text`)}</span>
      </span>
    </label>
  );
}

function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  return [words[0], words.length > 1 ? words[words.length - 1] : undefined].map((word) => word?.[0]?.toUpperCase() ?? "").join("");
}
