"""Sharing a study: with whom it is shared, with whom it could be."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from lamelle.access import people
from lamelle.access.model import Action, Guest
from lamelle.archive import sharing
from lamelle.archive.sharing import Shared
from lamelle.archive.store import Archive
from lamelle.doors import guard
from lamelle.doors.web.emergency import asks
from lamelle.doors.web.identity import PersonItem, ShareItem, ShareNew

NAMES = 12
"""People offered at once: a longer word narrows them."""


def router(archive: Archive) -> APIRouter:
    routes = APIRouter()

    @routes.get("/people")
    def named(q: Annotated[str, Query(min_length=2, max_length=64)]) -> list[PersonItem]:
        """People whose name or login has a word that begins so; no more of them than a name."""
        with archive.db.read() as conn:
            found = people.named(conn, q, NAMES)
        return [PersonItem(id=one.id, name=one.name, login=one.login) for one in found]

    @routes.get("/studies/{study_uid}/shares")
    def shares(request: Request, study_uid: str) -> list[ShareItem]:
        reach = guard.reach(request, Action.SHARE)
        return [_item(found) for found in sharing.of_study(archive.db, reach, archive.clock, study_uid)]

    @routes.post("/studies/{study_uid}/shares", status_code=204)
    def share(request: Request, study_uid: str, asked: ShareNew) -> None:
        """Share with a person or a place, for a purpose, for some days or until withdrawn."""
        reach, caller = guard.reach(request, Action.SHARE), asks(request)
        until = archive.clock.now() + timedelta(days=asked.days) if asked.days else None
        guest = Guest(asked.guest_kind, asked.guest_id, asked.purpose)
        sharing.give(archive.db, reach, caller, archive.clock, study_uid, guest, until, asked.reason)

    @routes.delete("/shares/{number}", status_code=204)
    def withdraw(request: Request, number: int) -> None:
        reach, caller = guard.reach(request, Action.SHARE), asks(request)
        sharing.withdraw(archive.db, reach, caller, archive.clock, number)

    return routes


def _item(found: Shared) -> ShareItem:
    return ShareItem(
        id=found.id,
        guest_kind=found.guest.kind,
        guest_id=found.guest.id,
        guest_name=found.guest_name,
        purpose=found.guest.purpose,
        until=found.until.isoformat() if found.until else None,
        granted_by=found.granted_by,
        granted_at=found.granted_at.isoformat(),
        reason=found.reason,
        emergency=found.emergency,
    )
