/** Which drawer suits this machine: WebGL drawn by software takes seconds where a plain canvas takes milliseconds. */

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

type Drawer = "canvas" | "webgl";

const KEPT = "lamelle.drawer";
const LATER_MS = 3000;

/** Asking takes a tenth of a second on a weak machine: it is done once for this browser, when there is nothing else to do. */
export function drawer(): Drawer {
  const [browser, kept] = (localStorage.getItem(KEPT) ?? "").split("\n");
  if (browser === navigator.userAgent && (kept === "canvas" || kept === "webgl")) return kept;
  setTimeout(() => localStorage.setItem(KEPT, `${navigator.userAgent}\n${detect()}`), LATER_MS);
  return "canvas";
}

function detect(): Drawer {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
  if (!gl) return "canvas";
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return isSoftware(name) ? "canvas" : "webgl";
}

export function isSoftware(renderer: string): boolean {
  return SOFTWARE.test(renderer);
}
