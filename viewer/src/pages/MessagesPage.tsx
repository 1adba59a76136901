/** The console of HL7 messages: who talks to us and who is silent, what came and went, what waits for a person. */

import { Button, NativeSelect, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { MessageItem, MessagePeer, MessagesState } from "../data/api";
import { agoText, momentText, numberText } from "../data/format";
import { MESSAGES, type MessagesAsked, messagesQuery, messagesStateQuery } from "../data/messages";
import { Icon } from "../tools/icons";
import { Mark } from "../tools/Mark";
import { Trouble } from "../tools/Trouble";
import { Tabs } from "./Tabs";

export const TONES: Record<string, "good" | "warn" | "bad" | "accent" | "plain"> = { error: "bad", dead: "bad", rejected: "bad", waiting: "warn", received: "accent", sent: "good", done: "good" };
const SHOWS = ["", "error", "dead", "waiting"] as const;

export function MessagesPage() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/lists/messages" });
  const navigate = useNavigate();
  const state = useQuery(messagesStateQuery());
  const { data, error, refetch } = useQuery(messagesQuery(search));
  const [typed, setTyped] = useState(search.q ?? "");
  const [word] = useDebouncedValue(typed.trim(), 250);
  const change = (values: Partial<MessagesAsked>) => {
    const wanted = Object.entries({ ...search, page: "", ...values }).filter(([, value]) => value);
    void navigate({ to: "/messages", search: Object.fromEntries(wanted), replace: true });
  };
  useEffect(() => {
    if ((search.q ?? "") !== word && word === typed.trim()) change({ q: word });
  });
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const page = Number(search.page ?? 0);
  const pages = Math.ceil((data?.total ?? 0) / MESSAGES);
  return (
    <div className="page wide" aria-busy={!data}>
      <Tabs of="lab" />
      <div className="page-head">
        <h1>{t("messages.title")}</h1>
        {state.data && <Listening state={state.data} />}
      </div>
      {state.data && <Peers peers={state.data.peers} chosen={search.peer ?? ""} onChoose={(peer) => change({ peer })} />}
      <div className="filters" role="search">
        <TextInput aria-label={t("messages.find")} placeholder={t("messages.find")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autoComplete="off" spellCheck={false} />
        <SegmentedControl
          aria-label={t("messages.state")}
          value={search.state ?? ""}
          onChange={(chosen) => change({ state: chosen })}
          data={SHOWS.map((value) => ({ value, label: `${t(`messages.shows.${value || "all"}`)}${value && state.data ? ` ${state.data[value]}` : ""}` }))}
        />
        <NativeSelect aria-label={t("messages.direction")} value={search.direction ?? ""} onChange={(event) => change({ direction: event.currentTarget.value })} data={["", "in", "out"].map((value) => ({ value, label: t(`messages.directions.${value || "both"}`) }))} />
        <NativeSelect aria-label={t("messages.kind")} value={search.kind ?? ""} onChange={(event) => change({ kind: event.currentTarget.value })} data={["", "OML", "ORM", "ADT", "ORU", "ORL"].map((value) => ({ value, label: value || t("messages.anyKind") }))} />
        {Object.keys(search).length > 0 && (
          <Button
            variant="subtle"
            onClick={() => {
              setTyped("");
              void navigate({ to: "/messages", search: {}, replace: true });
            }}
          >
            {t("studies.clear")}
          </Button>
        )}
      </div>
      {data?.items.length === 0 && <p className="none">{t("messages.none")}</p>}
      {data && data.items.length > 0 && <Table items={data.items} />}
      {pages > 1 && (
        <div className="pager">
          <Button variant="default" disabled={page === 0} onClick={() => change({ page: page > 1 ? String(page - 1) : "" })}>
            {t("app.before")}
          </Button>
          <span>{t("app.page", { number: page + 1, count: pages })}</span>
          <Button variant="default" disabled={page + 1 >= pages} onClick={() => change({ page: String(page + 1) })}>
            {t("app.after")}
          </Button>
        </div>
      )}
    </div>
  );
}

function Listening({ state }: { state: MessagesState }) {
  const { t } = useTranslation();
  return <Mark tone={state.listening ? "good" : "plain"}>{state.listening ? t("messages.listening", { port: state.port }) : t("messages.deaf")}</Mark>;
}

function Peers({ peers, chosen, onChoose }: { peers: MessagePeer[]; chosen: string; onChoose: (peer: string) => void }) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => numberText(value, i18n.language);
  return (
    <>
      {peers
        .filter((peer) => peer.silent)
        .map((peer) => (
          <p key={peer.name} className="notice silence" role="alert">
            {t("messages.silent", { peer: peer.name, since: peer.last_in ? agoText(peer.last_in, i18n.language) : t("messages.everSince") })}
          </p>
        ))}
      <ul className="peers">
        {peers.map((peer) => (
          <li key={peer.name}>
            <button type="button" className="peer" aria-pressed={peer.name === chosen} onClick={() => onChoose(peer.name === chosen ? "" : peer.name)}>
              <span className="peer-head">
                <strong>{peer.name}</strong>
                <span className="dim">{peer.dialect}</span>
                {peer.silent && <Mark tone="warn">{t("messages.silentMark")}</Mark>}
                {peer.errors > 0 && <Mark tone="bad">{t("messages.errors", { count: peer.errors })}</Mark>}
              </span>
              {(["in", "out"] as const)
                .filter((way) => peer.direction === "both" || peer.direction === way)
                .map((way) => (
                  <span key={way} className="peer-way">
                    <span className="dim">{t(`messages.ways.${way}`)}</span>
                    <strong>{number(way === "in" ? peer.today_in : peer.today_out)}</strong>
                    <span className="dim">{agoText(way === "in" ? peer.last_in : peer.last_out, i18n.language) || t("messages.never")}</span>
                  </span>
                ))}
              {peer.waiting > 0 && <span className="dim">{t("messages.waiting", { count: peer.waiting })}</span>}
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function Table({ items }: { items: MessageItem[] }) {
  const { t, i18n } = useTranslation();
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t("messages.title")}>
      <table className="messages">
        <thead>
          <tr>
            {["when", "peer", "kind", "case", "state"].map((name) => (
              <th key={name} scope="col">
                {t(`messages.columns.${name}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.id}>
              <td className="nowrap">
                <Link to="/messages/$message" params={{ message: String(item.id) }}>
                  <time dateTime={item.at}>{momentText(item.at, i18n.language)}</time>
                </Link>
              </td>
              <td className="nowrap">
                <Way way={item.direction} /> {item.peer}
              </td>
              <td>
                <span className="mono">{item.kind}</span>
                <span className="dim mono">{item.control_id}</span>
              </td>
              <td className="mono">{item.accession}</td>
              <td>
                <MessageState item={item} />
                {item.error && <span className="message-error">{t(`problems.${item.error}`, { defaultValue: item.error })}</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Way({ way }: { way: MessageItem["direction"] }) {
  const { t } = useTranslation();
  return (
    <span className={`way ${way}`} title={t(`messages.directions.${way}`)}>
      <Icon name={way === "in" ? "down" : "up"} size={15} />
      <span className="unseen">{t(`messages.directions.${way}`)}</span>
    </span>
  );
}

export function MessageState({ item }: { item: MessageItem }) {
  const { t } = useTranslation();
  return (
    <span>
      <Mark tone={TONES[item.state] ?? "plain"}>{t(`messages.states.${item.state}`, { defaultValue: item.state })}</Mark>
      {item.attempts > 1 && <span className="dim"> {t("messages.attempts", { count: item.attempts })}</span>}
    </span>
  );
}
