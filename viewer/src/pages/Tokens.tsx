/** Tokens for programs: made with what they may do, shown once, revoked. */

import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Action, TokenItem } from "../data/api";
import { momentText } from "../data/format";
import { makeToken, revokeToken, tokensQuery } from "../data/people";
import { useSession } from "../data/session";
import { Dialog } from "../tools/Dialog";
import { Once } from "../tools/Once";
import { Sheet } from "../tools/Sheet";
import { Sure } from "../tools/Sure";

const DAYS = [7, 30, 90, 365];

export function Tokens() {
  const { t } = useTranslation();
  const { data } = useQuery(tokensQuery());
  const [making, setMaking] = useState(false);
  const [revoked, setRevoked] = useState<TokenItem | null>(null);
  return (
    <section className="block" aria-labelledby="tokens">
      <div className="block-head">
        <div>
          <h2 id="tokens">{t("tokens.title")}</h2>
          <p className="dim">{t("tokens.text")}</p>
        </div>
        <Button variant="default" onClick={() => setMaking(true)}>
          {t("tokens.make")}
        </Button>
      </div>
      <ul className="lines-list">
        {data?.map((token) => (
          <TokenLine key={token.id} token={token} onRevoke={() => setRevoked(token)} />
        ))}
      </ul>
      {making && <Make onClose={() => setMaking(false)} />}
      {revoked && <Sure title={t("tokens.revokeTitle", { name: revoked.name })} text={t("tokens.revokeText")} action={t("tokens.revoke")} work={() => revokeToken(revoked.id)} onClose={() => setRevoked(null)} />}
    </section>
  );
}

function TokenLine({ token, onRevoke }: { token: TokenItem; onRevoke: () => void }) {
  const { t, i18n } = useTranslation();
  const moment = (iso: string) => momentText(iso, i18n.language);
  return (
    <li>
      <span className="grow">
        <strong>{token.name}</strong>
        <span className="dim">
          {[
            token.actions.map((action) => t(`actions.${action}`)).join(", "),
            token.until ? t("tokens.until", { time: moment(token.until) }) : "",
            token.last_at ? t("account.lastUse", { time: moment(token.last_at) }) : t("tokens.unused"),
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
      </span>
      <Button variant="default" size="xs" onClick={onRevoke} aria-label={`${t("tokens.revoke")} : ${token.name}`}>
        {t("tokens.revoke")}
      </Button>
    </li>
  );
}

function Make({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [actions, setActions] = useState<string[]>(["view"]);
  const [token, setToken] = useState("");
  if (token) {
    return (
      <Dialog title={t("tokens.made")} onClose={onClose}>
        <Once secret={token} text={t("tokens.once")} />
        <div className="sheet-end">
          <Button onClick={onClose}>{t("slide.close")}</Button>
        </div>
      </Dialog>
    );
  }
  const work = async () => setToken((await makeToken({ name: name.trim(), actions: actions as Action[], days: Number(days) })).token);
  return (
    <Dialog title={t("tokens.make")} onClose={onClose}>
      <Sheet submit={t("tokens.make")} work={work} onCancel={onClose}>
        <TextInput label={t("tokens.name")} description={t("tokens.nameText")} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <Checkbox.Group label={t("tokens.actions")} value={actions} onChange={setActions}>
          <div className="checks">
            {session?.actions.map((action) => <Checkbox key={action} value={action} label={t(`actions.${action}`)} />)}
          </div>
        </Checkbox.Group>
        <NativeSelect label={t("tokens.days")} value={days} onChange={(event) => setDays(event.currentTarget.value)} data={DAYS.map((count) => ({ value: String(count), label: t("tokens.dayCount", { count }) }))} />
      </Sheet>
    </Dialog>
  );
}
