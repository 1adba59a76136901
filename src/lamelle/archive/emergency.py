"""Broken glass: somebody who is not of the care team opens one patient's studies in an emergency, and this is reviewed.

Whether somebody may is decided in `access.decide`; a door asks for the reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lamelle.access import shares, telling
from lamelle.access.model import Caller, Guest, Purpose, Reach
from lamelle.access.tables import actor, share
from lamelle.archive import within
from lamelle.archive.catalogue import study
from lamelle.audit import ledger
from lamelle.base.clock import Clock
from lamelle.base.db import Database, Instant, Key, Word, schema
from lamelle.base.errors import Conflict, Invalid, NotFound

emergency = sa.Table(
    "emergency",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("actor_id", Key, nullable=False, index=True),
    sa.Column("patient_id", Word, nullable=False),
    sa.Column("issuer", Word, nullable=False),
    sa.Column("reason", Word, nullable=False),
    sa.Column("studies", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("reviewed_at", Instant),
    sa.Column("reviewed_by", Key),
    sa.Column("note", Word, nullable=False, server_default=""),
)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a broken glass opened, and until when."""

    studies: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Emergency:
    """An emergency access as it is reviewed; `studies` counts."""

    id: int
    login: str
    name: str
    patient_id: str
    issuer: str
    reason: str
    at: datetime
    until: datetime
    studies: int
    reviewed_at: datetime | None
    reviewed_by: str
    note: str


def open_patient(
    db: Database,
    caller: Caller,
    clock: Clock,
    lasts_s: float,
    reason: str,
    *,
    patient_id: str = "",
    accession: str = "",
) -> Opened:
    """Open all studies of one patient, found by identifier or by one study's accession number, for care.

    What the caller sees for care anyway stays as it is.

    Raises: Invalid("reason_missing"), NotFound("no_such_patient"), Conflict("several_patients").
    """
    if not reason.strip():
        raise Invalid("reason_missing", "an emergency access needs a reason")
    now = clock.now()
    until = now + timedelta(seconds=lasts_s)
    with db.write() as conn:
        number, issuer = _patient(conn, patient_id, accession)
        found = conn.execute(
            sa.select(study.c.uid, study.c.place).where(_of(number, issuer)).order_by(study.c.id)
        ).all()
        guest = Guest("actor", caller.actor.id, Purpose.CARE)
        uids = tuple(row.uid for row in found)
        shares.give(conn, uids, guest, caller.actor.id, now, until=until, reason=reason, emergency=True)
        row = {"actor_id": caller.actor.id, "patient_id": number, "issuer": issuer, "reason": reason.strip()}
        conn.execute(sa.insert(emergency).values(row | {"studies": len(uids), "at": now, "until": until}))
        what = {"patient_id": number, "issuer": issuer, "reason": reason.strip(), "place": found[0].place}
        ledger.record(conn, telling.entry(caller, "break_glass", **what), clock)
    return Opened(uids, until)


def mine(db: Database, caller: Caller, clock: Clock) -> list[Opened]:
    """The caller's emergencies that are not over, the newest first."""
    is_mine = emergency.c.actor_id == caller.actor.id, emergency.c.until > clock.now()
    with db.read() as conn:
        rows = conn.execute(sa.select(emergency).where(*is_mine).order_by(emergency.c.id.desc())).all()
        return [Opened(tuple(conn.execute(_taken(row)).scalars()), row.until) for row in rows]


def for_review(db: Database, reach: Reach, *, open_only: bool, limit: int = 200) -> list[Emergency]:
    """Emergencies that opened studies within the officer's reach, the newest first."""
    reviewer = actor.alias("reviewer")
    wanted = sa.select(
        emergency,
        actor.c.login,
        actor.c.name,
        sa.func.coalesce(sa.func.nullif(reviewer.c.name, ""), reviewer.c.login, "").label("reviewer"),
    ).select_from(
        emergency.join(actor, actor.c.id == emergency.c.actor_id).outerjoin(
            reviewer, reviewer.c.id == emergency.c.reviewed_by
        )
    )
    wanted = wanted.where(*_within(reach), *([emergency.c.reviewed_at.is_(None)] if open_only else []))
    with db.read() as conn:
        return [_read(row) for row in conn.execute(wanted.order_by(emergency.c.id.desc()).limit(limit))]


def review(db: Database, reach: Reach, caller: Caller, clock: Clock, number: int, note: str) -> None:
    """Say what came of looking at it, once. Raises: Invalid("note_missing"), NotFound("no_such_emergency")."""
    if not note.strip():
        raise Invalid("note_missing", "say what was found")
    this = emergency.c.id == number, emergency.c.reviewed_at.is_(None)
    with db.write() as conn:
        row = conn.execute(sa.select(emergency).where(*this, *_within(reach))).first()
        if row is None:
            raise NotFound("no_such_emergency", "no emergency access of that number waits for a review")
        values = {"reviewed_at": clock.now(), "reviewed_by": caller.actor.id, "note": note.strip()}
        conn.execute(sa.update(emergency).where(*this).values(values))
        what = {"patient_id": row.patient_id, "issuer": row.issuer, "reason": note.strip()}
        ledger.record(conn, telling.entry(caller, "break_glass_reviewed", **what), clock)


def _patient(conn: sa.Connection, patient_id: str, accession: str) -> tuple[str, str]:
    named = study.c.patient_id == patient_id.strip() if patient_id.strip() else study.c.accession_number == accession
    if not (patient_id.strip() or accession.strip()):
        raise Invalid("patient_missing", "name a patient or an accession number")
    query = sa.select(study.c.patient_id, study.c.issuer_of_patient_id).where(named).distinct().limit(2)
    found = conn.execute(query).all()
    if not found or not found[0].patient_id:
        raise NotFound("no_such_patient", "no study of that patient or accession number")
    if len(found) > 1:
        raise Conflict("several_patients", "this names more than one patient; try the accession number of a study")
    return found[0].patient_id, found[0].issuer_of_patient_id


def _of(patient_id: str, issuer: str) -> sa.ColumnElement[bool]:
    return sa.and_(study.c.patient_id == patient_id, study.c.issuer_of_patient_id == issuer)


def _taken(row: sa.Row[Any]) -> sa.Select[Any]:
    """The studies one emergency took: given at its moment to whom it was."""
    own = share.c.guest_kind == "actor", share.c.guest_id == row.actor_id, share.c.granted_at == row.at
    return sa.select(share.c.study_uid).where(*own, share.c.emergency).order_by(share.c.id)


def _within(reach: Reach) -> list[sa.ColumnElement[bool]]:
    if reach.everything:
        return []
    own = share.c.guest_id == emergency.c.actor_id, share.c.granted_at == emergency.c.at, share.c.emergency
    opened = sa.select(share.c.id).join(study, study.c.uid == share.c.study_uid)
    return [opened.where(*own, *within.placed(reach, study.c.place)).exists()]


def _read(row: sa.Row[Any]) -> Emergency:
    return Emergency(
        row.id,
        row.login,
        row.name,
        row.patient_id,
        row.issuer,
        row.reason,
        row.at,
        row.until,
        row.studies,
        row.reviewed_at,
        row.reviewer,
        row.note,
    )
