/** The small picture of a series; its place is kept while it loads, and a quiet sign stands where there is none. */

import { useState } from "react";
import { thumbnailOf } from "../data/addresses";
import { Icon, type IconName } from "./icons";

const SIGNS: Record<string, IconName> = { slide: "label", stack: "stack", document: "file", other: "file" };

type Props = { series: string; kind: string; name: string; eager?: boolean };

export function Thumbnail({ series, kind, name, eager }: Props) {
  const [failed, setFailed] = useState(false);
  return (
    <span className={`thumbnail ${kind}`}>
      {failed || kind === "document" ? (
        <Icon name={SIGNS[kind] ?? "file"} size={26} />
      ) : (
        <img src={thumbnailOf(series)} alt={name} loading={eager ? "eager" : "lazy"} decoding="async" onError={() => setFailed(true)} />
      )}
    </span>
  );
}
