"""The catalogue's tables and which DICOM attribute stands in which column; queries and writes are elsewhere.

The catalogue is an index: `reconcile.rebuild` makes it again from the blobs. Text columns hold "" for an absent value;
a column of several values holds `\\a\\b\\`, so that one of them is found by `%\\a\\%`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import FIRST_PLACE
from lamelle.base.db import Instant, Key, Word, schema

NO_PLACE = 0
"""Of what nobody knows where it belongs: within reach only of who reaches everything."""


class Level(StrEnum):
    """What one result or one row is."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


class Kind(StrEnum):
    """How a column holds an attribute."""

    TEXT = "text"
    NAME = "name"
    """The name as `alphabetic=ideographic=phonetic`; `<column>_key` and `<column>_other` hold its search keys."""
    NUMBER = "number"
    MANY = "many"
    DATE = "date"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One DICOM attribute with a column of its own."""

    path: tuple[str, ...]
    """Its tag, or the tags on the way to it; an attribute inside sequences is searched here, never returned."""
    vr: str
    column: str
    kind: Kind = Kind.TEXT
    always: bool = False
    """Returned without being asked for."""


def _text(tag: str, vr: str, column: str, *, always: bool = False) -> Attribute:
    kind = {"DA": Kind.DATE, "TM": Kind.TIME, "PN": Kind.NAME, "IS": Kind.NUMBER, "US": Kind.NUMBER}
    kind |= {"UL": Kind.NUMBER}
    return Attribute(tuple(tag.split(".")), vr, column, kind.get(vr, Kind.TEXT), always)


ATTRIBUTES: dict[Level, tuple[Attribute, ...]] = {
    # Source: PS3.18 10.6.1.2.3 (matching) and 10.6.3.3 (returned).
    Level.STUDY: (
        _text("00080020", "DA", "study_date", always=True),
        _text("00080030", "TM", "study_time", always=True),
        _text("00080050", "SH", "accession_number", always=True),
        _text("00080090", "PN", "referring_physician", always=True),
        _text("00080201", "SH", "timezone", always=True),
        _text("00081030", "LO", "description"),
        _text("00100010", "PN", "patient_name", always=True),
        _text("00100020", "LO", "patient_id", always=True),
        _text("00100021", "LO", "issuer_of_patient_id"),
        _text("00100030", "DA", "patient_birth_date", always=True),
        _text("00100040", "CS", "patient_sex", always=True),
        _text("00200010", "SH", "study_id", always=True),
    ),
    Level.SERIES: (
        _text("00080021", "DA", "series_date"),
        _text("00080031", "TM", "series_time"),
        _text("00080060", "CS", "modality", always=True),
        _text("00080070", "LO", "manufacturer"),
        _text("0008103E", "LO", "description", always=True),
        _text("00081090", "LO", "model"),
        _text("00180015", "CS", "body_part"),
        _text("00200011", "IS", "number", always=True),
        _text("00200052", "UI", "frame_of_reference"),
        _text("00400244", "DA", "performed_date", always=True),
        _text("00400245", "TM", "performed_time", always=True),
        Attribute(("00400275", "00400009"), "SH", "scheduled_step_ids", Kind.MANY),
        Attribute(("00400275", "00401001"), "SH", "requested_procedure_ids", Kind.MANY),
    ),
    Level.INSTANCE: (
        Attribute(("00080008",), "CS", "image_type", Kind.MANY),
        _text("00080016", "UI", "sop_class", always=True),
        _text("00080019", "UI", "pyramid_uid"),
        _text("00080023", "DA", "content_date"),
        _text("00080033", "TM", "content_time"),
        _text("00200013", "IS", "number", always=True),
        _text("00280002", "US", "samples"),
        _text("00280004", "CS", "photometric"),
        _text("00280008", "IS", "frames", always=True),
        _text("00280010", "US", "rows", always=True),
        _text("00280011", "US", "columns", always=True),
        _text("00280100", "US", "bits_allocated", always=True),
        _text("00400512", "LO", "container_id"),
        _text("00480006", "UL", "matrix_columns"),
        _text("00480007", "UL", "matrix_rows"),
        Attribute(("00400560", "00400551"), "LO", "specimen_ids", Kind.MANY),
        Attribute(("00400560", "00400554"), "UI", "specimen_uids", Kind.MANY),
        Attribute(("00480105", "00480112"), "DS", "objective_powers", Kind.MANY),
    ),
}


def _place() -> sa.Column[Any]:
    """Whose it is: a row of `place`, or NO_PLACE."""
    return sa.Column("place", Key, nullable=False, server_default=str(FIRST_PLACE))


def _columns(level: Level) -> list[sa.Column[Any]]:
    made: list[sa.Column[Any]] = []
    for attribute in ATTRIBUTES[level]:
        if attribute.kind is Kind.NUMBER:
            made.append(sa.Column(attribute.column, sa.BigInteger))
            continue
        made.append(sa.Column(attribute.column, Word, nullable=False, server_default=""))
        if attribute.kind is Kind.NAME:
            made.append(sa.Column(attribute.column + "_key", Word, nullable=False, server_default=""))
            made.append(sa.Column(attribute.column + "_other", Word, nullable=False, server_default=""))
    return made


study = sa.Table(
    "study",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("uid", Word, nullable=False, unique=True),
    _place(),
    *_columns(Level.STUDY),
    sa.Column("modalities", Word, nullable=False, server_default=""),
    sa.Column("series_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("instance_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lead", Word, nullable=False),
    sa.Column("fills", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)
# Every index ends with the order of results and the place, so that the first page is found without sorting and counted
# without reading rows, whoever asks.
_ORDER = (study.c.study_date, study.c.study_time)
# The order of results with what is most often asked of it: a frequent value is found by walking it from the newest.
sa.Index(
    "ix_study_walk",
    *_ORDER,
    study.c.id,
    study.c.place,
    study.c.modalities,
    study.c.patient_name_key,
    study.c.patient_name_other,
)
for _column in ("place", "modalities"):
    sa.Index(f"ix_study_{_column}", study.c[_column], *_ORDER, study.c.id)
for _column in ("patient_name_key", "patient_id", "accession_number", "referring_physician_key", "study_id"):
    sa.Index(f"ix_study_{_column}", study.c[_column], *_ORDER, study.c.id, study.c.place)
for _column in ("patient_name_other", "referring_physician_other"):
    _set = study.c[_column] != ""
    sa.Index(f"ix_study_{_column}", study.c[_column], sqlite_where=_set, postgresql_where=_set)
sa.Index("ix_study_birth_date", study.c.patient_birth_date)

series = sa.Table(
    "series",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("study_id", Key, sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
    sa.Column("uid", Word, nullable=False),
    *_columns(Level.SERIES),
    sa.Column("request_attributes", sa.Text),
    sa.Column("container_id", Word, nullable=False, server_default="", index=True),
    sa.Column("stains", Word, nullable=False, server_default=""),
    sa.Column("instance_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lead", Word, nullable=False),
    sa.Column("fills", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.UniqueConstraint("study_id", "uid"),
)
sa.Index("ix_series_uid", series.c.uid)
sa.Index("ix_series_performed", series.c.performed_date)
for _column in ("scheduled_step_ids", "requested_procedure_ids"):
    _set = series.c[_column] != ""
    sa.Index(f"ix_series_{_column}", series.c.id, sqlite_where=_set, postgresql_where=_set)

instance = sa.Table(
    "instance",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("series_id", Key, sa.ForeignKey("series.id", ondelete="CASCADE"), nullable=False),
    sa.Column("study_id", Key, nullable=False),
    sa.Column("uid", Word, nullable=False, unique=True),
    *_columns(Level.INSTANCE),
    sa.Column("stains", Word, nullable=False, server_default=""),
    sa.Column("transfer_syntax", Word, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("digest", Word, nullable=False),
    sa.Column("meta_digest", Word, nullable=False),
    sa.Column("dataset_offset", sa.Integer, nullable=False),
    sa.Column("pixel_vr", Word, nullable=False, server_default=""),
    sa.Column("pixel_offset", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("pixel_length", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("received_at", Instant, nullable=False),
)
sa.Index("ix_instance_series", instance.c.series_id, instance.c.number, instance.c.id)
sa.Index("ix_instance_study", instance.c.study_id)
sa.Index("ix_instance_digest", instance.c.digest)
sa.Index("ix_instance_sop_class", instance.c.sop_class)
for _column in ("container_id", "pyramid_uid"):
    _set = instance.c[_column] != ""
    sa.Index(f"ix_instance_{_column}", instance.c[_column], sqlite_where=_set, postgresql_where=_set)

metadata = sa.Table(
    "metadata",
    schema,
    sa.Column("instance_id", Key, sa.ForeignKey("instance.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("json", sa.LargeBinary, nullable=False),
    sa.Column("bulk", sa.LargeBinary),
)

frame_index = sa.Table(
    "frame_index",
    schema,
    sa.Column("instance_id", Key, sa.ForeignKey("instance.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("packed", sa.LargeBinary, nullable=False),
)

thumbnail = sa.Table(
    "thumbnail",
    schema,
    sa.Column("instance_id", Key, sa.ForeignKey("instance.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("jpeg", sa.LargeBinary, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
)

name_word = sa.Table(
    "name_word",
    schema,
    sa.Column("word", Word, primary_key=True),
    sa.Column("role", Word, primary_key=True),
    sa.Column("study_id", Key, sa.ForeignKey("study.id", ondelete="CASCADE"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)
"""Every word of the person names of a study, normalised; `role` is the name's column."""

