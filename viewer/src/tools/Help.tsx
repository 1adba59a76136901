/** The keyboard, on one card. */

import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "./icons";

const SHORTCUTS: [string, string[]][] = [
  ["move", ["←", "↑", "→", "↓"]],
  ["zoom", ["+", "−"]],
  ["magnify", ["1", "…", "6"]],
  ["fit", ["0"]],
  ["rotate", ["R", "⇧R"]],
  ["rotateFine", ["[", "]"]],
  ["focus", ["PgUp", "PgDn"]],
  ["slides", ["N", "P"]],
  ["label", ["L"]],
  ["map", ["M"]],
  ["info", ["I"]],
  ["strip", ["S"]],
  ["full", ["F"]],
  ["share", ["C"]],
  ["back", ["Esc"]],
  ["help", ["?"]],
];

export function Help({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} className="help" aria-label={t("slide.help")} onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <header className="panel-head">
        <h2>{t("slide.help")}</h2>
        <button type="button" className="tool small" aria-label={t("slide.close")} onClick={onClose}>
          <Icon name="close" size={16} />
        </button>
      </header>
      <dl>
        {SHORTCUTS.map(([name, keys]) => (
          <div key={name}>
            <dt>{t(`keys.${name}`)}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </dialog>
  );
}
