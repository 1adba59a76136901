"""The ledger, or what is wanted of it, as lines for others: our own, a table, FHIR's and DICOM's."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, Final, Literal, get_args

from lamelle.audit import checkpoints, fhir, message, model, search
from lamelle.audit.checkpoints import Checkpoint
from lamelle.audit.model import Entry
from lamelle.audit.search import Found, Wanted
from lamelle.base.db import EPOCH, Database

Format = Literal["jsonl", "csv", "fhir", "dicom"]
FORMATS: Final = get_args(Format)
MEDIA: Final[dict[Format, str]] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "fhir": "application/fhir+ndjson",
    "dicom": "application/xml",
}
COLUMNS: Final = ("number", "at", *model.TEXTS, *model.NUMBERS, "detail")


def lines(db: Database, form: Format, wanted: Wanted, source: str) -> Iterator[str]:
    """Text piece by piece, each with its end of line, in the order of the ledger and in memory of one size.

    `jsonl` keeps number, hash and entry, so that the chain can be checked by whoever has the file, with the checkpoints
    between them unless only some entries are wanted; `fhir` has one AuditEvent a line; `dicom` one AuditMessage a line,
    within one root.
    """
    found = search.walk(db, wanted)
    if form == "csv":
        yield _row(COLUMNS)
        yield from (_row(_cells(one)) for one in found)
    elif form == "fhir":
        for one in found:
            yield json.dumps(fhir.resource(one.number, one.entry, source), ensure_ascii=False) + "\n"
    elif form == "dicom":
        yield '<?xml version="1.0" encoding="UTF-8"?>\n<AuditMessages>\n'
        yield from (message.message(one.number, one.entry, source) + "\n" for one in found)
        yield "</AuditMessages>\n"
    else:
        yield from _with_checkpoints(db, found, wanted)


def _with_checkpoints(db: Database, found: Iterator[Found], wanted: Wanted) -> Iterator[str]:
    whole = wanted == Wanted(since=wanted.since, until=wanted.until)
    signed = checkpoints.in_database(db) if whole else iter(())
    following, first = next(signed, None), True
    for one in found:
        while first and following is not None and following.number < one.number:
            following = next(signed, None)
        first = False
        yield _line(one)
        while following is not None and following.number <= one.number:
            yield _signed(following)
            following = next(signed, None)


def _line(one: Found) -> str:
    entry = json.loads(model.line(one.entry, EPOCH))
    return model.canonical({"number": one.number, "hash": one.hash, "entry": entry}) + "\n"


def _signed(one: Checkpoint) -> str:
    return model.canonical({"checkpoint": json.loads(one.line())}) + "\n"


def _cells(one: Found) -> list[str]:
    entry: dict[str, Any] = {**_fields(one.entry), "number": one.number}
    return [str(entry[name]) for name in COLUMNS]


def _fields(entry: Entry) -> dict[str, Any]:
    fields = {name: getattr(entry, name) for name in (*model.TEXTS, *model.NUMBERS)}
    assert entry.at is not None
    detail = model.canonical(entry.detail) if entry.detail else ""
    return {**fields, "at": entry.at.isoformat(timespec="microseconds"), "detail": detail}


def _row(cells: "list[str] | tuple[str, ...]") -> str:
    """A line of the table; what a spreadsheet would take for a formula is marked as text."""
    written = io.StringIO()
    safe = [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells]
    csv.writer(written, lineterminator="\n").writerow(safe)
    return written.getvalue()
