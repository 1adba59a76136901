/** Where pictures are. */

import type { Slide } from "./api";
import { channelsAsked, channelsOf } from "./channels";
import type { Layer } from "./layer";

export const thumbnailOf = (series: string) => `/api/series/${series}/thumbnail`;
export const labelOf = (series: string) => `/api/slides/${series}/label`;
export const overviewOf = (series: string) => `/api/slides/${series}/overview`;

/** One rendered image of a stack, by DICOMweb. Source: PS3.18 8.3.5.1.4 (window). */
export function renderedOf(
  study: string,
  series: string,
  image: { instance_uid: string; frame: number },
  window?: { center: number; width: number },
): string {
  const shown = window ? `?window=${window.center},${window.width},linear` : "";
  return `/dicomweb/studies/${study}/series/${series}/instances/${image.instance_uid}/frames/${image.frame}/rendered${shown}`;
}

/** Level 0 is the largest. */
export function tileUrl(slide: Slide, layer: Layer, level: number, column: number, row: number): string {
  const asked = new URLSearchParams({ v: slide.version });
  if (layer.plane) asked.set("z", String(layer.plane));
  if (layer.path) asked.set("path", layer.path);
  if (layer.pyramid) asked.set("pyramid", String(layer.pyramid));
  if (layer.channels) asked.set("channels", channelsAsked(channelsOf(slide.pyramids[layer.pyramid]!.paths, layer.channels)));
  if (layer.icc) asked.set("icc", "srgb");
  return `/api/slides/${slide.uid}/levels/${level}/tiles/${column}/${row}?${asked}`;
}
