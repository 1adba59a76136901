/** Over the slide: whose it is, which it is, and what can be opened. */

import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Slide, Study } from "../data/api";
import { dateText } from "../data/format";
import type { Open, PanelName } from "../data/preferences";
import { stainName } from "../data/stain";
import { Icon } from "../tools/icons";
import { Tool } from "../tools/Tool";

type Props = { slide: Slide; study: Study | undefined; open: Open; shared: boolean; onToggle: (name: PanelName) => void; onHelp: () => void; onShare: () => void };

export function SlideBar({ slide, study, open, shared, onToggle, onHelp, onShare }: Props) {
  const { t, i18n } = useTranslation();
  const [full, setFull] = useState(false);
  useEffect(() => {
    const onChange = () => setFull(Boolean(document.fullscreenElement));
    document.addEventListener("fullscreenchange", onChange);
    return () => document.removeEventListener("fullscreenchange", onChange);
  }, []);
  return (
    <header className="topbar">
      <Link className="quiet" to="/studies/$study" params={{ study: slide.study_uid }} aria-label={t("slide.back")} title={`${t("slide.back")} (Esc)`}>
        <Icon name="back" />
      </Link>
      <div className="who">
        <strong>{study ? study.patient.name || t("patient.unknown") : "\u00a0"}</strong>
        <span>{study && [study.patient.id, dateText(study.patient.birth_date, i18n.language)].filter(Boolean).join(" · ")}</span>
      </div>
      <div className="what">
        <strong>{stainName(slide.stain) || slide.description || slide.container}</strong>
        <span className="mono">{[study?.accession, slide.container].filter(Boolean).join(" · ")}</span>
      </div>
      <div className="tools" role="toolbar" aria-label={t("slide.info")}>
        <span role="status" className={shared ? "toast" : "unseen"}>
          {shared ? t("slide.shared") : ""}
        </span>
        {study && study.series.filter((series) => series.kind === "slide").length > 1 && <Tool icon="strip" name={t("slide.case")} keys="S" on={open.strip} onClick={() => onToggle("strip")} />}
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
