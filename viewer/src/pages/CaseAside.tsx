/** What belongs to a case beside its slides and report: techniques, earlier cases, papers, what happened. */

import { Button, FileInput, NativeSelect } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { AttachmentItem, Case, HistoryItem, TechniqueItem } from "../data/api";
import { attach, cancelTechnique } from "../data/cases";
import { Refused } from "../data/client";
import { dateText, momentText } from "../data/format";
import { slidesOf, within } from "../data/tree";
import { StateMark } from "../tools/CaseMarks";
import { Dialog } from "../tools/Dialog";
import { Icon } from "../tools/icons";
import { Mark } from "../tools/Mark";
import { Sheet } from "../tools/Sheet";
import { Sure } from "../tools/Sure";

export function CaseAside({ found, onAsk }: { found: Case; onAsk: () => void }) {
  const { t } = useTranslation();
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Part title={t("technique.title")} count={found.techniques.length} action={found.may.report && found.state !== "cancelled" ? { text: t("technique.askShort"), name: t("technique.ask"), run: onAsk } : undefined}>
        <ul className="lines-list">
          {found.techniques.map((technique) => (
            <Technique key={technique.id} technique={technique} found={found} />
          ))}
        </ul>
      </Part>
      <Part title={t("case.prior")} count={found.prior.length}>
        <ul className="prior">
          {found.prior.map((prior) => (
            <li key={prior.id}>
              <Link to="/cases/$case" params={{ case: String(prior.id) }}>
                <When day={prior.date} />
                <span className="grow">
                  <span className="mono">{prior.accession}</span> {prior.description}
                </span>
                <StateMark state={prior.state} />
              </Link>
            </li>
          ))}
        </ul>
      </Part>
      <Part title={t("attachment.title")} count={found.attachments.length} action={found.may.report || found.may.schedule ? { text: t("attachment.addShort"), name: t("attachment.add"), run: () => setAdding(true) } : undefined}>
        <ul className="prior">
          {found.attachments.map((attachment) => (
            <Attachment key={attachment.id} attachment={attachment} found={found} />
          ))}
        </ul>
      </Part>
      {found.history.length > 0 && (
        <details className="case-part">
          <summary>
            <h2>{t("case.history")}</h2>
          </summary>
          <History items={found.history} />
        </details>
      )}
      {adding && <AddAttachment found={found} onClose={() => setAdding(false)} />}
    </>
  );
}

type PartProps = { title: string; count: number; action?: { text: string; name: string; run: () => void } | undefined; children: React.ReactNode };

function Part({ title, count, action, children }: PartProps) {
  const { t } = useTranslation();
  return (
    <section className="case-part" aria-label={title}>
      <header className="report-head">
        <h2>
          {title} {count > 0 && <span className="dim">{count}</span>}
        </h2>
        {action && (
          <Button size="xs" variant="default" aria-label={action.name} onClick={action.run}>
            {action.text}
          </Button>
        )}
      </header>
      {count > 0 ? children : <p className="dim nothing">{t("case.nothing")}</p>}
    </section>
  );
}

function When({ day }: { day: string | null }) {
  const { i18n } = useTranslation();
  return <span className="dim">{dateText(day?.slice(0, 10) ?? null, i18n.language)}</span>;
}

const TONES: Record<TechniqueItem["state"], "plain" | "good" | "warn" | "bad" | "accent"> = { requested: "warn", accepted: "accent", done: "good", refused: "bad", cancelled: "plain" };

function Technique({ technique, found }: { technique: TechniqueItem; found: Case }) {
  const { t, i18n } = useTranslation();
  const block = found.specimens.flatMap((specimen) => specimen.blocks).find(({ id }) => id === technique.block);
  const slide = slidesOf(found).find(({ id }) => id === technique.slide);
  const on = (block ?? slide)?.identifier;
  const [cancelling, setCancelling] = useState(false);
  const about = [on && t("technique.onPart", { part: within(on, found.accession) }), technique.comment, technique.reason];
  return (
    <li>
      <span className="grow">
        <strong>
          {technique.text || technique.code} <span className="dim">{t(`technique.kinds.${technique.code}`, { defaultValue: technique.text && technique.code })}</span>
        </strong>
        <span className="dim">{about.filter(Boolean).join(" · ")}</span>
        <span className="dim">{[technique.requester, momentText(technique.requested_at, i18n.language)].filter(Boolean).join(" · ")}</span>
      </span>
      <span className="technique-end">
        <Mark tone={TONES[technique.state]}>{t(`technique.state.${technique.state}`)}</Mark>
        {found.may.report && ["requested", "accepted"].includes(technique.state) && (
          <button type="button" className="take-back" aria-label={`${t("technique.cancel")} : ${technique.text}`} onClick={() => setCancelling(true)}>
            {t("technique.cancel")}
          </button>
        )}
      </span>
      {cancelling && (
        <Sure title={t("technique.cancelTitle", { name: technique.text || technique.code })} text={t("technique.cancelText")} action={t("technique.cancel")} work={() => cancelTechnique(found.id, technique.id)} onClose={() => setCancelling(false)} />
      )}
    </li>
  );
}

function Attachment({ attachment, found }: { attachment: AttachmentItem; found: Case }) {
  const { t, i18n } = useTranslation();
  return (
    <li>
      <a href={`/api/cases/${found.id}/attachments/${attachment.id}`} target="_blank" rel="noreferrer">
        <Icon name="file" size={18} />
        <span className="grow">{attachment.title || t(`attachment.kinds.${attachment.kind}`, { defaultValue: attachment.kind })}</span>
        <span className="dim">{[t(`attachment.kinds.${attachment.kind}`, { defaultValue: "" }), momentText(attachment.added_at, i18n.language)].filter(Boolean).join(" · ")}</span>
      </a>
    </li>
  );
}

const PAPERS = ["request", "macroscopy", "photograph", "other"];

function AddAttachment({ found, onClose }: { found: Case; onClose: () => void }) {
  const { t } = useTranslation();
  const [kind, setKind] = useState("request");
  const [file, setFile] = useState<File | null>(null);
  const work = async () => {
    if (!file) throw new Refused(400, "no_file", "");
    await attach(found.id, kind, file);
  };
  return (
    <Dialog title={t("attachment.add")} onClose={onClose}>
      <Sheet submit={t("attachment.add")} work={work} onDone={onClose} onCancel={onClose}>
        <FileInput label={t("attachment.file")} placeholder={t("attachment.choose")} accept="application/pdf,image/jpeg,image/png" required value={file} onChange={setFile} />
        <NativeSelect label={t("attachment.kind")} value={kind} onChange={(event) => setKind(event.currentTarget.value)} data={PAPERS.map((value) => ({ value, label: t(`attachment.kinds.${value}`) }))} />
      </Sheet>
    </Dialog>
  );
}

function History({ items }: { items: HistoryItem[] }) {
  const { t, i18n } = useTranslation();
  return (
    <ol className="happened">
      {items.map((item, index) => (
        <li key={index}>
          <time className="dim">{momentText(item.at, i18n.language)}</time>
          <span>{[t(`case.happened.${item.what}`), item.text, item.who].filter(Boolean).join(" · ")}</span>
        </li>
      ))}
    </ol>
  );
}
