/** From where a measure of a scan warns and fails, and the exceptions of a stain or of a scanner. */

import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Limit, Threshold } from "../data/api";
import { setThresholds, thresholdsQuery } from "../data/quality";
import { may, useSession } from "../data/session";
import { Icon } from "../tools/icons";
import { Trouble } from "../tools/Trouble";
import { useWork } from "../tools/work";
import { Tabs } from "./Tabs";

export function ThresholdsPage() {
  const { t } = useTranslation();
  const { data, error, refetch } = useQuery(thresholdsQuery());
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="lab" />
      <h1>{t("thresholds.title")}</h1>
      <p className="dim">{t("thresholds.text")}</p>
      {data && <Table key={JSON.stringify(data)} kept={data} />}
    </div>
  );
}

/** A line as it is typed; `fresh` is one that was not kept yet. */
type Draft = Omit<Threshold, "warn" | "fail"> & { warn: string; fail: string; fresh: boolean; gone: boolean };

const shown = (value: number | null, language: string) => (value === null ? "" : language.startsWith("fr") ? String(value).replace(".", ",") : String(value));
const read = (text: string) => (text.trim() ? Number(text.replace(",", ".")) : null);
const wrong = (text: string) => Number.isNaN(read(text));
const limit = ({ stain, scanner, measure, warn, fail, gone }: Draft): Limit => ({ stain: stain.trim(), scanner: scanner.trim(), measure, warn: gone ? null : read(warn), fail: gone ? null : read(fail) });

function Table({ kept }: { kept: Threshold[] }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const { busy, error, run } = useWork();
  const before = kept.map((row): Draft => ({ ...row, warn: shown(row.warn, i18n.language), fail: shown(row.fail, i18n.language), fresh: false, gone: false }));
  const [rows, setRows] = useState(before);
  const change = (at: number, values: Partial<Draft>) => setRows(rows.map((row, index) => (index === at ? { ...row, ...values } : row)));
  const changed = rows.filter((row) => row.fresh || row.gone || !before.some((one) => JSON.stringify(one) === JSON.stringify(row)));
  const bad = rows.some((row) => wrong(row.warn) || wrong(row.fail) || (row.fresh && !row.stain.trim() && !row.scanner.trim()));
  const save = (event: FormEvent) => {
    event.preventDefault();
    void run(() => setThresholds(changed.map(limit)));
  };
  const edits = may(session, "operate");
  return (
    <form onSubmit={save}>
      <div className="scroll" tabIndex={0} role="region" aria-label={t("thresholds.title")}>
        <table className="thresholds">
          <thead>
            <tr>
              {["measure", "stain", "scanner", "warn", "fail"].map((column) => (
                <th key={column} scope="col">
                  {t(`thresholds.columns.${column}`)}
                </th>
              ))}
              <td />
            </tr>
          </thead>
          <tbody>
            {rows.map(
              (row, at) =>
                !row.gone && (
                  <Line
                    key={at}
                    row={row}
                    edits={edits}
                    onChange={(values) => change(at, values)}
                    onAdd={() => setRows(rows.toSpliced(at + 1, 0, { ...row, stain: "", scanner: "", fresh: true, default: false }))}
                    onDrop={() => (row.fresh ? setRows(rows.toSpliced(at, 1)) : change(at, { gone: true }))}
                  />
                ),
            )}
          </tbody>
        </table>
      </div>
      {edits && (
        <div className="sheet-end" role="status">
          {error && <span className="bad">{error}</span>}
          <Button type="submit" loading={busy} disabled={bad || changed.length === 0}>
            {t("app.save")}
          </Button>
        </div>
      )}
    </form>
  );
}

type LineProps = { row: Draft; edits: boolean; onChange: (values: Partial<Draft>) => void; onAdd: () => void; onDrop: () => void };

function Line({ row, edits, onChange, onAdd, onDrop }: LineProps) {
  const { t } = useTranslation();
  const name = t(`quality.names.${row.measure}`, { defaultValue: row.measure });
  const general = !row.stain && !row.scanner && !row.fresh;
  return (
    <tr className={general ? "" : "exception"}>
      <th scope="row">
        {general ? name : <span className="dim">{t("thresholds.except")}</span>}
        {general && row.unit && <span className="dim"> {t(`units.${row.unit}`, { defaultValue: row.unit })}</span>}
      </th>
      {(["stain", "scanner"] as const).map((field) => (
        <td key={field}>
          {row.fresh ? (
            <TextInput size="xs" aria-label={`${name}, ${t(`thresholds.columns.${field}`)}`} placeholder={t("thresholds.any")} value={row[field]} onChange={(event) => onChange({ [field]: event.currentTarget.value })} />
          ) : (
            row[field] || <span className="dim">{t("thresholds.any")}</span>
          )}
        </td>
      ))}
      {(["warn", "fail"] as const).map((field) => (
        <td key={field}>
          <span className="bound">
            <span className="dim" aria-hidden="true">
              {row.higher ? ">" : "<"}
            </span>
            <TextInput
              size="xs"
              aria-label={`${name}, ${t(`thresholds.columns.${field}`)}, ${t(row.higher ? "thresholds.above" : "thresholds.below")}`}
              value={row[field]}
              disabled={!edits}
              error={wrong(row[field])}
              inputMode="decimal"
              onChange={(event) => onChange({ [field]: event.currentTarget.value })}
            />
          </span>
        </td>
      ))}
      <td>
        {edits && general && (
          <Button size="xs" variant="subtle" onClick={onAdd} aria-label={`${t("thresholds.add")} : ${name}`}>
            {t("thresholds.add")}
          </Button>
        )}
        {edits && !row.default && (
          <button type="button" className="quiet" aria-label={`${t(general ? "thresholds.back" : "thresholds.drop")} : ${name}`} title={t(general ? "thresholds.back" : "thresholds.drop")} onClick={onDrop}>
            <Icon name="close" size={16} />
          </button>
        )}
      </td>
    </tr>
  );
}
