/** A floating panel over the slide, with a title and a way to close it. */

import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "./icons";

type Props = { title: string; className?: string; onClose?: () => void; children: ReactNode };

export function Panel({ title, className = "", onClose, children }: Props) {
  const { t } = useTranslation();
  return (
    <section className={`panel ${className}`} aria-label={title}>
      <header className="panel-head">
        <h2>{title}</h2>
        {onClose && (
          <button type="button" className="tool small" aria-label={`${t("slide.close")} · ${title}`} title={t("slide.close")} onClick={onClose}>
            <Icon name="close" size={16} />
          </button>
        )}
      </header>
      {children}
    </section>
  );
}
