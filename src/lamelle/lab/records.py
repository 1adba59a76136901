"""The tables of cases: patient > case > specimen > block > slide, its scans, what is asked for and what is reported.

Text columns hold "" for what is absent; `place` is whose laboratory it is; `said_at` is when the newest message that
set the row was sent, so that messages out of order end alike. No rule lives here: states and what follows them are
`states`'. `lamelle rebuild` leaves these tables as they are.
"""

from typing import Any

import sqlalchemy as sa

from lamelle.base.db import Instant, Key, Word, schema


def _word(name: str, *, index: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Word, nullable=False, server_default="", index=index)


def _reference(name: str, table: str, *, cascade: bool = False) -> sa.Column[Any]:
    key = sa.ForeignKey(f"{table}.id", ondelete="CASCADE" if cascade else None)
    return sa.Column(name, Key, key, nullable=not cascade, index=True)


def _said() -> sa.Column[Any]:
    """What messages said of the row, field by field, as JSON: `saying`'s."""
    return sa.Column("said", sa.Text, nullable=False, server_default="")


patient = sa.Table(
    "patient",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("identifier", Word, nullable=False),
    _word("issuer"),
    _word("family"),
    _word("given"),
    _word("birth_name"),
    _word("birth_date"),
    _word("sex"),
    _word("ins"),
    _word("ins_oid"),
    _word("ins_status"),
    _reference("merged_into", "patient"),
    _said(),
    sa.Column("said_at", Instant),
    sa.Column("updated_at", Instant, nullable=False),
    sa.UniqueConstraint("identifier", "issuer"),
)
"""Who, as the hospital's identity server says; `ins_status` is a code of FR Core's table v2-0445 (VALI, PROV ...)."""
sa.Index("ix_patient_family", patient.c.family, patient.c.given)
sa.Index("ix_patient_ins", patient.c.ins, sqlite_where=patient.c.ins != "", postgresql_where=patient.c.ins != "")

