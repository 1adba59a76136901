import { channelsAsked, channelsOf, channelsText, hasChannels } from "../src/data/channels";
import { dayRead, dayTyped } from "../src/data/dates";
import { describe, expect, test } from "vitest";
import { ageAt, bytesText } from "../src/data/format";
import { stainName } from "../src/data/stain";
import { placeOf } from "../src/math/place";
import { length, magnificationOf, mmPerPixelAt, scaleBar } from "../src/math/scale";
import { levelAt, shownPixels, tileAt, tileBox, tilesIn, wholeIn } from "../src/math/tiles";
import { readView, turn, writeView } from "../src/math/view";
import { isSoftware } from "../src/scene/renderer";

describe("scale", () => {
  test("40x is a quarter of a micrometre for each pixel, and back", () => {
    expect(magnificationOf(0.00025)).toBe(40);
    expect(mmPerPixelAt(20)).toBeCloseTo(0.0005, 9);
  });
  test.each([0.00012, 0.00025, 0.001, 0.0173, 0.4])("a bar at %f mm is 1, 2 or 5 and fits", (mm) => {
    const bar = scaleBar(mm, 180);
    expect(bar.pixels).toBeLessThanOrEqual(180.0001);
    expect(bar.pixels).toBeGreaterThan(180 / 2.6);
    expect(["1", "2", "5"]).toContain(bar.mm.toExponential(0)[0]);
  });
  test("lengths have the unit a person would use", () => {
    expect(length(0.05)).toEqual({ value: 50, unit: "µm" });
    expect(length(2)).toEqual({ value: 2, unit: "mm" });
    expect(length(20)).toEqual({ value: 2, unit: "cm" });
  });
});

describe("view", () => {
  test("a view survives its address", () => {
    const view = { x: 1200, y: 340, mag: 10, rotation: 90, z: 2, path: "2", pyramid: 1 };
    expect(readView(writeView(view))).toEqual(view);
  });
  test("defaults leave no trace and nonsense is left out", () => {
    expect(writeView({ rotation: 0, z: undefined, path: "" })).toEqual({});
    expect(writeView({ z: 0 })).toEqual({ z: "0" });
    expect(readView({ x: "abc", mag: "-3", rotation: "" })).toEqual({});
  });
  test("turns stay within a circle", () => {
    expect([turn(-90), turn(450), turn(360)]).toEqual([270, 90, 0]);
  });
});

describe("tiles", () => {
  const level = { width: 600, height: 300, tile_width: 256, tile_height: 256, columns: 3, rows: 2 };
  test("edge tiles show only what belongs to the image", () => {
    expect(shownPixels(level, 2, 1)).toEqual({ width: 88, height: 44 });
    expect(shownPixels(level, 0, 0)).toEqual({ width: 256, height: 256 });
  });
  test("boxes of a row end at the width of the image", () => {
    const last = tileBox(level, 2, 2, 1);
    expect(last.x + last.width).toBeCloseTo(1, 12);
    expect(last.y + last.height).toBeCloseTo(0.5, 12);
  });
  test("every point has a tile, the last one too", () => {
    expect(tileAt(level, 2, 1, 0.5)).toEqual({ x: 2, y: 1 });
    expect(tileAt(level, 2, 0.5, 0)).toEqual({ x: 1, y: 0 });
  });
});

