/** One study: its slides as cards, then everything else. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { SlideCard, Study } from "../data/api";
import { ageAt, dateText, numberText } from "../data/format";
import { studyQuery } from "../data/queries";
import { may, useSession } from "../data/session";
import { stainName } from "../data/stain";
import { Icon } from "../tools/icons";
import { Thumbnail } from "../tools/Thumbnail";
import { Trouble } from "../tools/Trouble";
import { ShareDialog } from "./ShareDialog";

export function StudyPage() {
  const { study } = useParams({ from: "/lists/studies/$study" });
  const { data, error, refetch } = useQuery(studyQuery(study));
  const { t } = useTranslation();
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const slides = data?.series.filter((series) => series.kind === "slide") ?? [];
  const others = data?.series.filter((series) => series.kind !== "slide") ?? [];
  return (
    <div className="study" aria-busy={!data}>
      <Link to="/studies" className="quiet">
        <Icon name="back" size={18} />
        <span>{t("study.back")}</span>
      </Link>
      {data && <Heading study={data} />}
      {slides.length > 0 && (
        <section aria-labelledby="slides">
          <h2 id="slides">
            {t("study.slides")} <span className="dim">{slides.length}</span>
          </h2>
          <ul className="cards">
            {slides.map((slide) => (
              <SlideCardItem key={slide.uid} slide={slide} />
            ))}
          </ul>
        </section>
      )}
      {others.length > 0 && (
        <section aria-labelledby="series">
          <h2 id="series">
            {t("study.series")} <span className="dim">{others.length}</span>
          </h2>
          <ul className="cards">
            {others.map((series) => (
              <OtherCard key={series.uid} series={series} />
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Heading({ study }: { study: Study }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const [sharing, setSharing] = useState(false);
  const { patient } = study;
  const age = ageAt(patient.birth_date, study.date);
  const facts: [string, string][] = [
    [t("study.accession"), study.accession],
    [t("studies.columns.date"), [dateText(study.date, i18n.language), study.time].filter(Boolean).join(", ")],
    [t("study.referring"), study.referring],
  ];
  return (
    <header className="study-head">
      <div className="page-head">
        <h1>{patient.name || t("patient.unknown")}</h1>
        {session?.required && may(session, "share") && (
          <Button variant="default" onClick={() => setSharing(true)}>
            {t("share.title")}
          </Button>
        )}
      </div>
      <p className="study-who">
        {[
          patient.id,
          t(`patient.sex.${patient.sex}`, { defaultValue: "" }),
          age === null ? "" : t("patient.age", { count: age }),
          patient.birth_date ? t("patient.born", { date: dateText(patient.birth_date, i18n.language) }) : "",
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
      {study.description && <p className="study-what">{study.description}</p>}
      <dl className="facts">
        {facts
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {sharing && <ShareDialog study={study.uid} onClose={() => setSharing(false)} />}
    </header>
  );
}

function SlideCardItem({ slide }: { slide: SlideCard }) {
  const { t, i18n } = useTranslation();
  const number = (value: number, digits = 2) => numberText(value, i18n.language, digits);
  const mm = slide.mm_per_pixel;
  const size = mm && slide.width && slide.height ? `${number(slide.width * mm, 1)} × ${number(slide.height * mm, 1)} mm` : `${number(slide.width ?? 0)} × ${number(slide.height ?? 0)} px`;
  const facts = [
    slide.objective ? `${number(slide.objective)}×` : "",
    size,
    slide.planes > 1 ? t("study.planes", { count: slide.planes }) : "",
    slide.paths > 1 ? t("study.paths", { count: slide.paths }) : "",
  ].filter(Boolean);
  return (
    <li>
      <Link className="card" to="/slides/$series" params={{ series: slide.uid }}>
        <Thumbnail series={slide.uid} kind="slide" name="" />
        <span className="card-text">
          <strong>{stainName(slide.stain) || slide.description || t("study.unstained")}</strong>
          <span className="mono">{slide.container}</span>
          <span>{facts.join(" · ")}</span>
        </span>
      </Link>
    </li>
  );
}

function OtherCard({ series }: { series: SlideCard }) {
  const { t } = useTranslation();
  const text = (
    <>
      <Thumbnail series={series.uid} kind={series.kind} name="" />
      <span className="card-text">
        <strong>{series.description || t(`studies.modality.${series.modality}`, { defaultValue: series.modality })}</strong>
        <span className="mono">{series.modality}</span>
        <span>{series.kind === "stack" ? t("study.images", { count: series.instances }) : t("study.file")}</span>
      </span>
    </>
  );
  if (series.kind === "stack") {
    return (
      <li>
        <Link className="card" to="/stacks/$series" params={{ series: series.uid }}>
          {text}
        </Link>
      </li>
    );
  }
  return (
    <li>
      <a className="card" href={`/api/series/${series.uid}/file`}>
        {text}
      </a>
    </li>
  );
}
