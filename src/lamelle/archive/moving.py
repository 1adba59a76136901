"""Giving a study to another place: who sees it changes at once, and the ledger says who did that.

Sharing, which lets others in without taking it from its place, is in `sharing`.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lamelle.access import places, telling
from lamelle.access.decide import reach
from lamelle.access.model import Action, Caller, Reach
from lamelle.archive import filing, within
from lamelle.archive.catalogue import study, tombstone
from lamelle.audit import ledger
from lamelle.base import events
from lamelle.base.clock import Clock
from lamelle.base.db import Database
from lamelle.base.errors import Denied, NotFound


def move(db: Database, clock: Clock, caller: Caller, study_uid: str, place: int, reason: str = "") -> None:
    """Let a study, and what was deleted of it, belong to another place; what it is shared for stays.

    By who administers, or may delete in, both places. Raises: NotFound("no_such_study" | "no_such_place"),
    Denied("not_allowed").
    """
    now = clock.now()
    mine = [reach(caller.actor, action, caller.purpose) for action in (Action.ADMINISTER, Action.DELETE)]
    with db.write() as conn:
        row = conn.execute(sa.select(study).where(study.c.uid == study_uid).with_for_update()).first()
        if row is None or not _may_know(conn, caller, mine, row, now):
            raise NotFound("no_such_study", "there is no such study")
        if not any(_own(bound, row.place) and _own(bound, place) for bound in mine):
            raise Denied("not_allowed", "a study is moved by who administers, or may delete in, both places")
        places.check(conn, place)
        _move(conn, row, place)
        events.record(conn, "StudyMoved", {"study_uid": row.uid, "place": place}, clock=clock)
        what = {
            "study_uid": row.uid,
            "patient_id": row.patient_id,
            "issuer": row.issuer_of_patient_id,
            "reason": reason,
        }
        detail = {"place": place, "from": row.place}
        ledger.record(conn, telling.entry(caller, "change", place=row.place, **what, detail=detail), clock)


def _own(bound: Reach, place: int) -> bool:
    """Within reach by its place, whoever it is shared with."""
    return bound.everything or place in bound.places


def _may_know(conn: sa.Connection, caller: Caller, mine: list[Reach], row: sa.Row[Any], now: datetime) -> bool:
    view = reach(caller.actor, Action.VIEW, caller.purpose)
    return any(_own(bound, row.place) for bound in mine) or within.holds(conn, view, row.uid, row.place, now)


def _move(conn: sa.Connection, row: sa.Row[Any], place: int) -> None:
    changes = filing.no_changes()
    counts = row.series_count, row.instance_count
    before = (row.study_date, row.modalities, row.place, *counts)
    filing.count_change(changes, before, (row.study_date, row.modalities, place, *counts))
    filing.add_to_tally(conn, changes)
    conn.execute(sa.update(study).where(study.c.id == row.id).values(place=place))
    conn.execute(sa.update(tombstone).where(tombstone.c.study_uid == row.uid).values(place=place))
