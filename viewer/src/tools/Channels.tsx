/** The channels of a fluorescence slide: each shown or not, each in its colour. */

import { useTranslation } from "react-i18next";
import type { PathModel } from "../data/api";
import { type Channels as Shown, channelsText } from "../data/channels";

type Props = { paths: PathModel[]; shown: Shown; onChange: (channels: string) => void };

export function Channels({ paths, shown, onChange }: Props) {
  const { t } = useTranslation();
  const change = (identifier: string, values: Partial<Shown[number]>) =>
    onChange(channelsText(shown.map((channel) => (channel.identifier === identifier ? { ...channel, ...values } : channel))));
  const last = shown.filter((channel) => channel.on).length === 1;
  return (
    <fieldset className="channels">
      <legend className="unseen">{t("slide.channels")}</legend>
      {shown.map((channel) => {
        const path = paths.find(({ identifier }) => identifier === channel.identifier);
        const name = (path?.description || channel.identifier).split(";")[0]!;
        return (
          <span key={channel.identifier} className="channel" title={[path?.description, path?.color].filter(Boolean).join(" · ")}>
            <label className="channel-on">
              <input type="checkbox" checked={channel.on} disabled={channel.on && last} onChange={(event) => change(channel.identifier, { on: event.target.checked })} />
              <span>{name}</span>
            </label>
            <input type="color" aria-label={t("slide.channelColour", { name })} value={`#${channel.rgb}`} onChange={(event) => change(channel.identifier, { rgb: event.target.value.slice(1) })} />
          </span>
        );
      })}
    </fieldset>
  );
}
