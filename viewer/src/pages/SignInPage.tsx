/** The first page for whoever is not known yet: light, and back to where one was. */

import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { LANGUAGES, speak } from "../data/i18n";
import { comeBack, isIn, keep, sessionQuery } from "../data/session";
import { SignInForm } from "../tools/SignInForm";
import { Trouble } from "../tools/Trouble";
import "./signin.css";

export function SignInPage() {
  const { t, i18n } = useTranslation();
  const search = useSearch({ from: "/sign-in" });
  const back = comeBack(search.to);
  const navigate = useNavigate();
  const { data: session, error, refetch } = useQuery(sessionQuery());
  const known = session !== undefined && isIn(session) && !session.step;
  useEffect(() => {
    if (known) void navigate({ href: back, replace: true });
  }, [known, back, navigate]);
  useEffect(() => {
    document.title = `${t("signin.title")} · Lamelle`;
    return () => void (document.title = "Lamelle");
  }, [t, i18n.language]);
  if (error && !session) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="signin">
      <div className="signin-languages" role="group" aria-label={t("app.language")}>
        {LANGUAGES.map((language) => (
          <button key={language} type="button" lang={language} aria-pressed={i18n.language === language} onClick={() => void speak(language)}>
            {language === "fr" ? "Français" : "English"}
          </button>
        ))}
      </div>
      <main className="signin-card">
        <p className="signin-brand">
          <img src="/icon.svg" alt="" width={40} height={40} />
          <span>{t("app.name")}</span>
        </p>
        <h1>{t(session?.step ? `signin.titles.${session.step}` : "signin.title")}</h1>
        {search.error && (
          <p className="signin-notice" role="alert">
            {t(`problems.${search.error}`, { defaultValue: t("problems.provider") })}
          </p>
        )}
        {session && !known && <SignInForm session={session} back={back} onDone={keep} />}
      </main>
      <p className="signin-foot">{t("signin.foot")}</p>
    </div>
  );
}
