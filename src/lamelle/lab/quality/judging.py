"""From numbers to pass, warn or fail: thresholds, by default and by stain and scanner, and what follows from them.

Pure; keeping thresholds is `limits`'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from scipy import ndimage

from lamelle.lab.quality.measuring import UNIT_UM, UNJUDGED, Grids

Verdict = Literal["", "pass", "warn", "fail"]
WORST: Final[tuple[Verdict, ...]] = ("fail", "warn", "pass", "")


@dataclass(frozen=True, slots=True)
class Rule:
    """A measure's unit, what is worse (`higher` or lower), and from where it is warned of and failed; None: never."""

    unit: str
    higher: bool
    warn: float | None
    fail: float | None


DEFAULTS: Final[Mapping[str, Rule]] = {
    "field_blur_um": Rule("um", True, 0.65, None),
    "blurred": Rule("share", True, 0.10, 0.30),
    "blur_um": Rule("um", True, 0.65, 0.90),
    "blurred_patch_mm2": Rule("mm2", True, 0.5, 4.0),
    "tissue_mm2": Rule("mm2", False, 0.02, None),
    "covered": Rule("share", False, 0.97, 0.85),
    "missing_mm2": Rule("mm2", True, 1.0, None),
    "blank_mm2": Rule("mm2", True, 0.0, 0.05),
    "gap_mm": Rule("mm", True, 0.0, 4.0),
    "unreadable": Rule("tiles", True, 0.0, 5.0),
    "objective_ratio": Rule("ratio", True, 1.5, 2.5),
    "spacing_um": Rule("um", True, 0.6, None),
    "ink_mm2": Rule("mm2", True, None, None),
}
"""`field_blur_um` is no measure of a slide: a field with wider edges counts as blurred, its `fail` says nothing."""
PATCH: Final = 3
"""Neighbouring cells that make a patch: one alone may be a fold, or mucus."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number with the thresholds it was held against."""

    name: str
    value: float | None
    unit: str
    warn: float | None
    fail: float | None
    verdict: Verdict


def judge(values: Mapping[str, float | None], grids: Grids | None, rules: Mapping[str, Rule]) -> tuple[Measure, ...]:
    """Every measure held against its thresholds, in their order."""
    known = dict(values)
    if grids is not None:
        known |= blur(grids, rules["field_blur_um"].warn or DEFAULTS["field_blur_um"].warn or 0)
    return tuple(
        Measure(name, known.get(name), rule.unit, rule.warn, rule.fail, _verdict(name, known, rule))
        for name, rule in rules.items()
        if name != "field_blur_um"
    )


def _verdict(name: str, known: Mapping[str, float | None], rule: Rule) -> Verdict:
    value = known.get(name)
    if value is None:
        return ""
    sign = 1 if rule.higher else -1
    if rule.fail is not None and sign * value > sign * rule.fail:
        # Areas alone, without knowing where the scan lies on the glass, are no ground to refuse it.
        return "fail" if name != "covered" or known.get("covered_sure") else "warn"
    return "warn" if rule.warn is not None and sign * value > sign * rule.warn else "pass"


def blur(grids: Grids, limit_um: float) -> dict[str, float | None]:
    """The share of judged cells whose edges are wider than a limit, their median, and the largest patch of them."""
    judged = grids.focus != UNJUDGED
    if not judged.any():
        return {"blurred": None, "blur_um": None, "blurred_patch_mm2": None}
    wide = judged & (grids.focus * UNIT_UM > limit_um)
    labels: Any
    labels, _ = ndimage.label(wide, np.ones((3, 3)))
    largest = int(np.bincount(labels.ravel())[1:].max(initial=0))
    return {
        "blurred": float(wide.sum() / judged.sum()),
        "blur_um": float(np.median(grids.focus[judged])) * UNIT_UM,
        "blurred_patch_mm2": largest * grids.cell_mm2 if largest >= PATCH else 0.0,
    }


def verdict(measures: tuple[Measure, ...], why: str) -> tuple[Verdict, tuple[str, ...]]:
    """What the slide is, and why when it is not good: measures by name, the worst first, then what was in the way."""
    reasons = tuple(m.name for worst in ("fail", "warn") for m in measures if m.verdict == worst)
    found: Verdict = next(v for v in WORST if v == "" or any(m.verdict == v for m in measures))
    if why == "not_bright_field":
        return "", (why,)
    if why:
        return ("fail" if found == "fail" else "warn"), (*reasons, why)
    return found, reasons
