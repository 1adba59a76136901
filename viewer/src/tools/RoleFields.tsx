/** A role and the place it is held in. */

import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { PlaceItem, Role } from "../data/api";
import { placesQuery } from "../data/people";

export const ROLES: Role[] = ["pathologist", "resident", "radiologist", "technician", "secretary", "manager", "researcher", "teacher", "student", "archivist", "administrator", "protection_officer", "expert", "device"];

type Chosen = { role: string; place: string };

/** `place` is a number as text, or "" for all places. */
export function RoleFields({ chosen, onChange, optional }: { chosen: Chosen; onChange: (chosen: Chosen) => void; optional?: boolean }) {
  const { t } = useTranslation();
  const { data } = useQuery(placesQuery());
  const roles = ROLES.map((value) => ({ value, label: t(`roles.${value}`) }));
  return (
    <div className="together">
      <NativeSelect className="grow" label={t("people.role")} required={!optional} value={chosen.role} onChange={(event) => onChange({ ...chosen, role: event.currentTarget.value })} data={[{ value: "", label: optional ? t("people.noRole") : t("people.choose") }, ...roles]} />
      <NativeSelect className="grow" label={t("people.place")} value={chosen.place} onChange={(event) => onChange({ ...chosen, place: event.currentTarget.value })} data={[...placeChoices(data ?? []), { value: "", label: t("people.everywhere") }]} />
    </div>
  );
}

/** The tree as lines of a list, each place under the one that holds it. */
export function placeChoices(places: PlaceItem[]): { value: string; label: string }[] {
  return inOrder(places).map(({ place, depth }) => ({ value: String(place.id), label: `${"\u2003".repeat(depth)}${place.name}` }));
}

export function inOrder(places: PlaceItem[], parent: number | null = null, depth = 0): { place: PlaceItem; depth: number }[] {
  const known = new Set(places.map((place) => place.id));
  const here = places.filter((place) => (parent === null ? place.parent === null || !known.has(place.parent) : place.parent === parent));
  return here.flatMap((place) => [{ place, depth }, ...inOrder(places, place.id, depth + 1)]);
}
