/** Establishments, their sites and departments, as a tree. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { PlaceItem } from "../data/api";
import { addPlace, changePlace, placesQuery } from "../data/people";
import { Dialog } from "../tools/Dialog";
import { Mark } from "../tools/Mark";
import { inOrder } from "../tools/RoleFields";
import { Sheet } from "../tools/Sheet";
import { Trouble } from "../tools/Trouble";
import { Tabs } from "./Tabs";

/** What is being edited: a place, or a new one in a parent (null: a new establishment). */
type Edited = { place: PlaceItem } | { parent: PlaceItem | null };

export function PlacesPage() {
  const { t } = useTranslation();
  const { data, error, refetch } = useQuery(placesQuery());
  const [edited, setEdited] = useState<Edited | null>(null);
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="people" />
      <div className="page-head">
        <h1>{t("places.title")}</h1>
        <Button onClick={() => setEdited({ parent: null })}>{t("places.add")}</Button>
      </div>
      <p className="dim">{t("places.text")}</p>
      <ul className="tree">
        {inOrder(data ?? []).map(({ place, depth }) => (
          <li key={place.id} className={`depth-${Math.min(depth, 4)}`}>
            <span className="grow">
              <strong>{place.name}</strong>
              {place.finess && <span className="mono dim">FINESS {place.finess}</span>}
            </span>
            <Mark tone={place.kind === "establishment" ? "accent" : "plain"}>
              {t(`places.kinds.${place.kind}`)}
            </Mark>
            <span className="together">
              {place.kind !== "department" && (
                <Button variant="subtle" size="xs" onClick={() => setEdited({ parent: place })} aria-label={`${t("places.within")} : ${place.name}`}>
                  {t("places.within")}
                </Button>
              )}
              <Button variant="subtle" size="xs" onClick={() => setEdited({ place })} aria-label={`${t("places.change")} : ${place.name}`}>
                {t("places.change")}
              </Button>
            </span>
          </li>
        ))}
      </ul>
      {edited && <Edit edited={edited} onClose={() => setEdited(null)} />}
    </div>
  );
}

function Edit({ edited, onClose }: { edited: Edited; onClose: () => void }) {
  const { t } = useTranslation();
  const place = "place" in edited ? edited.place : null;
  const parent = "parent" in edited ? edited.parent : null;
  const [name, setName] = useState(place?.name ?? "");
  const [finess, setFiness] = useState(place?.finess ?? "");
  const [kind, setKind] = useState<PlaceItem["kind"]>(place?.kind ?? (!parent ? "establishment" : parent.kind === "establishment" ? "site" : "department"));
  const values = { name: name.trim(), finess: finess.replaceAll(" ", "") };
  const work = () => (place ? changePlace(place.id, values) : addPlace({ kind, parent: parent?.id ?? null, ...values }));
  const title = place ? t("places.changeTitle", { name: place.name }) : parent ? t("places.withinTitle", { name: parent.name }) : t("places.add");
  return (
    <Dialog title={title} onClose={onClose}>
      <Sheet submit={t("app.save")} work={work} onDone={onClose} onCancel={onClose}>
        {parent && (
          <NativeSelect label={t("places.kind")} value={kind} onChange={(event) => setKind(event.currentTarget.value as typeof kind)} data={(["site", "department"] as const).map((value) => ({ value, label: t(`places.kinds.${value}`) }))} />
        )}
        <TextInput label={t("places.name")} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TextInput label="FINESS" description={t(`places.finess.${kind}`)} value={finess} onChange={(event) => setFiness(event.currentTarget.value)} />
      </Sheet>
    </Dialog>
  );
}
