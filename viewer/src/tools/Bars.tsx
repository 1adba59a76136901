/** Counts over time as stacked bars, drawn here; the same numbers stand in a table below. */

import { useElementSize } from "@mantine/hooks";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { numberText } from "../data/format";
import { ticks } from "../math/plot";

export type Bar = { name: string; parts: number[] };
type Props = { title: string; series: string[]; bars: Bar[]; of: string };

const HEIGHT = 236;
const LEFT = 40;
const TOP = 10;
const BOTTOM = 26;

/** `of` names what is counted; a bar's parts are in the order of `series`. */
export function Bars({ title, series, bars, of }: Props) {
  const { i18n } = useTranslation();
  const id = useId();
  const { ref, width: measured } = useElementSize();
  const width = measured || 900;
  const [at, setAt] = useState<number | null>(null);
  const total = (bar: Bar) => bar.parts.reduce((sum, part) => sum + part, 0);
  const steps = ticks(Math.max(0, ...bars.map(total)), 4, true);
  const top = steps[steps.length - 1]!;
  const height = HEIGHT - TOP - BOTTOM;
  const y = (value: number) => TOP + height - (value / top) * height;
  const step = (width - LEFT) / Math.max(1, bars.length);
  const every = Math.max(1, Math.ceil(bars.length / Math.min(24, (width - LEFT) / 58)));
  const number = (value: number) => numberText(value, i18n.language);
  const shown = at === null ? undefined : bars[at];
  return (
    <figure className="plot" ref={ref}>
      <figcaption>
        <strong id={id}>{title}</strong>
        <span className="legend">
          {series.map((name, index) => (
            <span key={name}>
              <i className={`swatch s${index % 8}`} aria-hidden="true" />
              {name} {shown && <strong>{number(shown.parts[index] ?? 0)}</strong>}
            </span>
          ))}
          <span className="dim">{shown ? `${shown.name} : ${number(total(shown))}` : ""}</span>
        </span>
      </figcaption>
      <svg width={width} height={HEIGHT} role="img" aria-labelledby={id} onPointerLeave={() => setAt(null)}>
        {steps.map((value) => (
          <g key={value}>
            <line className="grid" x1={LEFT} x2={width} y1={y(value)} y2={y(value)} />
            <text className="tick" x={LEFT - 8} y={y(value) + 4} textAnchor="end">
              {number(value)}
            </text>
          </g>
        ))}
        {bars.map((bar, index) => {
          let below = 0;
          return (
            <g key={index} onPointerEnter={() => setAt(index)} className={index === at ? "over" : ""}>
              <rect className="hit" x={LEFT + index * step} y={TOP} width={step} height={height} />
              {bar.parts.map((part, which) => {
                below += part;
                return part > 0 && <rect key={which} className={`s${which % 8}`} x={LEFT + index * step + step * 0.12} width={step * 0.76} y={y(below)} height={Math.max(0.5, y(below - part) - y(below))} />;
              })}
              {index % every === 0 && (
                <text className="tick" x={LEFT + (index + 0.5) * step} y={HEIGHT - 8} textAnchor="middle">
                  {bar.name}
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <Numbers title={title} head={[of, ...series]} rows={bars.filter((bar) => total(bar)).map((bar) => [bar.name, ...bar.parts.map(number)])} />
    </figure>
  );
}

/** The numbers of a plot, for who cannot see it or wants them. */
export function Numbers({ title, head, rows }: { title: string; head: string[]; rows: string[][] }) {
  const { t } = useTranslation();
  return (
    <details className="numbers">
      <summary>{t("flow.numbers")}</summary>
      <div className="scroll" tabIndex={0} role="region" aria-label={title}>
        <table>
          <thead>
            <tr>
              {head.map((name, index) => (
                <th key={name} scope="col" className={index ? "number" : ""}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row[0]}>
                {row.map((value, index) => (index ? <td key={index} className="number">{value}</td> : <th key={index} scope="row">{value}</th>))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
