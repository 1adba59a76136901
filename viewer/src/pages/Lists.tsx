/** The frame around the lists: name, pages, language, theme. */

import "@mantine/core/styles.css";
import "./lists.css";
import "./people.css";
import "./lab.css";
import { createTheme, MantineProvider } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { emergenciesQuery } from "../data/ledger";
import { useLive } from "../data/live";
import { recall, remember, type Theme } from "../data/preferences";
import { may, useSession } from "../data/session";
import { Appearance } from "../tools/Appearance";
import { AccountMenu } from "./AccountMenu";
import { EmergencyBanner } from "./EmergencyBanner";

const theme = createTheme({
  fontFamily: "var(--font)",
  fontFamilyMonospace: "var(--mono)",
  primaryColor: "haematoxylin",
  primaryShade: { light: 7, dark: 6 },
  defaultRadius: "md",
  colors: {
    haematoxylin: ["#f0f1ff", "#dfe2ff", "#c3c9ff", "#a5b0ff", "#8b98fa", "#707ff0", "#5866dd", "#3f4cc0", "#333e9e", "#28317d"],
    dark: ["#e8eaee", "#c6cbd4", "#a3aab6", "#727a88", "#3b424e", "#2a2f38", "#1f232a", "#171a1f", "#121418", "#0f1114"],
  },
});

const CASES = ["/cases", "/priorities", "/specialties"];
const LABORATORY = ["/desk", "/expected", "/flow", "/merges", "/messages", "/thresholds", "/scans"];
const ADMINISTRATION = ["/people", "/places", "/roles"];

/** The nonce the server gave this page, so that its style policy lets Mantine's variables in. */
const nonce = () => document.querySelector<HTMLElement>("meta[property=csp-nonce]")?.nonce ?? "";

/** How many emergency accesses wait for the officer. */
function Waiting() {
  const { t } = useTranslation();
  const { data } = useQuery({ ...emergenciesQuery(true), refetchInterval: 60_000 });
  if (!data?.length) return null;
  return (
    <span className="count-mark" title={t("emergencies.waiting", { count: data.length })}>
      {data.length}
      <span className="unseen"> {t("emergencies.waiting", { count: data.length })}</span>
    </span>
  );
}

export function Lists() {
  const { t } = useTranslation();
  const session = useSession();
  useLive();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [scheme, setScheme] = useState<Theme>(recall("theme", "dark") as Theme);
  const switchTheme = (wanted: Theme) => {
    remember("theme", wanted);
    setScheme(wanted);
  };
  const looks = <Appearance scheme={scheme} onScheme={switchTheme} />;
  return (
    <MantineProvider theme={theme} forceColorScheme={scheme} getStyleNonce={nonce}>
      <a className="skip" href="#content">
        {t("app.skip")}
      </a>
      <div className="lists">
        <header className="masthead">
          <Link to="/" className="brand" aria-label={t("app.name")}>
            <img src="/icon.svg" alt="" width={30} height={30} />
            <span>{t("app.name")}</span>
          </Link>
          <nav>
            {(may(session, "view") || (session?.purposes.length ?? 2) > 1) && (
              <>
                {may(session, "read") && (
                  <Link to="/cases" {...(CASES.some((one) => path.startsWith(one)) && { "aria-current": "page" })}>
                    {t("nav.cases")}
                  </Link>
                )}
                <Link to="/studies" activeOptions={{ includeSearch: false }}>
                  {t("nav.studies")}
                </Link>
              </>
            )}
            {(may(session, "schedule") || may(session, "operate")) && (
              <Link to={may(session, "schedule") ? "/desk" : "/flow"} {...(LABORATORY.some((one) => path.startsWith(one)) && { "aria-current": "page" })}>
                {t("nav.lab")}
              </Link>
            )}
            {may(session, "operate") && <Link to="/imports">{t("nav.imports")}</Link>}
            {session?.required && may(session, "audit") && (
              <Link to="/audit" activeOptions={{ includeSearch: false }}>
                {t("nav.audit")}
                <Waiting />
              </Link>
            )}
            {session?.required && may(session, "administer") && (
              <Link to="/people" {...(ADMINISTRATION.includes(path) && { "aria-current": "page" })}>
                {t("nav.people")}
              </Link>
            )}
          </nav>
          <div className="masthead-end">{session?.required ? <AccountMenu session={session}>{looks}</AccountMenu> : looks}</div>
        </header>
        <EmergencyBanner />
        <main id="content" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
    </MantineProvider>
  );
}
