/** Stains as pathologists name them, from the substances a slide's preparation lists. */

const SUBSTANCES: [RegExp, string][] = [
  [/h(a)?ematoxylin/i, "H"],
  [/eosin/i, "E"],
  [/saff?r(on|anin)/i, "S"],
  [/phloxin/i, "P"],
];

/** "hematoxylin stain, water soluble eosin stain" is HE; what has no short name stays as it is, without "stain". */
export function stainName(stain: string): string {
  if (!stain) return "";
  const parts = stain.split(", ");
  const letters = parts.map((part) => SUBSTANCES.find(([pattern]) => pattern.test(part))?.[1]);
  if (letters.every(Boolean) && letters.length > 1) {
    return SUBSTANCES.map(([, letter]) => letter)
      .filter((letter) => letters.includes(letter))
      .join("");
  }
  return parts.map((part) => part.replace(/ (stain|method)$/i, "")).join(", ");
}
