/** Asks the laboratory for complementary techniques: several at once, on a block, a slide or the whole case. */

import { NativeSelect, SegmentedControl, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Case } from "../data/api";
import { askCases, askTechnique } from "../data/cases";
import { stainName } from "../data/stain";
import { slidesOf, within } from "../data/tree";
import { Dialog } from "../tools/Dialog";
import { Sheet } from "../tools/Sheet";

/** Kinds, with what is asked for most; anything else can be typed. */
const KINDS: Record<string, string[]> = {
  IHC: ["Ki-67", "CK7", "CK20", "CK5/6", "p40", "p63", "P504S (AMACR)", "TTF-1", "CDX2", "PAX8", "GATA3", "RE", "RP", "HER2", "PD-L1 (22C3)", "MLH1", "MSH2", "MSH6", "PMS2", "CD3", "CD20", "SOX10", "Melan-A", "HMB45", "Chromogranine", "Synaptophysine"],
  STAIN: ["PAS", "PAS diastase", "Bleu alcian", "Trichrome de Masson", "Rouge Sirius", "Perls", "Ziehl-Neelsen", "Grocott", "Giemsa", "Rouge Congo", "Réticuline", "Orcéine"],
  RECUT: ["HES", "Niveaux supplémentaires", "Lames blanches"],
  ISH: ["HER2", "EBER", "ALK", "ROS1", "HPV"],
  MOLECULAR: ["MSI", "EGFR", "KRAS", "BRAF", "Panel NGS"],
};

export function AskTechnique({ found, onClose }: { found: Case; onClose: () => void }) {
  const { t } = useTranslation();
  const blocks = found.specimens.flatMap((specimen) => specimen.blocks);
  const [kind, setKind] = useState("IHC");
  const [names, setNames] = useState<string[]>([]);
  const [typed, setTyped] = useState("");
  const [on, setOn] = useState(blocks.length === 1 ? `block ${blocks[0]!.id}` : "");
  const [comment, setComment] = useState("");
  const choices = [
    { value: "", label: t("technique.onCase") },
    { group: t("technique.blocks"), items: blocks.map((block) => ({ value: `block ${block.id}`, label: within(block.identifier, found.accession) })) },
    { group: t("case.slides"), items: slidesOf(found).map((slide) => ({ value: `slide ${slide.id}`, label: `${within(slide.identifier, found.accession)} · ${stainName(slide.stain)}` })) },
  ].filter((choice) => !("items" in choice) || (choice.items?.length ?? 0) > 0);
  const work = async () => {
    const [part, number] = on.split(" ");
    const asked = [...new Set([...names, typed.trim()].filter(Boolean))];
    setTyped("");
    setNames(asked);
    try {
      for (const text of asked) {
        await askTechnique(found.id, { code: kind, text, comment: comment.trim(), ...(part === "block" && { block: Number(number) }), ...(part === "slide" && { slide: Number(number) }) });
        setNames((left) => left.filter((name) => name !== text));
      }
    } finally {
      await askCases(found.id);
    }
  };
  return (
    <Dialog title={t("technique.ask")} wide onClose={onClose}>
      <Sheet submit={t("technique.send")} work={work} onDone={onClose} onCancel={onClose}>
        <SegmentedControl aria-label={t("technique.kind")} value={kind} onChange={setKind} data={Object.keys(KINDS).map((value) => ({ value, label: t(`technique.kinds.${value}`) }))} />
        <TagsInput
          label={t("technique.which")}
          description={t("technique.whichHint")}
          placeholder={names.length ? "" : KINDS[kind]!.slice(0, 3).join(", ")}
          data={KINDS[kind]!}
          value={names}
          onChange={setNames}
          searchValue={typed}
          onSearchChange={setTyped}
          required={!names.length}
          data-autofocus
          clearable
          comboboxProps={{ withinPortal: false }}
        />
        <NativeSelect label={t("technique.on")} value={on} onChange={(event) => setOn(event.currentTarget.value)} data={choices} />
        <TextInput label={t("technique.comment")} value={comment} onChange={(event) => setComment(event.currentTarget.value)} autoComplete="off" />
      </Sheet>
    </Dialog>
  );
}
