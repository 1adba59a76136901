"""The DICOM standard as dicom-validator wants it, from the PyPI package dicom-standard (edition of April 2020).

dicom-validator itself fetches the standard from its publisher at the first run; here that cannot be relied upon. Only
the slide IOD is taken over. Lists of enumerated values are left out: dciodvfy checks them.
"""

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from dicom_validator.spec_reader.condition_parser import ConditionParser
from dicom_validator.validator.dicom_info import DicomInfo

IOD = "vl-whole-slide-microscopy-image"
SOP_CLASS = "1.2.840.10008.5.1.4.1.1.77.1.6"
GROUPS = "multi-frame-functional-groups"


def read(wheel: Path) -> DicomInfo:
    """Tables of the slide IOD, conditions parsed by dicom-validator."""
    with ZipFile(wheel) as package:
        names = {Path(name).name: name for name in package.namelist()}

        def table(name: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = json.loads(package.read(names[f"{name}.json"]))
            return found

        words = {
            one["tag"]: {"name": one["name"], "vr": one["valueRepresentation"], "vm": one["valueMultiplicity"]}
            for one in table("attributes")
        }
        parser = ConditionParser(words)
        modules = _uses(table("ciod_to_modules"), "moduleId", parser)
        macros = _uses(table("ciod_to_fg_macros"), "macroId", parser)
        trees = _trees(table("module_to_attributes"), "moduleId", modules, parser)
        trees |= _trees(table("macro_to_attributes"), "macroId", macros, parser)
    for sequence in ("(5200,9229)", "(5200,9230)"):
        trees[GROUPS][sequence]["items"] = {"include": [{"ref": "FuncGroup"}]}
    return DicomInfo(words, {SOP_CLASS: {"title": IOD, "modules": modules, "group_macros": macros}}, trees)


def _uses(rows: Iterable[dict[str, Any]], key: str, parser: ConditionParser) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["ciodId"] == IOD:
            found[row[key]] = {"ref": row[key], "use": row["usage"]}
            if row["conditionalStatement"]:
                found[row[key]]["cond"] = parser.parse(row["conditionalStatement"]).result_dict()
    return found


def _trees(
    rows: Iterable[dict[str, Any]], key: str, wanted: Iterable[str], parser: ConditionParser
) -> dict[str, dict[str, Any]]:
    trees: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for row in rows:
        if row[key] not in trees:
            continue
        branch = trees[row[key]]
        *sequences, _ = row["path"].split(":")[1:]
        for step in sequences:
            branch = branch.setdefault(f"({step[:4]},{step[4:]})".upper(), {}).setdefault("items", {})
        leaf = branch.setdefault(row["tag"].upper(), {})
        leaf |= {"name": row["tag"], "type": row["type"]}
        if row["type"] in ("1C", "2C", "3"):
            condition = parser.parse(_text(row["description"]))
            if not condition.type.user_defined:
                leaf["cond"] = condition.result_dict()
    return trees


def _text(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())
