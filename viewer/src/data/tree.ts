/** The slides of a case in the order of its specimens and blocks. */

import type { Case, ScanNode, SlideCard, SlideNode } from "./api";

export function slidesOf(found: Case): SlideNode[] {
  const ofSpecimens = found.specimens.flatMap((specimen) => [...specimen.blocks.flatMap((block) => block.slides), ...specimen.slides]);
  return [...ofSpecimens, ...found.loose];
}

/** The scan a slide is shown by: the current one, else the newest. */
export function shownScan(slide: SlideNode): ScanNode | undefined {
  return slide.scans.find((scan) => scan.current) ?? slide.scans[slide.scans.length - 1];
}

/** An identifier without the case's number it begins with; only how it is shown, nothing is read out of it. */
export function within(identifier: string, accession: string): string {
  const rest = identifier.startsWith(accession) ? identifier.slice(accession.length).replace(/^[-./ ]/, "") : "";
  return rest || identifier;
}

/** What the strip beside an open slide shows of the others. */
export type StripSlide = Pick<SlideCard, "uid" | "stain" | "container" | "description" | "number">;

/** The slides of a case that were scanned; of the open one the scan that is open. */
export function stripOf(found: Case, open: string): StripSlide[] {
  return slidesOf(found).flatMap((slide) => {
    const scan = slide.scans.find(({ series_uid }) => series_uid === open) ?? shownScan(slide);
    return scan ? [{ uid: scan.series_uid, stain: slide.stain, container: within(slide.identifier, found.accession), description: "", number: null }] : [];
  });
}
