/** Which drawer suits this machine: WebGL drawn by software takes seconds where a plain canvas takes milliseconds. */

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

let found: "canvas" | "webgl" | undefined;

export function drawer(): "canvas" | "webgl" {
  found ??= detect();
  return found;
}

function detect(): "canvas" | "webgl" {
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
