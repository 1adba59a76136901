/** A day, typed or picked: the browser's own field shows the order of its language, not of the page's. */

import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { dayRead, dayTyped } from "../data/dates";
import { Icon } from "./icons";

type Props = { name: string; day: string; onDay: (day: string) => void };

export function DayField({ name, day, onDay }: Props) {
  const { t, i18n } = useTranslation();
  const [typed, setTyped] = useState(dayTyped(day, i18n.language));
  const picker = useRef<HTMLInputElement>(null);
  useEffect(() => setTyped(dayTyped(day, i18n.language)), [day, i18n.language]);
  const read = dayRead(typed);
  const take = () => read !== null && read !== day && onDay(read);
  return (
    <span className="day">
      <span aria-hidden="true">{name}</span>
      <span className="day-box">
        <input
          type="text"
          inputMode="numeric"
          aria-label={`${name}, ${t("studies.dayForm")}`}
          aria-invalid={read === null}
          placeholder={t("studies.dayForm")}
          value={typed}
          maxLength={10}
          onChange={(event) => setTyped(event.target.value)}
          onBlur={take}
          onKeyDown={(event) => event.key === "Enter" && take()}
        />
        <input ref={picker} className="day-picker" type="date" tabIndex={-1} aria-hidden="true" value={day} onChange={(event) => onDay(event.target.value)} />
        <button type="button" className="quiet" aria-label={t("studies.dayPick", { name })} onClick={() => picker.current?.showPicker()}>
          <Icon name="calendar" size={17} />
        </button>
      </span>
    </span>
  );
}