tally = sa.Table(
    "tally",
    schema,
    sa.Column("study_date", Word, primary_key=True),
    sa.Column("modalities", Word, primary_key=True),
    sa.Column("place", Key, primary_key=True, autoincrement=False),
    sa.Column("studies", sa.BigInteger, nullable=False),
    sa.Column("series", sa.BigInteger, nullable=False),
    sa.Column("instances", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How much there is for each day, set of modalities and place: what broad searches count instead of rows."""

MONTH = 6
"""Characters of a day that name its month."""

tally_month = sa.Table(
    "tally_month",
    schema,
    sa.Column("month", Word, primary_key=True),
    sa.Column("modalities", Word, primary_key=True),
    sa.Column("place", Key, primary_key=True, autoincrement=False),
    sa.Column("studies", sa.BigInteger, nullable=False),
    sa.Column("series", sa.BigInteger, nullable=False),
    sa.Column("instances", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The sums of `tally` for the first six characters of the day: years are counted without reading every day."""

aside = sa.Table(
    "aside",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("key", Word, nullable=False, unique=True),
    sa.Column("status", Word, nullable=False),
    sa.Column("code", Word, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("sop_class_uid", Word),
    sa.Column("sop_instance_uid", Word, index=True),
    sa.Column("study_uid", Word),
    sa.Column("series_uid", Word),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("door", Word, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    _place(),
    sa.Column("received_at", Instant, nullable=False, index=True),
)

tombstone = sa.Table(
    "tombstone",
    schema,
    sa.Column("uid", Word, primary_key=True),
    sa.Column("study_uid", Word, nullable=False, index=True),
    sa.Column("series_uid", Word, nullable=False, index=True),
    _place(),
    sa.Column("key", Word, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("rejected_at", Instant, nullable=False),
    sa.Column("purged_at", Instant),
)

import_record = sa.Table(
    "import_record",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("path", Word, nullable=False, unique=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("fingerprint", Word, nullable=False, server_default="", index=True),
    sa.Column("state", Word, nullable=False, index=True),
    sa.Column("code", Word),
    sa.Column("reason", sa.Text),
    sa.Column("study_uid", Word),
    sa.Column("series_uid", Word),
    sa.Column("instances", sa.Integer, nullable=False, server_default="0"),
    _place(),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("worker", Word),
    sa.Column("lease_until", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False, index=True),
)
"""What the file doors have seen: a path, what it held, what became of it."""

remembered_place = sa.Table(
    "remembered_place",
    schema,
    sa.Column("study_uid", Word, primary_key=True),
    sa.Column("place", Key, nullable=False),
)
"""Where studies belong while `rebuild` makes their rows anew: no file says it. Empty else."""

known_patient = sa.Table(
    "known_patient",
    schema,
    sa.Column("study_uid", Word, primary_key=True),
    sa.Column("columns", sa.Text, nullable=False),
    sa.Column("source", Word, nullable=False, index=True),
)
"""Whose a study is where somebody knows better than its files: columns of `study` that hold over theirs, as JSON.

No index of files: `rebuild` leaves it as it is. `source` says who knows it."""

TABLES: dict[Level, sa.Table] = {Level.STUDY: study, Level.SERIES: series, Level.INSTANCE: instance}
