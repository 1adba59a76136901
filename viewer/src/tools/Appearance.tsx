/** The language, and the theme of the lists. */

import { SegmentedControl } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { LANGUAGES, type Language, speak } from "../data/i18n";
import type { Theme } from "../data/preferences";
import { Icon } from "./icons";

export function Appearance({ scheme, onScheme }: { scheme: Theme; onScheme: (scheme: Theme) => void }) {
  const { t, i18n } = useTranslation();
  const other: Theme = scheme === "dark" ? "light" : "dark";
  return (
    <>
      <button type="button" className="quiet" onClick={() => onScheme(other)}>
        <Icon name={other === "dark" ? "moon" : "sun"} size={18} />
        <span>{t(`app.theme.${other}`)}</span>
      </button>
      <SegmentedControl
        size="xs"
        aria-label={t("app.language")}
        value={i18n.language}
        onChange={(value) => void speak(value as Language)}
        data={LANGUAGES.map((value) => ({ value, label: value.toUpperCase() }))}
      />
    </>
  );
}
