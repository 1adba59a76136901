"""Studies shown beyond their place: to a care team, for an opinion, a project or a lesson, or in an emergency."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Guest, Purpose, Reach
from lamelle.access.tables import share
from lamelle.base.errors import NotFound


def give(
    conn: sa.Connection,
    study_uids: Iterable[str],
    guest: Guest,
    granted_by: int,
    now: datetime,
    *,
    until: datetime | None = None,
    reason: str = "",
    emergency: bool = False,
) -> list[int]:
    """Share studies with somebody; the numbers of the shares. `emergency`: it was taken (a broken glass), not given."""
    row = {
        "guest_kind": guest.kind,
        "guest_id": guest.id,
        "purpose": guest.purpose.value,
        "granted_by": granted_by,
        "granted_at": now,
        "until": until,
        "reason": reason,
        "emergency": emergency,
    }
    rows = [row | {"study_uid": uid} for uid in study_uids]
    if not rows:
        return []
    adding = sa.insert(share).returning(share.c.id, sort_by_parameter_order=True)
    return list(conn.execute(adding, rows).scalars())


def withdraw(conn: sa.Connection, share_id: int, now: datetime) -> None:
    """End a share now; that it was stays known. Raises: NotFound("no_such_share")."""
    if not conn.execute(sa.update(share).where(share.c.id == share_id, lasts(now)).values(until=now)).rowcount:
        raise NotFound("no_such_share", f"there is no share {share_id}, or it has ended")


def guests(conn: sa.Connection, study_uid: str, now: datetime) -> frozenset[Guest]:
    """Whom a study is shared with at this moment."""
    rows = conn.execute(sa.select(share).where(share.c.study_uid == study_uid, lasts(now)))
    return frozenset(Guest(row.guest_kind, row.guest_id, Purpose(row.purpose)) for row in rows)


def within(reach: Reach, now: datetime) -> sa.Select[Any]:
    """The UIDs of the studies shared with one of the reach's guests: a subquery for filters."""
    as_guest = sa.tuple_(share.c.guest_kind, share.c.guest_id, share.c.purpose)
    rows = [(guest.kind, guest.id, guest.purpose.value) for guest in sorted(reach.guests, key=str)]
    return sa.select(share.c.study_uid).where(as_guest.in_(rows), lasts(now))


def lasts(now: datetime) -> sa.ColumnElement[bool]:
    """Whether a share has not ended."""
    return sa.or_(share.c.until.is_(None), share.c.until > now)
