/** Our pyramids as OpenSeadragon reads them: any factors between levels, padded edges, exact tile boxes. */

import OpenSeadragon from "openseadragon";
import { tileUrl } from "../data/addresses";
import type { PyramidModel, Slide } from "../data/api";
import type { Layer } from "../data/layer";
import { shownPixels, tileAt, tileBox } from "../math/tiles";

/** OpenSeadragon counts levels from the smallest; the server from the largest. */
export function tileSource(slide: Slide, layer: Layer): OpenSeadragon.TileSource {
  const pyramid = slide.pyramids[layer.pyramid] as PyramidModel;
  const levels = [...pyramid.levels].reverse();
  const largest = levels[levels.length - 1]!;
  const aspect = largest.width / largest.height;
  const at = (level: number) => levels[level]!;
  const options = {
    width: largest.width,
    height: largest.height,
    minLevel: 0,
    maxLevel: levels.length - 1,
    tileOverlap: 0,
    getTileWidth: (level: number) => at(level).tile_width,
    getTileHeight: (level: number) => at(level).tile_height,
    getLevelScale: (level: number) => at(level).width / largest.width,
    getNumTiles: (level: number) => new OpenSeadragon.Point(at(level).columns, at(level).rows),
    getTileAtPoint: (level: number, point: OpenSeadragon.Point) => {
      const found = tileAt(at(level), aspect, point.x, point.y);
      return new OpenSeadragon.Point(found.x, found.y);
    },
    getTileBounds: (level: number, x: number, y: number, isSource?: boolean) => {
      if (isSource) {
        const shown = shownPixels(at(level), x, y);
        return new OpenSeadragon.Rect(0, 0, shown.width, shown.height);
      }
      const box = tileBox(at(level), aspect, x, y);
      return new OpenSeadragon.Rect(box.x, box.y, box.width, box.height);
    },
    getTileUrl: (level: number, x: number, y: number) => tileUrl(slide, layer, levels.length - 1 - level, x, y),
  };
  return new OpenSeadragon.TileSource(options as unknown as OpenSeadragon.TileSourceOptions);
}
