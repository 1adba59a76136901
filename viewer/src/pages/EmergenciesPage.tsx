/** Emergency accesses, for the data-protection officer to look at and acknowledge. */

import { Button, SegmentedControl, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Emergency } from "../data/api";
import { momentText } from "../data/format";
import { emergenciesQuery, review } from "../data/ledger";
import { Dialog } from "../tools/Dialog";
import { Mark } from "../tools/Mark";
import { Sheet } from "../tools/Sheet";
import { Trouble } from "../tools/Trouble";
import { Tabs } from "./Tabs";

export function EmergenciesPage() {
  const { t } = useTranslation();
  const [open, setOpen] = useState(true);
  const [reviewed, setReviewed] = useState<Emergency | null>(null);
  const { data, error, refetch } = useQuery(emergenciesQuery(open));
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="audit" />
      <div className="page-head">
        <h1>{t("emergencies.title")}</h1>
        <SegmentedControl
          aria-label={t("emergencies.which")}
          value={open ? "open" : "all"}
          onChange={(value) => setOpen(value === "open")}
          data={[
            { value: "open", label: t("emergencies.open") },
            { value: "all", label: t("emergencies.all") },
          ]}
        />
      </div>
      {data?.length === 0 && <p className="none">{t(open ? "emergencies.none" : "emergencies.never")}</p>}
      <ul className="emergencies">
        {data?.map((found) => (
          <Line key={found.id} found={found} onReview={() => setReviewed(found)} />
        ))}
      </ul>
      {reviewed && <Review found={reviewed} onClose={() => setReviewed(null)} />}
    </div>
  );
}

function Line({ found, onReview }: { found: Emergency; onReview: () => void }) {
  const { t, i18n } = useTranslation();
  const moment = (iso: string) => momentText(iso, i18n.language);
  return (
    <li className="emergency">
      <span className="two">
        <strong>{found.name || found.actor}</strong>
        <span className="dim">{t("emergencies.span", { from: moment(found.at), until: moment(found.until) })}</span>
      </span>
      <span className="two">
        <span>
          {t("audit.patient")}{" "}
          <Link className="mono" to="/audit" search={{ patient_id: found.patient_id }}>
            {found.patient_id || "—"}
          </Link>
        </span>
        <span className="dim">{t("studies.count", { count: found.studies })}</span>
      </span>
      <span className="two grow">
        <span>{found.reason}</span>
        {found.reviewed_at && <span className="dim">{t("emergencies.reviewed", { name: found.reviewed_by, time: moment(found.reviewed_at) }) + (found.note && ` : ${found.note}`)}</span>}
      </span>
      {found.reviewed_at ? (
        <Mark tone="good">
          {t("emergencies.done")}
        </Mark>
      ) : (
        <Button size="xs" onClick={onReview}>
          {t("emergencies.review")}
        </Button>
      )}
    </li>
  );
}

function Review({ found, onClose }: { found: Emergency; onClose: () => void }) {
  const { t } = useTranslation();
  const [note, setNote] = useState("");
  return (
    <Dialog title={t("emergencies.reviewTitle")} onClose={onClose}>
      <Sheet submit={t("emergencies.review")} work={() => review(found.id, note.trim())} onDone={onClose} onCancel={onClose}>
        <p>
          {found.name || found.actor} · {found.reason}
        </p>
        <Textarea label={t("emergencies.note")} description={t("emergencies.noteText")} required autosize minRows={3} value={note} onChange={(event) => setNote(event.currentTarget.value)} />
      </Sheet>
    </Dialog>
  );
}
