/** Which drawer suits this machine: WebGL drawn by software takes seconds where a plain canvas takes milliseconds. */

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

type Drawer = "canvas" | "webgl";

const KEPT = "lamelle.drawer";

/** Asking takes a tenth of a second on a weak machine, so the answer is kept for this browser. */
export function drawer(): Drawer {
  const [browser, kept] = (localStorage.getItem(KEPT) ?? "").split("\n");
  if (browser === navigator.userAgent && (kept === "canvas" || kept === "webgl")) return kept;
  const found = detect();
  localStorage.setItem(KEPT, `${navigator.userAgent}\n${found}`);
  return found;
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
