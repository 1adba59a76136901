/** A secret that is shown this once: large, selectable, with a button that copies it. */

import { Button } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";

export function Once({ secret, text }: { secret: string; text: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard?.writeText(secret).then(() => setCopied(true));
  return (
    <div className="once">
      <p>{text}</p>
      <output className="mono">{secret}</output>
      <Button variant="default" size="sm" onClick={copy}>
        {t(copied ? "once.copied" : "once.copy")}
      </Button>
    </div>
  );
}
