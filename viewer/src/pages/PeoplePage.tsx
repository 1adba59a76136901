/** The people of the installation: found, added, given roles, switched off. */

import { Button, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { UserItem } from "../data/api";
import { momentText } from "../data/format";
import { USERS, usersQuery } from "../data/people";
import { Icon } from "../tools/icons";
import { Mark } from "../tools/Mark";
import { Trouble } from "../tools/Trouble";
import { AddPerson } from "./AddPerson";
import { Person } from "./Person";
import { Tabs } from "./Tabs";

export function PeoplePage() {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [word] = useDebouncedValue(typed.trim(), 150);
  const [page, setPage] = useState(0);
  const [adding, setAdding] = useState(false);
  const [open, setOpen] = useState<number | null>(null);
  const { data, error, refetch } = useQuery(usersQuery(word, page));
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const shown = data?.items.find((user) => user.id === open);
  const pages = Math.ceil((data?.total ?? 0) / USERS);
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="people" />
      <div className="page-head">
        <h1>{t("people.title")}</h1>
        <Button onClick={() => setAdding(true)}>{t("people.add")}</Button>
      </div>
      <TextInput
        className="find"
        type="search"
        aria-label={t("people.find")}
        placeholder={t("people.find")}
        leftSection={<Icon name="search" size={18} />}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setPage(0);
        }}
      />
      <p className="count" aria-live="polite">
        {data ? t("people.count", { count: data.total }) : "\u00a0"}
      </p>
      <ul className="people">
        {data?.items.map((user) => (
          <UserLine key={user.id} user={user} onOpen={() => setOpen(user.id)} />
        ))}
      </ul>
      {pages > 1 && (
        <div className="pager">
          <Button variant="default" size="xs" disabled={page === 0} onClick={() => setPage(page - 1)}>
            {t("app.before")}
          </Button>
          <span className="dim">{t("app.page", { number: page + 1, count: pages })}</span>
          <Button variant="default" size="xs" disabled={page + 1 >= pages} onClick={() => setPage(page + 1)}>
            {t("app.after")}
          </Button>
        </div>
      )}
      {adding && <AddPerson onClose={() => setAdding(false)} />}
      {shown && <Person user={shown} onClose={() => setOpen(null)} />}
    </div>
  );
}

function UserLine({ user, onOpen }: { user: UserItem; onOpen: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <li>
      <button type="button" className="person" onClick={onOpen} aria-haspopup="dialog">
        <span className="two">
          <strong>{user.name || user.login}</strong>
          <span className="mono dim">{user.login}</span>
        </span>
        <span className="held-list">
          {user.roles.map((role) => (
            <span key={role.id} className="held">
              {t(`roles.${role.role}`)} <span className="dim">{role.place_name || t("people.everywhere")}</span>
            </span>
          ))}
          {user.roles.length === 0 && <span className="dim">{t("people.noRole")}</span>}
        </span>
        <span className="marks">
          {user.disabled && <Mark tone="bad">{t("people.disabled")}</Mark>}
          {user.kind === "service" && <Mark tone="plain">{t("people.service")}</Mark>}
          {user.totp && <Mark tone="good">{t("people.factor")}</Mark>}
        </span>
        <span className="dim when">{user.last_at ? momentText(user.last_at, i18n.language) : t("people.never")}</span>
      </button>
    </li>
  );
}
