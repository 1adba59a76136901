/** The fine focus of a slide scanned in several planes: up is towards the coverslip. */

import { useTranslation } from "react-i18next";
import { numberText } from "../data/format";
import { Tool } from "./Tool";

type Props = { planes: number[]; plane: number; onPlane: (plane: number) => void };

export function Focus({ planes, plane, onPlane }: Props) {
  const { t, i18n } = useTranslation();
  const text = t("slide.plane", { index: plane + 1, count: planes.length, height: numberText(planes[plane] ?? 0, i18n.language) });
  return (
    <div className="focus" role="group" aria-label={t("slide.focus")}>
      <Tool icon="up" name={t("slide.focusUp")} keys="PageUp" disabled={plane >= planes.length - 1} onClick={() => onPlane(plane + 1)} />
      <input type="range" min={0} max={planes.length - 1} value={plane} aria-label={t("slide.focus")} aria-valuetext={text} onChange={(event) => onPlane(Number(event.target.value))} />
      <Tool icon="down" name={t("slide.focusDown")} keys="PageDown" disabled={plane <= 0} onClick={() => onPlane(plane - 1)} />
      <output>{text}</output>
    </div>
  );
}
