/** True magnifications, and the one on the screen. */

import { useTranslation } from "react-i18next";
import { numberText } from "../data/format";
import { MAGNIFICATIONS } from "../math/scale";

type Props = { current: number; most: number; calibrated: boolean; onPick: (magnification: number) => void };

export function Magnifications({ current, most, calibrated, onPick }: Props) {
  const { t, i18n } = useTranslation();
  const text = (value: number) => `${numberText(value, i18n.language, value < 10 ? 1 : 0)}×`;
  return (
    <div className="magnifications" role="group" aria-label={t("slide.magnification")}>
      <output className="magnification" aria-live="off" title={calibrated ? t("slide.magnification") : t("slide.uncalibrated")}>
        {current < 1 ? `${numberText(current, i18n.language, 2)}×` : text(current)}
      </output>
      {MAGNIFICATIONS.map((value, index) => (
        <button key={value} type="button" className="chip" aria-pressed={Math.abs(current / value - 1) < 0.03} aria-keyshortcuts={String(index + 1)} disabled={value > most * 4.01} title={`${text(value)} (${index + 1})`} onClick={() => onPick(value)}>
          {text(value)}
        </button>
      ))}
    </div>
  );
}
