/** Over the slide: whose it is, which it is, and what can be opened. */

import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Case, Slide, Study } from "../data/api";
import { ageAt, dateText, today } from "../data/format";
import type { Open, PanelName } from "../data/preferences";
import { stainName } from "../data/stain";
import { Icon } from "../tools/icons";
import { Tool } from "../tools/Tool";

type Props = { slide: Slide; study: Study | undefined; found: Case | undefined; several: boolean; open: Open; shared: boolean; onToggle: (name: PanelName) => void; onHelp: () => void; onShare: () => void };

export function SlideBar({ slide, study, found, several, open, shared, onToggle, onHelp, onShare }: Props) {
  const { t, i18n } = useTranslation();
  const [full, setFull] = useState(false);
  useEffect(() => {
    const onChange = () => setFull(Boolean(document.fullscreenElement));
    document.addEventListener("fullscreenchange", onChange);
    return () => document.removeEventListener("fullscreenchange", onChange);
  }, []);
  const patient = found?.patient ?? study?.patient;
  const age = ageAt(patient?.birth_date ?? null, today());
  const about = patient && [patient.id, dateText(patient.birth_date, i18n.language), age === null ? "" : t("patient.age", { count: age }), t(`patient.sex.${patient.sex}`, { defaultValue: "" })];
  const back = { className: "quiet", "aria-label": t(found ? "slide.backToCase" : "slide.back"), title: `${t(found ? "slide.backToCase" : "slide.back")} (Esc)`, children: <Icon name="back" /> };
  return (
    <header className="topbar">
      {found ? <Link {...back} to="/cases/$case" params={{ case: String(found.id) }} /> : <Link {...back} to="/studies/$study" params={{ study: slide.study_uid }} />}
      <div className="who">
        <strong>{patient ? patient.name || t("patient.unknown") : "\u00a0"}</strong>
        <span>{about?.filter(Boolean).join(" · ")}</span>
      </div>
      <div className="what">
        <strong>{stainName(slide.stain) || slide.description || slide.container}</strong>
        <span className="mono">{[found?.accession ?? study?.accession, slide.container].filter(Boolean).join(" · ")}</span>
      </div>
      <div className="tools" role="toolbar" aria-label={t("slide.info")}>
        <span role="status" className={shared ? "toast" : "unseen"}>
          {shared ? t("slide.shared") : ""}
        </span>
        {several && <Tool icon="strip" name={t("slide.case")} keys="S" on={open.strip} onClick={() => onToggle("strip")} />}
        <Tool icon="map" name={t("slide.map")} keys="M" on={open.map} onClick={() => onToggle("map")} />
        {(slide.has_label || slide.has_overview) && <Tool icon="label" name={t("slide.label")} keys="L" on={open.label} onClick={() => onToggle("label")} />}
        <Tool icon="info" name={t("slide.info")} keys="I" on={open.info} onClick={() => onToggle("info")} />
        <Tool icon="share" name={t("slide.share")} keys="C" onClick={onShare} />
        <Tool icon="help" name={t("slide.help")} keys="?" onClick={onHelp} />
        <Tool icon="full" name={t(full ? "slide.leaveFullScreen" : "slide.fullScreen")} keys="F" on={full} onClick={toggleFullScreen} />
      </div>
    </header>
  );
}

export function toggleFullScreen() {
  void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
}