patient_identifier = sa.Table(
    "patient_identifier",
    schema,
    sa.Column("issuer", Word, primary_key=True),
    sa.Column("value", Word, primary_key=True),
    sa.Column("patient_id", Key, sa.ForeignKey("patient.id", ondelete="CASCADE"), nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Every identifier a patient is known by, those of merged records included."""

patient_merge = sa.Table(
    "patient_merge",
    schema,
    sa.Column("id", Key, primary_key=True),
    _reference("gone_id", "patient", cascade=True),
    _reference("kept_id", "patient", cascade=True),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("said_at", Instant),
    _word("source"),
    sa.Column("merged_at", Instant, nullable=False, index=True),
    sa.Column("undone_at", Instant),
    _word("undone_by"),
)
"""A merge (ADT^A40): `source` is who said so, a system or a person; `before` the cases that moved, as JSON."""

case = sa.Table(
    "pathology_case",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("accession", Word, nullable=False),
    _word("issuer"),
    sa.Column("place", Key, nullable=False, server_default="1"),
    _reference("patient_id", "patient"),
    sa.Column("said_patient_id", Key, index=True),
    sa.Column("state", Word, nullable=False, server_default="registered"),
    sa.Column("urgency", Word, nullable=False, server_default="routine"),
    sa.Column("frozen", sa.Boolean, nullable=False, server_default=sa.false()),
    _word("department"),
    _word("specialty"),
    _word("requester"),
    _word("adicap"),
    _word("description"),
    _word("study_uid", index=True),
    sa.Column("assigned_to", Key),
    sa.Column("assigned_at", Instant),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("slide_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("waiting_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("ordered_at", Instant),
    sa.Column("received_at", Instant),
    sa.Column("ready_at", Instant),
    sa.Column("opened_at", Instant),
    sa.Column("validated_at", Instant),
    sa.Column("cancelled_at", Instant),
    _said(),
    sa.Column("said_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False, index=True),
    sa.UniqueConstraint("accession", "issuer"),
)
"""One case (dossier). `urgency` routine | urgent | stat; `frozen` an intraoperative section whose clock runs since
`received_at`; `said_patient_id` whom it was ordered for, `patient_id` who that is after merges; `waiting_count` slides
that are expected and not yet there; `assigned_to` an actor, NULL: nobody's."""

specimen = sa.Table(
    "specimen",
    schema,
    sa.Column("id", Key, primary_key=True),
    _reference("case_id", "pathology_case", cascade=True),
    sa.Column("identifier", Word, nullable=False),
    _word("issuer"),
    _word("part"),
    _word("type_code"),
    _word("type_text"),
    _word("site_code"),
    _word("site_text"),
    _word("description"),
    sa.Column("collected_at", Instant),
    sa.Column("received_at", Instant),
    _said(),
    sa.Column("said_at", Instant),
    sa.UniqueConstraint("identifier", "issuer"),
)

block = sa.Table(
    "block",
    schema,
    sa.Column("id", Key, primary_key=True),
    _reference("case_id", "pathology_case", cascade=True),
    _reference("specimen_id", "specimen"),
    sa.Column("identifier", Word, nullable=False),
    _word("issuer"),
    sa.Column("state", Word, nullable=False, server_default="embedded"),
    _word("description"),
    _word("location"),
    sa.Column("destroy_on", Word, nullable=False, server_default=""),
    _said(),
    sa.Column("said_at", Instant),
    sa.UniqueConstraint("identifier", "issuer"),
)
"""`location` where the block lies; `destroy_on` the first day it may be destroyed, YYYYMMDD."""

slide = sa.Table(
    "slide",
    schema,
    sa.Column("id", Key, primary_key=True),
    _reference("case_id", "pathology_case", cascade=True),
    _reference("specimen_id", "specimen"),
    _reference("block_id", "block"),
    sa.Column("place", Key, nullable=False, server_default="1"),
    sa.Column("identifier", Word, nullable=False),
    _word("issuer"),
    _word("stain_code"),
    _word("stain_text"),
    _word("level"),
    sa.Column("state", Word, nullable=False, server_default="ordered"),
    sa.Column("due_on", Word, nullable=False, server_default=""),
    _reference("technique_id", "technique"),
    _word("location"),
    sa.Column("destroy_on", Word, nullable=False, server_default=""),
    _said(),
    sa.Column("said_at", Instant),
    sa.Column("updated_at", Instant, nullable=False),
    sa.UniqueConstraint("identifier", "issuer"),
)
"""`identifier` is what stands in its barcode; `due_on` the day it is expected on the scanner, YYYYMMDD."""
sa.Index("ix_slide_expected", slide.c.place, slide.c.state, slide.c.due_on)

slide_alias = sa.Table(
    "slide_alias",
    schema,
    sa.Column("value", Word, primary_key=True),
    _word("issuer"),
    sa.Column("slide_id", Key, sa.ForeignKey("slide.id", ondelete="CASCADE"), nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Other codes on the same glass: the stainer's own, another laboratory's."""

scan = sa.Table(
    "scan",
    schema,
    sa.Column("id", Key, primary_key=True),
    _reference("slide_id", "slide"),
    sa.Column("place", Key, nullable=False, server_default="1"),
    sa.Column("study_uid", Word, nullable=False, index=True),
    sa.Column("series_uid", Word, nullable=False, unique=True),
    sa.Column("state", Word, nullable=False, server_default="arrived"),
    _word("reason"),
    sa.Column("current", sa.Boolean, nullable=False, server_default=sa.false()),
    _word("barcode", index=True),
    _word("label_text"),
    _word("said_container", index=True),
    _word("scanner"),
    sa.Column("scanned_at", Instant),
    sa.Column("arrived_at", Instant, nullable=False),
    sa.Column("matched_at", Instant),
    sa.Column("quality", Word, nullable=False, server_default=""),
    sa.Column("updated_at", Instant, nullable=False),
)
"""One series of a slide, matched or not. `barcode` what was read from the label image (several codes as `\\a\\b\\`),
`said_container` what the DICOM says, both by the rule of the place; `reason` why it waits on the desk; `quality` "" |
pass | warn | fail; of a slide one scan is `current`."""
sa.Index("ix_scan_desk", scan.c.place, scan.c.state, scan.c.arrived_at)

scanner = sa.Table(
    "scanner",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("name", Word, nullable=False, unique=True),
    sa.Column("place", Key, nullable=False, server_default="1"),
    _word("station"),
    _word("serial"),
    _word("manufacturer"),
    _word("model"),
    _word("installed_on"),
    sa.Column("seen_at", Instant),
)
"""The fleet; `name` is `scan.scanner`, made from what the images say and renamed by a person."""

decision = sa.Table(
    "decision",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("kind", Word, nullable=False),
    _reference("scan_id", "scan"),
    _reference("slide_id", "slide"),
    sa.Column("place", Key, nullable=False, server_default="1"),
    sa.Column("actor_id", Key, nullable=False),
    _word("actor"),
    _word("reason"),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("decided_at", Instant, nullable=False, index=True),
    sa.Column("undone_at", Instant),
    _word("undone_by"),
)
"""What a person decided on the reconciliation desk, with what it takes to undo it, as JSON."""

technique = sa.Table(
    "technique",
    schema,
    sa.Column("id", Key, primary_key=True),
    _reference("case_id", "pathology_case", cascade=True),
    sa.Column("block_id", Key),
    sa.Column("slide_id", Key),
    sa.Column("identifier", Word, nullable=False, unique=True),
    _word("filler"),
    _word("code"),
    _word("text"),
    _word("comment"),
    sa.Column("state", Word, nullable=False, server_default="requested"),
    _word("reason"),
    sa.Column("requested_by", Key),
    _word("requester"),
    sa.Column("requested_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)
"""A complementary technique (immunohistochemistry, recut, special stain, molecular) asked for of the laboratory."""

report = sa.Table(
    "report",
    schema,
    sa.Column("id", Key, primary_key=True),
    _reference("case_id", "pathology_case", cascade=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", Word, nullable=False),
    _word("source"),
    _word("code"),
    sa.Column("text", sa.Text, nullable=False, server_default=""),
    sa.Column("author_id", Key),
    _word("author"),
    sa.Column("written_at", Instant, nullable=False),
    sa.Column("validated_by", Key),
    _word("validator"),
    sa.Column("validated_at", Instant),
    sa.UniqueConstraint("case_id", "version"),
)
"""One version; what is validated never changes, a correction is a new version. `source` lamelle | the LIS's name."""

attachment = sa.Table(
    "attachment",
    schema,
    sa.Column("id", Key, primary_key=True),
    _reference("case_id", "pathology_case", cascade=True),
    sa.Column("kind", Word, nullable=False),
    _word("title"),
    _word("media_type"),
    sa.Column("study_uid", Word, nullable=False),
    sa.Column("series_uid", Word, nullable=False),
    sa.Column("sop_uid", Word, nullable=False, unique=True),
    _word("added_by"),
    sa.Column("added_at", Instant, nullable=False),
)
"""A request form, a macroscopy sheet: kept in the archive as a DICOM instance of the case's study."""
