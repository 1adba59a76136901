/** One HL7 message: as it came, segment by segment, what was answered, and what a person can do about it. */

import { Button, SegmentedControl, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Message } from "../data/api";
import { momentText } from "../data/format";
import { messageQuery, repair, replay, resend } from "../data/messages";
import { Dialog } from "../tools/Dialog";
import { CaseLink } from "../tools/CaseLink";
import { Icon } from "../tools/icons";
import { Sheet } from "../tools/Sheet";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";
import { MessageState, Way } from "./MessagesPage";

/** Characters of a segment that are shown: whole documents stand in some. */
const LONGEST = 20_000;

export function MessagePage() {
  const { message } = useParams({ from: "/lists/messages/$message" });
  const { data, error, refetch } = useQuery(messageQuery(message));
  const { t } = useTranslation();
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page" aria-busy={!data}>
      <Link to="/messages" className="quiet back">
        <Icon name="back" size={18} />
        <span>{t("messages.title")}</span>
      </Link>
      {data && <Shown message={data} />}
    </div>
  );
}

function Shown({ message }: { message: Message }) {
  const { t, i18n } = useTranslation();
  const [view, setView] = useState("parsed");
  return (
    <>
      <div className="page-head">
        <div>
          <h1>
            <span className="mono">{message.kind}</span> <MessageState item={message} />
          </h1>
          <p className="dim message-of">
            <Way way={message.direction} /> {message.peer} · <span className="mono">{message.control_id}</span> · {momentText(message.at, i18n.language)}
            {message.case !== null ? (
              <>
                {" · "}
                <CaseLink of={message.case}>
                  {message.accession || t("messages.case")}
                </CaseLink>
              </>
            ) : (
              message.accession && ` · ${message.accession}`
            )}
          </p>
        </div>
        {!message.purged_at && <Acts message={message} />}
      </div>
      {message.error && (
        <p className="notice" role="status">
          {t(`problems.${message.error}`, { defaultValue: message.error })}
        </p>
      )}
      {message.purged_at ? (
        <p className="none">{t("messages.purged", { time: momentText(message.purged_at, i18n.language) })}</p>
      ) : (
        <>
          <SegmentedControl className="wrapping" aria-label={t("messages.view")} value={view} onChange={setView} data={["parsed", "raw"].map((value) => ({ value, label: t(`messages.views.${value}`) }))} />
          {view === "raw" ? <Raw text={message.text} /> : <Parsed message={message} />}
        </>
      )}
      {message.answer && (
        <>
          <h2 className="answer">{t("messages.answer")}</h2>
          <Raw text={message.answer} />
        </>
      )}
    </>
  );
}

function Acts({ message }: { message: Message }) {
  const { t } = useTranslation();
  const [mending, setMending] = useState(false);
  const { busy, error, run } = useWork();
  const again = message.direction === "in" ? replay : resend;
  return (
    <span className="together wrap">
      {error && (
        <span className="bad" role="alert">
          {error}
        </span>
      )}
      <Button variant="default" onClick={() => setMending(true)}>
        {t("messages.repair")}
      </Button>
      <Button variant="default" loading={busy} onClick={() => void run(() => again(message.id))}>
        {t(message.direction === "in" ? "messages.replay" : "messages.resend")}
      </Button>
      {mending && <Repair message={message} onClose={() => setMending(false)} />}
    </span>
  );
}

function Repair({ message, onClose }: { message: Message; onClose: () => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState(message.text);
  return (
    <Dialog title={t("messages.repairTitle")} widest onClose={onClose}>
      <Sheet submit={t(message.direction === "in" ? "messages.repairIn" : "messages.repairOut")} work={() => repair(message.id, text)} onDone={onClose} onCancel={onClose}>
        <p className="dim">{t("messages.repairText")}</p>
        <Textarea aria-label={t("messages.views.raw")} value={text} autosize minRows={8} maxRows={22} spellCheck={false} classNames={{ input: "raw-edit" }} onChange={(event) => setText(event.currentTarget.value)} />
      </Sheet>
    </Dialog>
  );
}

function Raw({ text }: { text: string }) {
  return (
    <pre className="raw" tabIndex={0}>
      {text.split(/\r\n|\r|\n/).map((line, index) => (
        <span key={index} className="raw-line">
          <strong>{line.slice(0, 3)}</strong>
          {line.slice(3, LONGEST)}
          {line.length > LONGEST && "…"}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}

function Parsed({ message }: { message: Message }) {
  const { t } = useTranslation();
  if (!message.segments.length) return <p className="none">{t("messages.unparsed")}</p>;
  return (
    <div className="scroll parsed">
      <table>
        <tbody>
          {message.segments.map((segment, index) =>
            segment.fields.map((field, row) => (
              <tr key={`${index}-${field.at}-${row}`} className={row ? "" : "first"}>
                <th scope="row">{row ? "" : segment.name}</th>
                <td className="mono dim nowrap">{field.at}</td>
                <td className="dim">{field.name}</td>
                <td className="value">{field.value}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </div>
  );
}