describe("a first view", () => {
  const level = (width: number, height: number) => ({ width, height, tile_width: 256, tile_height: 256, columns: Math.ceil(width / 256), rows: Math.ceil(height / 256) });
  const levels = [level(4000, 2000), level(1000, 500), level(250, 125)];
  const size = { width: 800, height: 600 };
  test("of the whole slide fits it into the window and shows every tile of its level", () => {
    const eye = wholeIn(size, levels[0]!);
    expect(eye).toEqual({ x: 2000, y: 1000, scale: 0.2 });
    expect(levelAt(levels, eye.scale)).toBe(1);
    const tiles = tilesIn(size, levels, 1, eye);
    expect(tiles).toHaveLength(4 * 2);
    expect(tiles[0]!.box).toEqual({ x: 0, y: 100, width: 204.8, height: 204.8 });
    const last = tiles.at(-1)!.box;
    expect(last.x + last.width).toBeCloseTo(800, 9);
    expect(last.y + last.height).toBeCloseTo(500, 9);
  });
  test("of a place asks only for what the window shows", () => {
    const tiles = tilesIn(size, levels, 0, { x: 1024, y: 1024, scale: 1 });
    expect(tiles.map(({ column, row }) => `${column},${row}`)).toEqual([2, 3, 4, 5].flatMap((row) => [2, 3, 4, 5].map((column) => `${column},${row}`)));
    expect(tiles[0]!.box).toEqual({ x: -112, y: -212, width: 256, height: 256 });
  });
  test("takes the finest level whose pixels are not wasted", () => {
    expect([2, 0.5, 0.399, 0.1, 0.0999, 0.001].map((scale) => levelAt(levels, scale))).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

test("a row of the common orientation runs against y of the slide", () => {
  const grid = { orientation: [0, -1, 0, -1, 0, 0], originX: 20, originY: 50, mmPerPixelX: 0.001, mmPerPixelY: 0.001 };
  expect(placeOf(grid, 1000, 2000)).toEqual({ x: 18, y: 49 });
});

test("software renderers are known by name", () => {
  expect(isSoftware("ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)))")).toBe(true);
  expect(isSoftware("Microsoft Basic Render Driver")).toBe(true);
  expect(isSoftware("ANGLE (Intel, Mesa Intel(R) UHD Graphics 620)")).toBe(false);
});

test("ages and sizes", () => {
  expect(ageAt("1970-06-02", "2026-06-01")).toBe(55);
  expect(ageAt(null, "2026-06-01")).toBeNull();
  expect(bytesText(1_500_000, "fr")).toBe("1,5 Mo");
});

test("stains have the names pathologists use", () => {
  expect(stainName("hematoxylin stain, water soluble eosin stain")).toBe("HE");
  expect(stainName("eosin stain, hematoxylin stain, saffron stain")).toBe("HES");
  expect(stainName("periodic acid Schiff stain")).toBe("periodic acid Schiff");
  expect(stainName("")).toBe("");
});

test("days are read as they are typed in France and in ISO 8601, and nothing else is a day", () => {
  expect(dayRead("16/3/2026")).toBe("2026-03-16");
  expect(dayRead("16.03.2026")).toBe("2026-03-16");
  expect(dayRead("2026-03-16")).toBe("2026-03-16");
  expect(dayRead(" ")).toBe("");
  for (const wrong of ["31/02/2026", "03/16/2026", "16/03/26", "demain"]) expect(dayRead(wrong)).toBeNull();
  expect(dayTyped("2026-03-16", "fr")).toBe("16/03/2026");
  expect(dayTyped("2026-03-16", "en")).toBe("2026-03-16");
});

test("channels of a fluorescence slide are written and read again; one at least is on", () => {
  const paths = ["1", "2"].map((identifier, index) => ({ identifier, description: "", color: null, icc: false, rgb: index ? "00ff00" : "0000ff" }));
  expect(hasChannels(paths)).toBe(true);
  expect(hasChannels(paths.map((path) => ({ ...path, rgb: null })))).toBe(false);
  const shown = channelsOf(paths, "1:ff0000,-2:00ff00");
  expect(channelsText(shown)).toBe("1:ff0000,-2:00ff00");
  expect(channelsAsked(shown)).toBe("1:ff0000");
  expect(channelsText(channelsOf(paths, ""))).toBe("1:0000ff,2:00ff00");
  expect(channelsAsked(channelsOf(paths, "-1:0000ff,-2:00ff00"))).toBe("1:0000ff,2:00ff00");
  expect(channelsText(channelsOf(paths, "1:red"))).toBe("1:0000ff,2:00ff00");
});
