/** The specimens of a case, their blocks, and the slides of each as one sees them. */

import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { BlockNode, Case, SlideNode, SpecimenNode } from "../data/api";
import { dateText } from "../data/format";
import { stainName } from "../data/stain";
import { shownScan, slidesOf, within } from "../data/tree";
import { Mark } from "../tools/Mark";
import { Thumbnail } from "../tools/Thumbnail";

export function firstSlide(found: Case): string | undefined {
  return slidesOf(found)
    .map((slide) => shownScan(slide)?.series_uid)
    .find(Boolean);
}

export function CaseSlides({ found }: { found: Case }) {
  const { t } = useTranslation();
  const count = slidesOf(found).length;
  return (
    <section aria-labelledby="case-slides">
      <h2 id="case-slides">
        {t("case.slides")} <span className="dim">{count || ""}</span>
        {found.waiting_count > 0 && <span className="dim"> · {t("cases.waitingSlides", { count: found.waiting_count })}</span>}
      </h2>
      {count === 0 && <p className="none">{t("case.noSlides")}</p>}
      {found.specimens.map((specimen) => (
        <Specimen key={specimen.id} specimen={specimen} accession={found.accession} />
      ))}
      {found.loose.length > 0 && (
        <div className="specimen">
          {found.specimens.length > 0 && <h3 className="specimen-head">{t("case.loose")}</h3>}
          <Glass slides={found.loose} accession={found.accession} />
        </div>
      )}
    </section>
  );
}

function Specimen({ specimen, accession }: { specimen: SpecimenNode; accession: string }) {
  const { t, i18n } = useTranslation();
  const collected = specimen.collected_at ? t("case.collected", { date: dateText(specimen.collected_at.slice(0, 10), i18n.language) }) : "";
  const name = [specimen.site, specimen.type].filter(Boolean).join(" · ");
  return (
    <section className="specimen" aria-label={[specimen.part, name].filter(Boolean).join(", ")}>
      <header className="specimen-head" title={[specimen.identifier, collected].filter(Boolean).join(" · ")}>
        {specimen.part && <b className="part-letter">{specimen.part}</b>}
        <h3>{name || within(specimen.identifier, accession)}</h3>
        {specimen.description && <p className="dim">{specimen.description}</p>}
      </header>
      {specimen.blocks.map((block) => (
        <Block key={block.id} block={block} accession={accession} />
      ))}
      {specimen.slides.length > 0 && (
        <div className="block-row">
          {specimen.blocks.length > 0 && <span className="block-name" />}
          <Glass slides={specimen.slides} accession={accession} />
        </div>
      )}
    </section>
  );
}

function Block({ block, accession }: { block: BlockNode; accession: string }) {
  const { t, i18n } = useTranslation();
  const kept = [block.identifier, block.description, block.location, block.destroy_on && t("case.destroyOn", { date: dateText(block.destroy_on, i18n.language) })];
  return (
    <div className="block-row" role="group" aria-label={`${t("case.block")} ${within(block.identifier, accession)}`}>
      <span className="block-name" title={kept.filter(Boolean).join("\n")}>
        <strong>{within(block.identifier, accession)}</strong>
        {block.state !== "embedded" && <Mark>{t(`case.blockState.${block.state}`, { defaultValue: block.state })}</Mark>}
        {block.location && <span className="dim">{block.location}</span>}
      </span>
      <Glass slides={block.slides} accession={accession} />
    </div>
  );
}

function Glass({ slides, accession }: { slides: SlideNode[]; accession: string }) {
  const { t } = useTranslation();
  if (!slides.length) return <p className="dim no-glass">{t("case.noGlass")}</p>;
  return (
    <ul className="glass-list">
      {slides.map((slide) => (
        <li key={slide.id}>
          <GlassCard slide={slide} accession={accession} />
        </li>
      ))}
    </ul>
  );
}

function GlassCard({ slide, accession }: { slide: SlideNode; accession: string }) {
  const { t } = useTranslation();
  const scan = shownScan(slide);
  const facts = [slide.identifier, slide.location, scan?.scanner, slide.scans.length > 1 && t("case.scans", { count: slide.scans.length })];
  const text = (
    <>
      {scan ? <Thumbnail series={scan.series_uid} kind="slide" name="" /> : <span className="thumbnail awaited">{t("case.awaited")}</span>}
      <span className="glass-text">
        <strong>
          {stainName(slide.stain) || t("study.unstained")} {slide.level && <span className="dim">{t("case.level", { level: slide.level })}</span>}
        </strong>
        <span className="mono dim">{within(slide.identifier, accession)}</span>
        <SlideMarks slide={slide} quality={scan?.quality ?? ""} />
      </span>
    </>
  );
  const title = facts.filter(Boolean).join(" · ");
  if (!scan) {
    return (
      <span className="glass-card empty-glass" title={title}>
        {text}
      </span>
    );
  }
  return (
    <Link className="glass-card" to="/slides/$series" params={{ series: scan.series_uid }} title={title}>
      {text}
    </Link>
  );
}

const SHOWN_WELL = ["available", "read", "scanned"];

function SlideMarks({ slide, quality }: { slide: SlideNode; quality: string }) {
  const { t, i18n } = useTranslation();
  const due = slide.due_on && !slide.scans.length && !["cancelled", "destroyed"].includes(slide.state) ? t("case.due", { date: dateText(slide.due_on, i18n.language) }) : "";
  const told = !SHOWN_WELL.includes(slide.state) && t(`case.slideState.${slide.state}`, { defaultValue: slide.state });
  return (
    <>
      {told && <Mark tone={slide.state === "rejected" ? "warn" : "plain"}>{told}</Mark>}
      {due && <span className="dim">{due}</span>}
      {(quality === "fail" || quality === "warn") && (
        <span title={t("case.quality.about")}>
          <Mark tone={quality === "fail" ? "bad" : "warn"}>{t(`case.quality.${quality}`)}</Mark>
        </span>
      )}
    </>
  );
}
