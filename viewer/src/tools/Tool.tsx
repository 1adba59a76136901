/** A button of the reading pages: an icon with its name, spoken, shown on hover, and its key. */

import { Icon, type IconName } from "./icons";

type Props = {
  icon: IconName;
  name: string;
  keys?: string;
  on?: boolean;
  disabled?: boolean;
  onClick: () => void;
};

export function Tool({ icon, name, keys, on, disabled, onClick }: Props) {
  const title = keys ? `${name} (${keys})` : name;
  return (
    <button type="button" className="tool" aria-label={name} aria-keyshortcuts={keys} title={title} aria-pressed={on} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}
