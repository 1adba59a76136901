/** The views of the worklist, with how many cases each has and how many of them are not seen; below, one's own. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { SavedView, ViewCount } from "../data/api";
import { CASE_FILTERS, type CaseFilters, caseSearch, dropView, worklistsQuery } from "../data/cases";
import { numberText } from "../data/format";
import { Icon } from "../tools/icons";
import { Sure } from "../tools/Sure";

export function CaseViews({ filters }: { filters: CaseFilters }) {
  const { t } = useTranslation();
  const { data } = useQuery(worklistsQuery());
  const asked = caseSearch({ ...filters, sort: undefined }).toString();
  const saved = data?.saved.find((view) => sorted(view.query) === sorted(asked));
  return (
    <nav className="views" aria-label={t("cases.viewsName")} aria-busy={!data}>
      <ul>
        {data?.views.map((view) => (
          <li key={view.key}>
            <Link to="/cases" search={{ view: view.key }} className="view" activeProps={{}} aria-current={!saved && filters.view === view.key ? "page" : undefined}>
              <span>{t(`cases.views.${view.key}`)}</span>
              <Count view={view} />
            </Link>
          </li>
        ))}
      </ul>
      {data && data.saved.length > 0 && <h2>{t("cases.savedViews")}</h2>}
      <ul>
        {data?.saved.map((view) => (
          <Saved key={view.id} view={view} open={view === saved} />
        ))}
      </ul>
      <h2>{t("cases.settings")}</h2>
      <ul>
        {(["priorities", "specialties"] as const).map((name) => (
          <li key={name}>
            <Link to={`/${name}`} className="view">
              {t(`${name}.title`)}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Count({ view }: { view: ViewCount }) {
  const { t, i18n } = useTranslation();
  const unread = view.unread > 0 && view.key !== "done";
  return (
    <span className="view-counts">
      {unread && (
        <b title={t("cases.unreadCount", { count: view.unread })}>
          {numberText(view.unread, i18n.language)}
          <span className="unseen"> {t("cases.unreadCount", { count: view.unread })}</span>
        </b>
      )}
      <span className={view.key === "frozen" && view.count ? "hot" : ""}>
        {numberText(view.count, i18n.language)}
        {!view.exact && "+"}
      </span>
    </span>
  );
}

function Saved({ view, open }: { view: SavedView; open: boolean }) {
  const { t } = useTranslation();
  const [dropping, setDropping] = useState(false);
  const said = new URLSearchParams(view.query);
  const search = Object.fromEntries(CASE_FILTERS.flatMap((name) => (said.get(name) ? [[name, said.get(name)!]] : [])));
  return (
    <li className="saved-view">
      <Link to="/cases" search={search} className="view" activeProps={{}} aria-current={open ? "page" : undefined}>
        <span>{view.name}</span>
      </Link>
      <button type="button" className="quiet" aria-label={t("cases.dropView", { name: view.name })} title={t("cases.dropView", { name: view.name })} onClick={() => setDropping(true)}>
        <Icon name="close" size={14} />
      </button>
      {dropping && <Sure title={t("cases.dropView", { name: view.name })} text={t("cases.dropViewText")} action={t("cases.drop")} work={() => dropView(view.id)} onClose={() => setDropping(false)} />}
    </li>
  );
}

function sorted(query: string): string {
  const said = new URLSearchParams(query);
  said.delete("sort");
  said.sort();
  return said.toString();
}
