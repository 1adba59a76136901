/** What of a slide can be chosen: optical path or channels, scanned area, colours as the scanner measured them. */

import { useTranslation } from "react-i18next";
import type { Slide } from "../data/api";
import { channelsOf } from "../data/channels";
import { firstChannels, type Layer } from "../data/layer";
import { remember } from "../data/preferences";
import { Channels } from "../tools/Channels";
import { Tool } from "../tools/Tool";

export function SlideChoices({ slide, layer, onChange }: { slide: Slide; layer: Layer; onChange: (values: Partial<Layer>) => void }) {
  const { t } = useTranslation();
  const pyramid = slide.pyramids[layer.pyramid]!;
  return (
    <>
      {layer.channels && <Channels paths={pyramid.paths} shown={channelsOf(pyramid.paths, layer.channels)} onChange={(channels) => onChange({ channels })} />}
      {pyramid.paths.length > 1 && !layer.channels && (
        <label className="choice">
          <span>{t("slide.path")}</span>
          <select value={layer.path || pyramid.paths[0]!.identifier} onChange={(event) => onChange({ path: event.target.value })}>
            {pyramid.paths.map((path) => (
              <option key={path.identifier} value={path.identifier}>
                {[path.description || path.identifier, path.color].filter(Boolean).join(" · ")}
              </option>
            ))}
          </select>
        </label>
      )}
      {slide.pyramids.length > 1 && (
        <label className="choice">
          <span>{t("slide.area")}</span>
          <select value={layer.pyramid} onChange={(event) => onChange({ pyramid: Number(event.target.value), plane: 0, path: "", channels: firstChannels(slide.pyramids[Number(event.target.value)]!.paths) })}>
            {slide.pyramids.map((each, index) => (
              <option key={each.uid || index} value={index}>
                {each.label || t("slide.areaName", { index: index + 1 })}
              </option>
            ))}
          </select>
        </label>
      )}
      {pyramid.paths.some((path) => path.icc && !path.rgb) && (
        <Tool
          icon="colour"
          name={t("slide.colour")}
          on={layer.icc}
          onClick={() => {
            remember("icc", layer.icc ? "" : "srgb");
            onChange({ icc: !layer.icc });
          }}
        />
      )}
    </>
  );
}
