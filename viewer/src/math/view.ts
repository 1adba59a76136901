/** What is looked at: centre, zoom, rotation, plane, optical path; written into the address so that a view can be shared. */

/** Centre in level-0 pixels; `mag` is the magnification; rotation in degrees clockwise. */
export type View = {
  x?: number | undefined;
  y?: number | undefined;
  mag?: number | undefined;
  rotation?: number | undefined;
  z?: number | undefined;
  path?: string | undefined;
  channels?: string | undefined;
  pyramid?: number | undefined;
};

const NUMBERS = ["x", "y", "mag", "rotation", "z", "pyramid"] as const;

/** Reads a view from search parameters; what is no number is left out, so that a broken link still opens the slide. */
export function readView(search: Record<string, unknown>): View {
  const view: View = {};
  for (const name of NUMBERS) {
    const value = Number(search[name]);
    if (search[name] !== undefined && search[name] !== "" && Number.isFinite(value)) view[name] = value;
  }
  if (view.mag !== undefined && view.mag <= 0) delete view.mag;
  if (typeof search.path === "string" || typeof search.path === "number") view.path = String(search.path);
  if (typeof search.channels === "string") view.channels = search.channels;
  return view;
}

/** Search parameters of a view, rounded to what can be seen; defaults are left out. */
export function writeView(view: View): Record<string, string> {
  const found: Record<string, string> = {};
  if (view.x !== undefined && view.y !== undefined && view.mag !== undefined) {
    found.x = String(Math.round(view.x));
    found.y = String(Math.round(view.y));
    found.mag = String(Number(view.mag.toPrecision(4)));
  }
  const rotation = turn(view.rotation ?? 0);
  if (rotation) found.rotation = String(Number(rotation.toFixed(1)));
  if (view.z !== undefined) found.z = String(view.z);
  if (view.path) found.path = view.path;
  if (view.channels) found.channels = view.channels;
  if (view.pyramid) found.pyramid = String(view.pyramid);
  return found;
}

/** Degrees brought into [0, 360). */
export function turn(degrees: number): number {
  const rest = degrees % 360;
  return rest < 0 ? rest + 360 : rest;
}
