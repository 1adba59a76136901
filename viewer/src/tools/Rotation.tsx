/** Turning the slide: by quarter turns, freely, back to none. */

import { useTranslation } from "react-i18next";
import { Tool } from "./Tool";

type Props = { degrees: number; onTurn: (degrees: number) => void; onSet: (degrees: number) => void };

export function Rotation({ degrees, onTurn, onSet }: Props) {
  const { t } = useTranslation();
  const whole = Math.round(degrees) % 360;
  return (
    <div className="rotation" role="group" aria-label={t("slide.rotation")}>
      <Tool icon="left" name={t("slide.rotateLeft")} keys="Shift+R" onClick={() => onTurn(-90)} />
      <input type="range" min={0} max={359} value={whole} aria-label={t("slide.rotation")} onChange={(event) => onSet(Number(event.target.value))} />
      <button type="button" className="degrees" onClick={() => onSet(0)} title={`${t("slide.rotation")} 0°`}>
        {whole}°
      </button>
      <Tool icon="right" name={t("slide.rotateRight")} keys="R" onClick={() => onTurn(90)} />
    </div>
  );
}
