/** What comes first: the rules of every place, its own or those of the place it is in. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { PlaceItem, PlaceRules, PriorityRuleNew } from "../data/api";
import { durationText, numberText } from "../data/format";
import { placesQuery } from "../data/people";
import { prioritiesQuery, setRules } from "../data/priorities";
import { Mark } from "../tools/Mark";
import { inOrder } from "../tools/RoleFields";
import { Sure } from "../tools/Sure";
import { Trouble } from "../tools/Trouble";
import { EditRules } from "./EditRules";
import { Tabs } from "./Tabs";

export function PrioritiesPage() {
  const { t } = useTranslation();
  const { data, error, refetch } = useQuery(prioritiesQuery());
  const places = useQuery(placesQuery()).data;
  const [edited, setEdited] = useState<Ruled | null>(null);
  const [left, setLeft] = useState<Ruled | null>(null);
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const rules = new Map((data ?? []).map((one) => [one.place, one]));
  const shown = inOrder((places ?? []).filter((place) => rules.has(place.id)));
  const name = (id: number) => places?.find((place) => place.id === id)?.name ?? "";
  return (
    <div className="page" aria-busy={!data || !places}>
      <Tabs of="cases" />
      <h1>{t("priorities.title")}</h1>
      <p>{t("priorities.text")}</p>
      <p className="dim">{t("priorities.scope")}</p>
      <ul className="tree">
        {shown.map(({ place, depth }) => {
          const ruled = { place, held: rules.get(place.id)! };
          return <Place key={place.id} ruled={ruled} depth={depth} like={name} onEdit={() => setEdited(ruled)} onLeave={() => setLeft(ruled)} />;
        })}
      </ul>
      {edited && <EditRules place={edited.place} rules={edited.held.rules} onClose={() => setEdited(null)} />}
      {left && <Sure title={t(backOf(left.place))} text={t("priorities.backText", { place: left.place.name })} action={t(backOf(left.place))} work={() => setRules(left.place.id, [])} onClose={() => setLeft(null)} />}
    </div>
  );
}

type Ruled = { place: PlaceItem; held: PlaceRules };

const backOf = (place: PlaceItem) => (place.parent === null ? "priorities.backUsual" : "priorities.backAbove");

type PlaceProps = { ruled: Ruled; depth: number; like: (place: number) => string; onEdit: () => void; onLeave: () => void };

/** Rules that are not its own are shown where the tree begins; further down it says whose they are. */
function Place({ ruled: { place, held }, depth, like, onEdit, onLeave }: PlaceProps) {
  const { t } = useTranslation();
  const own = held.source === place.id;
  return (
    <li className={`ruled depth-${Math.min(depth, 4)}`}>
      <span className="grow">
        <strong>{place.name}</strong>
        <Mark tone={own ? "accent" : "plain"}>{own ? t("priorities.own") : held.source === null ? t("priorities.usual") : t("priorities.like", { place: like(held.source) })}</Mark>
      </span>
      {held.editable && (
        <span className="together">
          {own && (
            <Button variant="subtle" size="xs" onClick={onLeave} aria-label={`${t(backOf(place))} : ${place.name}`}>
              {t(backOf(place))}
            </Button>
          )}
          <Button variant={own ? "default" : "subtle"} size="xs" onClick={onEdit} aria-label={`${t(own ? "priorities.change" : "priorities.define")} : ${place.name}`}>
            {t(own ? "priorities.change" : "priorities.define")}
          </Button>
        </span>
      )}
      {(own || depth === 0) && (
        <ul className="rules">
          {held.rules.map((rule) => (
            <Rule key={`${rule.field} ${rule.value}`} rule={rule} />
          ))}
        </ul>
      )}
    </li>
  );
}

function Rule({ rule: { field, value, hours } }: { rule: PriorityRuleNew }) {
  const { t, i18n } = useTranslation();
  const shown = field === "urgency" ? t(`cases.urgency.${value}`, { defaultValue: value }) : value;
  const far = Math.abs(hours);
  return (
    <li>
      <span>{t(`priorities.says.${field}`, { value: shown })}</span>
      <span>
        {hours === 0 ? t("priorities.none") : t(hours > 0 ? "priorities.ahead" : "priorities.behind", { hours: numberText(far, i18n.language) })}
        {far >= 48 && <span className="dim"> {durationText(far * 3600, i18n.language)}</span>}
      </span>
    </li>
  );
}
