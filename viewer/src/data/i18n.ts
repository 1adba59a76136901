/** French first, English by one click; the choice is remembered on this workstation. */

import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import en from "./locales/en.json";
import fr from "./locales/fr.json";

export const LANGUAGES = ["fr", "en"] as const;
export type Language = (typeof LANGUAGES)[number];
const KEPT = "lamelle.language";

function remembered(): Language {
  const found = localStorage.getItem(KEPT);
  return found === "en" ? "en" : "fr";
}

export async function startLanguages(): Promise<void> {
  await i18next.use(initReactI18next).init({
    resources: { fr: { translation: fr }, en: { translation: en } },
    lng: remembered(),
    fallbackLng: "fr",
    interpolation: { escapeValue: false },
  });
  document.documentElement.lang = i18next.language;
}

export async function speak(language: Language): Promise<void> {
  localStorage.setItem(KEPT, language);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}
