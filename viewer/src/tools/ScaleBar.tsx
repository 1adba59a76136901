/** The bar that says how long something is. */

import { useTranslation } from "react-i18next";
import { numberText } from "../data/format";
import { length, scaleBar } from "../math/scale";

export function ScaleBar({ mmPerPixel }: { mmPerPixel: number }) {
  const { t, i18n } = useTranslation();
  const bar = scaleBar(mmPerPixel, 180);
  const { value, unit } = length(bar.mm);
  const text = `${numberText(value, i18n.language)} ${unit}`;
  return (
    <div className="scale-bar" role="img" aria-label={`${t("slide.scale")} : ${text}`} style={{ width: bar.pixels }}>
      <span>{text}</span>
      <i />
    </div>
  );
}
