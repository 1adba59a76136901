/** What is known of the slide, in the reader's words. */

import { useTranslation } from "react-i18next";
import type { Fact, Slide } from "../data/api";
import { numberText } from "../data/format";

type Line = [string, string];

export function Details({ slide, pyramid }: { slide: Slide; pyramid: number }) {
  const { t, i18n } = useTranslation();
  const shown = slide.pyramids[pyramid]!;
  const base = shown.levels[0]!;
  const number = (value: number, digits?: number) => numberText(value, i18n.language, digits);
  const um = base.mm_per_pixel_x === null ? null : base.mm_per_pixel_x * 1000;
  const lines: Line[] = [
    [t("slide.container"), slide.container],
    [t("slide.stain"), slide.stain],
    [t("slide.size"), `${number(base.width)} × ${number(base.height)} px`],
    [t("slide.resolution"), um === null ? "" : `${number(um, 4)} µm/px`],
    [t("slide.objective"), shown.objective ? `${number(shown.objective)}×` : ""],
    [t("slide.levels"), shown.levels.map((level) => number(level.factor, 1)).join(" · ")],
    ["ICC", shown.paths.some((path) => path.icc) ? t("slide.icc") : t("slide.noIcc")],
  ];
  return <Lines lines={[...lines, ...factLines(slide.facts, t)]} />;
}

export function factLines(facts: Fact[], t: (key: string, options: { defaultValue: string }) => string): Line[] {
  return facts.map((fact) => [t(`facts.${fact.keyword}`, { defaultValue: fact.keyword }), fact.value]);
}

export function Lines({ lines }: { lines: Line[] }) {
  return (
    <dl className="lines">
      {lines
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name + value}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
