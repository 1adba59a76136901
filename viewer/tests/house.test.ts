/** The floors of the viewer: a file imports only from its own floor and those below; both languages say the same. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import en from "../src/data/locales/en.json";
import fr from "../src/data/locales/fr.json";

const FLOORS = ["math", "data", "scene", "tools", "pages"];
const SOURCES = join(import.meta.dirname, "../src");

function files(folder: string): string[] {
  return readdirSync(join(SOURCES, folder), { recursive: true })
    .map(String)
    .filter((name) => /\.tsx?$/.test(name));
}

function importsUp(floor: string, text: string): string[] {
  const above = FLOORS.slice(FLOORS.indexOf(floor) + 1);
  const named = [...text.matchAll(/(?:from|import)\s*\(?\s*"(?:\.\.\/)+([a-z]+)\//g)].map((match) => match[1]!);
  return named.filter((name) => above.includes(name));
}

test.each(FLOORS)("%s imports only what is below it", (floor) => {
  const guilty = files(floor).filter((name) => importsUp(floor, readFileSync(join(SOURCES, floor, name), "utf8")).length > 0);
  expect(guilty).toEqual([]);
});

test("the check sees an import that goes up", () => {
  expect(importsUp("math", 'import { get } from "../data/client";')).toEqual(["data"]);
  expect(importsUp("tools", 'const page = import("../pages/StudyPage");')).toEqual(["pages"]);
});

test("math and scene know nothing of React", () => {
  const drawn = [...files("math"), ...files("scene")].filter((name) => name.endsWith(".tsx"));
  expect(drawn).toEqual([]);
});

function keys(tree: object, prefix = ""): string[] {
  return Object.entries(tree).flatMap(([name, value]) => (typeof value === "object" ? keys(value as object, `${prefix}${name}.`) : [prefix + name]));
}

test("French and English say the same things", () => {
  expect(keys(en).sort()).toEqual(keys(fr).sort());
});
