/** Which channels are shown and in which colour, written as "1:0000ff,-2:00ff00": a minus is a channel that is off. */

import type { PathModel } from "./api";

export type Channel = { identifier: string; rgb: string; on: boolean };
export type Channels = Channel[];

/** Grey channels that light up together; a slide of one channel, or of colour, has none. */
export function hasChannels(paths: PathModel[]): boolean {
  return paths.length > 1 && isDark(paths);
}

/** A slide of light on dark: no channel has a colour of its own. */
export function isDark(paths: PathModel[]): boolean {
  return paths.every((path) => path.rgb);
}

/** What a text says, for the channels there are; what it leaves out is as the slide says. */
export function channelsOf(paths: PathModel[], text: string): Channels {
  const said = new Map(text.split(",").map((piece) => [piece.replace(/^-/, "").replace(/:[^:]*$/, ""), piece] as const));
  const found = paths.map((path) => {
    const piece = said.get(path.identifier);
    const rgb = piece?.split(":").pop() ?? "";
    return { identifier: path.identifier, rgb: /^[0-9a-f]{6}$/.test(rgb) ? rgb : (path.rgb ?? "ffffff"), on: !piece?.startsWith("-") };
  });
  if (!found.some((channel) => channel.on)) for (const channel of found) channel.on = true;
  return found;
}

export function channelsText(channels: Channels): string {
  return channels.map(({ identifier, rgb, on }) => `${on ? "" : "-"}${identifier}:${rgb}`).join();
}

/** The text for the server: only what is shown. */
export function channelsAsked(channels: Channels): string {
  return channelsText(channels.filter((channel) => channel.on));
}
