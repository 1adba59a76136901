/** The slides of the case, one under the other; the open one is marked. */

import { Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { stainName } from "../data/stain";
import type { StripSlide } from "../data/tree";
import { Thumbnail } from "./Thumbnail";

export function SlideStrip({ slides, open }: { slides: StripSlide[]; open: string }) {
  const { t } = useTranslation();
  const current = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    current.current?.scrollIntoView({ block: "nearest" });
  }, [open]);
  return (
    <nav className="strip" aria-label={t("slide.case")}>
      {slides.map((slide) => (
        <Link key={slide.uid} ref={slide.uid === open ? current : null} to="/slides/$series" params={{ series: slide.uid }} preload="intent" aria-current={slide.uid === open ? "page" : undefined} className="strip-item">
          <Thumbnail series={slide.uid} kind="slide" name="" eager />
          <span>{stainName(slide.stain) || slide.container || slide.description || `#${slide.number ?? ""}`}</span>
        </Link>
      ))}
    </nav>
  );
}
