/** A dialog of the browser itself: it keeps the keyboard inside, closes by Esc, and needs no library. */

import { type ReactNode, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import "./dialog.css";
import { Icon } from "./icons";

type Props = { title: string; children: ReactNode; wide?: boolean; widest?: boolean; veiled?: boolean; onClose?: () => void };

/** Without `onClose` it stays until its work is done; `veiled` hides what is behind it. */
export function Dialog({ title, children, wide, widest, veiled, onClose }: Props) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
    dialog.current?.querySelector<HTMLElement>("[data-autofocus]")?.focus(); // else the browser takes the cross that closes
  }, []);
  return (
    <dialog
      ref={dialog}
      className={`dialog${wide ? " wide" : ""}${widest ? " widest" : ""}${veiled ? " veiled" : ""}`}
      aria-label={title}
      onClose={() => onClose?.()}
      onCancel={(event) => !onClose && event.preventDefault()}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <header className="dialog-head">
        <h2>{title}</h2>
        {onClose && (
          <button type="button" className="dialog-close" aria-label={t("slide.close")} onClick={onClose}>
            <Icon name="close" size={18} />
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}
