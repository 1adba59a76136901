"""A study shown beyond its place: given, listed, withdrawn, each with its line in the ledger.

Only who reaches a study by its place gives it on: who was shown it does not.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from lamelle.access import shares, telling
from lamelle.access.model import Caller, Guest, Purpose, Reach
from lamelle.access.tables import actor, place, share
from lamelle.archive import within
from lamelle.archive.catalogue import study
from lamelle.audit import ledger
from lamelle.base.clock import Clock
from lamelle.base.db import Database
from lamelle.base.errors import NotFound


@dataclass(frozen=True, slots=True)
class Shared:
    """Somebody a study is shown to at this moment."""

    id: int
    guest: Guest
    guest_name: str
    until: datetime | None
    granted_by: str
    granted_at: datetime
    reason: str
    emergency: bool


class _Whose(NamedTuple):
    place: int
    patient_id: str
    issuer: str


def give(
    db: Database,
    reach: Reach,
    caller: Caller,
    clock: Clock,
    study_uid: str,
    guest: Guest,
    until: datetime | None = None,
    reason: str = "",
) -> int:
    """Share a study of one's own; the number of the share. Raises: NotFound("no_such_study" | "no_such_guest")."""
    now = clock.now()
    with db.write() as conn:
        found = _study(conn, reach, study_uid, now)
        name = _name(conn, guest)
        [number] = shares.give(conn, [study_uid], guest, caller.actor.id, now, until=until, reason=reason.strip())
        what = found._asdict() | {"study_uid": study_uid, "subject": f"{guest.kind} {name}", "reason": reason.strip()}
        detail = {"purpose": guest.purpose.value, "until": until.isoformat() if until else ""}
        ledger.record(conn, telling.entry(caller, "share", **what, detail=detail), clock)
        return number


def of_study(db: Database, reach: Reach, clock: Clock, study_uid: str) -> list[Shared]:
    """Whom a study of one's own is shared with now. Raises: NotFound("no_such_study")."""
    giver, guest = actor.alias("giver"), actor.alias("guest")
    name = sa.case(
        (share.c.guest_kind == "place", place.c.name),
        else_=sa.func.coalesce(sa.func.nullif(guest.c.name, ""), guest.c.login),
    )
    query = (
        sa.select(share, name.label("guest_name"), sa.func.coalesce(giver.c.name, "").label("giver"))
        .outerjoin(giver, giver.c.id == share.c.granted_by)
        .outerjoin(guest, sa.and_(share.c.guest_kind == "actor", guest.c.id == share.c.guest_id))
        .outerjoin(place, sa.and_(share.c.guest_kind == "place", place.c.id == share.c.guest_id))
    )
    now = clock.now()
    with db.read() as conn:
        _study(conn, reach, study_uid, now)
        rows = conn.execute(query.where(share.c.study_uid == study_uid, shares.lasts(now)).order_by(share.c.id))
        return [
            Shared(
                row.id,
                Guest(row.guest_kind, row.guest_id, Purpose(row.purpose)),
                row.guest_name or "",
                row.until,
                row.giver,
                row.granted_at,
                row.reason,
                row.emergency,
            )
            for row in rows
        ]


def withdraw(db: Database, reach: Reach, caller: Caller, clock: Clock, share_id: int) -> None:
    """End a share of a study of one's own now. Raises: NotFound("no_such_share")."""
    now = clock.now()
    with db.write() as conn:
        row = conn.execute(sa.select(share).where(share.c.id == share_id)).first()
        try:
            if row is None:
                raise NotFound("no_such_share", "there is no such share")
            found = _study(conn, reach, row.study_uid, now)
        except NotFound as error:
            raise NotFound("no_such_share", "there is no such share, or it has ended") from error
        shares.withdraw(conn, share_id, now)
        name = _name(conn, Guest(row.guest_kind, row.guest_id, Purpose(row.purpose)))
        what = found._asdict() | {"study_uid": row.study_uid, "subject": f"{row.guest_kind} {name}"}
        ledger.record(conn, telling.entry(caller, "share_ended", **what), clock)


def _study(conn: sa.Connection, reach: Reach, study_uid: str, now: datetime) -> _Whose:
    """Place, patient and issuer of a study that is within reach by its place."""
    own = Reach(reach.everything, reach.places)
    columns = sa.select(study.c.place, study.c.patient_id, study.c.issuer_of_patient_id)
    found = conn.execute(columns.where(study.c.uid == study_uid, *within.one(own, now))).first()
    if found is None:
        raise NotFound("no_such_study", "no study by that UID")
    return _Whose(*found)


def _name(conn: sa.Connection, guest: Guest) -> str:
    column, table = (actor.c.login, actor) if guest.kind == "actor" else (place.c.name, place)
    found = conn.execute(sa.select(column).where(table.c.id == guest.id)).scalar()
    if found is None:
        raise NotFound("no_such_guest", "there is nobody of that number to share with")
    return str(found)
