"""Thresholds by stain and scanner: what stands nearest to a scan counts, where nothing does the defaults of `judging`.

A stain is its code or its name, as the order or the image says it, whatever the case of its letters.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from lamelle.access import telling
from lamelle.access.model import Caller
from lamelle.audit import ledger
from lamelle.base.errors import Invalid
from lamelle.lab.quality.judging import DEFAULTS, Rule
from lamelle.lab.quality.tables import threshold
from lamelle.lab.room import Lab

LONGEST = 100


@dataclass(frozen=True, slots=True)
class Limit:
    """From where a measure is warned of and failed, for a stain and a scanner; "" is all of them, None never."""

    stain: str
    scanner: str
    measure: str
    warn: float | None
    fail: float | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit as it is shown, with its measure's unit and which way is worse; `default` when nobody set it."""

    stain: str
    scanner: str
    measure: str
    warn: float | None
    fail: float | None
    unit: str
    higher: bool
    default: bool


def listed(conn: sa.Connection) -> tuple[Threshold, ...]:
    """The defaults as they stand, measure by measure, each followed by its exceptions."""
    rows = conn.execute(sa.select(threshold).order_by(threshold.c.stain, threshold.c.scanner)).all()
    found = []
    for name, rule in DEFAULTS.items():
        mine = [row for row in rows if row.measure == name]
        if not any((row.stain, row.scanner) == ("", "") for row in mine):
            found.append(Threshold("", "", name, rule.warn, rule.fail, rule.unit, rule.higher, True))
        found += [
            Threshold(row.stain, row.scanner, name, row.warn, row.fail, rule.unit, rule.higher, False) for row in mine
        ]
    return tuple(found)


def rules(conn: sa.Connection, stains: Iterable[str], scanner: str) -> dict[str, Rule]:
    """What holds for a scan: stain and scanner before stain, stain before scanner, scanner before all."""
    names = {stain.casefold() for stain in stains if stain}
    query = sa.select(threshold).where(threshold.c.scanner.in_(["", scanner]))
    found = dict(DEFAULTS)
    order = lambda row: (bool(row.stain), bool(row.scanner))  # noqa: E731
    for row in sorted(conn.execute(query).all(), key=order):
        if row.measure in found and (not row.stain or row.stain.casefold() in names):
            default = DEFAULTS[row.measure]
            found[row.measure] = Rule(default.unit, default.higher, row.warn, row.fail)
    return found


def put(lab: Lab, caller: Caller, limits: Iterable[Limit]) -> None:
    """Set limits, each in place of the one with its stain, scanner and measure; with neither number it is taken away.

    Scans that were judged keep their verdict until they are looked at again.

    Raises: Invalid("bad_threshold").
    """
    given = tuple(limits)
    for limit in given:
        _check(limit)
    with lab.db.write() as conn:
        for limit in given:
            same = [threshold.c[name] == getattr(limit, name) for name in ("stain", "scanner", "measure")]
            conn.execute(sa.delete(threshold).where(*same))
            if limit.warn is not None or limit.fail is not None:
                row = {name: getattr(limit, name) for name in ("stain", "scanner", "measure", "warn", "fail")}
                conn.execute(sa.insert(threshold).values(**row))
        detail = {f"{one.measure} {one.stain} {one.scanner}".strip(): f"{one.warn} {one.fail}" for one in given}
        entry = telling.entry(caller, "settings_changed", subject="quality", detail=detail)
        ledger.record(conn, entry, lab.clock)


def _check(limit: Limit) -> None:
    """Raises: Invalid("bad_threshold")."""
    if limit.measure not in DEFAULTS or max(len(limit.stain), len(limit.scanner)) > LONGEST:
        raise Invalid(
            "bad_threshold", "a threshold is of a measure that is known, of a stain and scanner that are short"
        )
    numbers = [number for number in (limit.warn, limit.fail) if number is not None]
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise Invalid("bad_threshold", "a threshold is a number, and not below nothing")
    sign = 1 if DEFAULTS[limit.measure].higher else -1
    if len(numbers) == 2 and sign * numbers[0] > sign * numbers[1]:
        raise Invalid("bad_threshold", "what fails is worse than what is warned of")
