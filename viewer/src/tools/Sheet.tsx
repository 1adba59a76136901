/** A form in a dialog: its fields, what went wrong, and the two ways out. */

import { Button } from "@mantine/core";
import type { FormEvent, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useWork } from "./work";

type Props = { submit: string; work: () => Promise<unknown>; onDone?: () => void; onCancel?: () => void; children: ReactNode };

export function Sheet({ submit, work, onDone, onCancel, children }: Props) {
  const { t } = useTranslation();
  const { busy, error, run } = useWork();
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    void run(work).then((done) => done && onDone?.());
  };
  return (
    <form className="sheet" onSubmit={onSubmit}>
      {children}
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      <div className="sheet-end">
        {onCancel && (
          <Button variant="default" onClick={onCancel}>
            {t("app.cancel")}
          </Button>
        )}
        <Button type="submit" loading={busy}>
          {submit}
        </Button>
      </div>
    </form>
  );
}
