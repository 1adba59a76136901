/** How long steps take: a bar to the median, a line on to the ninth of ten, both with their numbers. */

import { useElementSize } from "@mantine/hooks";
import { useId } from "react";
import { useTranslation } from "react-i18next";
import { durationText } from "../data/format";
import { clockTicks } from "../math/plot";

export type Span = { name: string; median_s: number | null; p90_s: number | null; n: number };

const RIGHT = 168;
const ROW = 40;
const BOTTOM = 26;

export function Spans({ title, spans }: { title: string; spans: Span[] }) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const { ref, width: measured } = useElementSize();
  const width = measured || 900;
  const narrow = width < 620;
  const left = narrow ? 4 : 200;
  const steps = clockTicks(Math.max(0, ...spans.map((span) => span.p90_s ?? 0)), narrow ? 2 : 6);
  const top = steps[steps.length - 1]!;
  const x = (seconds: number) => left + (seconds / top) * (width - left - (narrow ? 24 : RIGHT));
  const row = narrow ? ROW + 22 : ROW;
  const height = spans.length * row + BOTTOM;
  const long = (seconds: number) => durationText(seconds, i18n.language);
  return (
    <figure className="plot" ref={ref}>
      <figcaption>
        <strong id={id}>{title}</strong>
        <span className="legend">
          <span>
            <i className="swatch s0" aria-hidden="true" />
            {t("flow.median")}
          </span>
          <span>
            <i className="swatch whisker" aria-hidden="true" />
            {t("flow.p90")}
          </span>
        </span>
      </figcaption>
      <svg width={width} height={height} role="img" aria-labelledby={id} className="spans">
        {steps.map((seconds) => (
          <g key={seconds}>
            <line className="grid" x1={x(seconds)} x2={x(seconds)} y1={0} y2={height - BOTTOM} />
            <text className="tick" x={x(seconds)} y={height - 8} textAnchor="middle">
              {seconds ? long(seconds) : "0"}
            </text>
          </g>
        ))}
        {spans.map((span, index) => {
          const y = (index + 1) * row - ROW / 2;
          const at = narrow ? y - 24 : y + 4;
          return (
            <g key={span.name}>
              <text className="name" x={narrow ? left : left - 14} y={at} textAnchor={narrow ? "start" : "end"}>
                {span.name}
              </text>
              {span.median_s !== null && span.p90_s !== null && (
                <>
                  <rect className="s0" x={left} y={y - 7} width={Math.max(2, x(span.median_s) - left)} height={14} rx={3} />
                  <line className="whisker" x1={x(span.median_s)} x2={x(span.p90_s)} y1={y} y2={y} />
                  <line className="whisker" x1={x(span.p90_s)} x2={x(span.p90_s)} y1={y - 7} y2={y + 7} />
                </>
              )}
              <text className="value" x={width} y={at} textAnchor="end">
                {span.median_s === null || span.p90_s === null ? t("flow.none") : `${long(span.median_s)} · ${long(span.p90_s)}`}
              </text>
            </g>
          );
        })}
      </svg>
    </figure>
  );
}
