/** Asks before something that cannot be taken back. */

import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Dialog } from "./Dialog";
import { useWork } from "./work";

type Props = { title: string; text: string; action: string; work: () => Promise<unknown>; onClose: () => void };

export function Sure({ title, text, action, work, onClose }: Props) {
  const { t } = useTranslation();
  const { busy, error, run } = useWork();
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      <div className="sheet-end">
        <Button variant="default" onClick={onClose}>
          {t("app.cancel")}
        </Button>
        <Button color="red.9" loading={busy} onClick={() => void run(work).then((done) => done && onClose())}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
