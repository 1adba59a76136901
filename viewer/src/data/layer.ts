/** What of a slide is shown: which scanned area, plane and optical path, in which colours. */

import type { View } from "../math/view";
import type { PathModel, Slide } from "./api";
import { channelsOf, channelsText, hasChannels } from "./channels";
import { recall } from "./preferences";

/** `channels`: the channels of a fluorescence slide as channelsText writes them; empty for any other. */
export type Layer = { pyramid: number; plane: number; path: string; icc: boolean; channels: string };

/** What an address asks for; what the slide has not is shown as the slide begins: its middle plane, all channels. */
export function firstLayer(slide: Slide, view: View): Layer {
  const pyramid = slide.pyramids[view.pyramid ?? 0] ? (view.pyramid ?? 0) : 0;
  const { planes_um, paths } = slide.pyramids[pyramid]!;
  const middle = Math.floor((planes_um.length - 1) / 2);
  const plane = view.z !== undefined && planes_um[view.z] !== undefined ? view.z : middle;
  const path = paths.some((p) => p.identifier === view.path) ? (view.path ?? "") : "";
  return { pyramid, plane, path, icc: recall("icc", "") === "srgb" && paths.some((p) => p.icc && !p.rgb), channels: firstChannels(paths, view.channels) };
}

/** All channels of a fluorescence slide, in the colours the slide says. */
export function firstChannels(paths: PathModel[], text = ""): string {
  return hasChannels(paths) ? channelsText(channelsOf(paths, text)) : "";
}

export function sameLayer(one: Layer, other: Layer): boolean {
  return layerKey(one) === layerKey(other);
}

export function layerKey(layer: Layer): string {
  return `${layer.pyramid}/${layer.plane}/${layer.path}/${layer.icc}/${layer.channels}`;
}
