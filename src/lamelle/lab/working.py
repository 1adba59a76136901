"""The tables of people at work on cases: views they keep, what they have seen, what they read, what comes first.

And the indexes of worklists. A list is of one of two kinds: cases that are not done, a few thousand, counted and sorted
in one small index that holds all it asks; or all cases, walked newest first, one place after the other.
"""

from typing import Any, Final, cast

import sqlalchemy as sa

from lamelle.base.db import Instant, Key, Word, schema
from lamelle.lab.records import case, decision, patient_identifier, report, scan, technique

saved_view = sa.Table(
    "saved_view",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("actor_id", Key, nullable=False),
    sa.Column("name", Word, nullable=False),
    sa.Column("query", Word, nullable=False),
    sa.UniqueConstraint("actor_id", "name"),
)
"""A worklist somebody keeps, as what the page's address says."""

case_seen = sa.Table(
    "case_seen",
    schema,
    sa.Column("actor_id", Key, primary_key=True),
    sa.Column("case_id", Key, sa.ForeignKey("pathology_case.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("seen_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""When somebody last had a case open; what changed since is unread."""

reads = sa.Table(
    "reads_specialty",
    schema,
    sa.Column("actor_id", Key, primary_key=True),
    sa.Column("specialty", Word, primary_key=True),
    sqlite_with_rowid=False,
)
"""What somebody reads; of who has no row here nothing is known, and every case may be for them."""

priority_rule = sa.Table(
    "priority_rule",
    schema,
    sa.Column("place", Key, primary_key=True),
    sa.Column("field", Word, primary_key=True),
    sa.Column("value", Word, primary_key=True),
    sa.Column("hours", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Cases of a place whose `field` is `value` come as if they had waited `hours` longer."""

# As literals: a database knows an index of some rows to fit only where it is asked in the index's own words.
OPEN: Final = "state NOT IN ('validated', 'cancelled')"
DONE: Final = "state = 'validated'"
ASKED: Final = "state IN ('requested', 'accepted')"
UNSIGNED: Final = "state IN ('draft', 'preliminary')"


def said(table: str, where: str) -> sa.ColumnElement[bool]:
    """One of these of a table, in a query; as SQLAlchemy would write it for SQLite, `... = 1`, no index would fit."""
    return cast(sa.ColumnElement[bool], sa.text(f"{table}.{where}"))


def _some(where: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}


sa.Index(
    "ix_pathology_case_open",
    case.c.place,
    case.c.assigned_to,
    case.c.state,
    case.c.urgency,
    case.c.frozen,
    case.c.specialty,
    case.c.department,
    case.c.waiting_count,
    case.c.priority,
    case.c.created_at,
    case.c.updated_at,
    case.c.id,
    **_some(OPEN),
)
sa.Index(
    "ix_pathology_case_done",
    case.c.place,
    case.c.validated_at,
    case.c.id,
    case.c.state,
    case.c.specialty,
    case.c.department,
    case.c.urgency,
    case.c.assigned_to,
    **_some(DONE),
)
sa.Index(
    "ix_pathology_case_walk",
    case.c.place,
    case.c.created_at,
    case.c.id,
    case.c.state,
    case.c.specialty,
    case.c.department,
    case.c.urgency,
    case.c.assigned_to,
)
sa.Index("ix_technique_asked", technique.c.case_id, **_some(ASKED))
sa.Index("ix_report_unsigned", report.c.case_id, **_some(UNSIGNED))
sa.Index("ix_patient_identifier_value", patient_identifier.c.value)
sa.Index("ix_scan_arrived", scan.c.arrived_at, scan.c.place, scan.c.scanner, scan.c.state, scan.c.quality)
sa.Index("ix_scan_updated_at", scan.c.updated_at, scan.c.place)
sa.Index("ix_decision_rescan", decision.c.decided_at, decision.c.scan_id, **_some("kind = 'rescan'"))
