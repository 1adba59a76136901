"""The ledger for the data-protection officer: who saw this patient, what did this person see, is it as it was written.

An officer of one establishment reads what concerns its places, and what its people do that concerns none.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from lamelle.access import people
from lamelle.audit import export, search, verify
from lamelle.audit import state as looking
from lamelle.audit.model import EVENTS, Outcome
from lamelle.audit.room import Audit
from lamelle.audit.search import Wanted
from lamelle.audit.verify import Finding
from lamelle.base.errors import Invalid
from lamelle.doors import guard
from lamelle.doors.guard import Found
from lamelle.doors.web.identity import AuditItem, AuditPage, AuditState, CheckpointItem, Receiver
from lamelle.doors.web.identity import Finding as FindingItem

LONGEST: Final = 1000
Text = Annotated[str, Query(max_length=LONGEST)]
Time = Annotated[datetime | None, Query()]


def router(room: Audit) -> APIRouter:
    routes = APIRouter()

    @routes.get("/audit/entries")
    def entries(
        request: Request,
        patient_id: Text = "",
        issuer: Text = "",
        study_uid: Text = "",
        actor: Text = "",
        action: Annotated[str, Query(max_length=LONGEST, description="One or several, between commas.")] = "",
        outcome: Annotated[list[Outcome] | None, Query()] = None,
        from_: Annotated[datetime | None, Query(alias="from")] = None,
        to: Time = None,
        after: Annotated[str, Query(pattern=r"^\d{0,18}$", description="`next` of the page before.")] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> AuditPage:
        """Entries of the ledger, the newest first."""
        of = (patient_id, issuer, study_uid, actor, actions(action), frozenset(outcome or ()))
        asked = Wanted(*of, utc(from_), utc(to))
        if not after:
            told(request, "audit_read", asked)
        wanted = within(request, room, asked)
        with room.db.read() as conn:
            found = search.search(conn, wanted, limit=limit + 1, before=int(after) if after else None)
        more = str(found[limit - 1].number) if len(found) > limit else None
        return AuditPage(entries=[item(one) for one in found[:limit]], next=more)

    @routes.get("/audit/export", response_class=StreamingResponse)
    def exported(
        request: Request,
        format: export.Format = "csv",
        patient_id: Text = "",
        issuer: Text = "",
        study_uid: Text = "",
        actor: Text = "",
        action: Text = "",
        outcome: Annotated[list[Outcome] | None, Query()] = None,
        from_: Annotated[datetime | None, Query(alias="from")] = None,
        to: Time = None,
    ) -> StreamingResponse:
        """The same entries as a file, the oldest first."""
        of = (patient_id, issuer, study_uid, actor, actions(action), frozenset(outcome or ()))
        asked = Wanted(*of, utc(from_), utc(to))
        told(request, "audit_export", asked, format=format)
        lines: Iterator[str] = export.lines(room.db, format, within(request, room, asked), room.source)
        name = f"audit.{ {'dicom': 'xml', 'fhir': 'ndjson'}.get(format, format) }"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(lines, media_type=export.MEDIA[format], headers=headers)

    @routes.get("/audit/state")
    def state() -> AuditState:
        """How long the ledger is, what is signed, and whether anything was found wrong."""
        return shown(looking.state(room))

    @routes.post("/audit/verify")
    def verified(request: Request) -> AuditState:
        """Read the whole ledger again, and say what was altered, removed or reordered."""
        report = verify.verify(room.db, room.trusted, (room.checkpoint_file,))
        asks = guard.caller(request)
        room.record(looking.verified(report, asks.actor.login))
        return shown(looking.state(room), report.findings)

    return routes


def actions(text: str) -> frozenset[str]:
    """Words of the ledger. Raises: Invalid bad_parameter."""
    found = frozenset(filter(None, text.split(",")))
    if not found <= EVENTS.keys():
        raise Invalid("bad_parameter", "action: there is no such action")
    return found


def utc(moment: datetime | None) -> datetime | None:
    """A time without a zone is UTC's."""
    return moment.replace(tzinfo=UTC) if moment and not moment.tzinfo else moment


def within(request: Request, room: Audit, wanted: Wanted) -> Wanted:
    """Of what is wanted, what this officer may read."""
    reach = guard.reach(request)
    if reach.everything:
        return wanted
    with room.db.read() as conn:
        members = people.members(conn, reach.places)
    return search.confined(wanted, reach.places, members)


def told(request: Request, event: str, asked: Wanted, **more: str) -> None:
    """Reading the ledger is an entry of it."""
    detail: dict[str, Any] = {
        "actor": asked.actor,
        "actions": sorted(asked.actions),
        "outcomes": sorted(asked.outcomes),
    }
    detail |= {"from": str(asked.since or ""), "to": str(asked.until or ""), **more}
    found = Found(asked.study_uid, asked.patient_id, asked.issuer)
    guard.note(request, event, found, {name: value for name, value in detail.items() if value})


def item(found: search.Found) -> AuditItem:
    entry = found.entry
    assert entry.at is not None
    return AuditItem(
        number=found.number,
        at=entry.at.isoformat(timespec="microseconds"),
        actor=entry.actor,
        action=entry.action,
        outcome=entry.outcome,
        purpose=entry.purpose,
        place=entry.place,
        address=entry.address,
        session=entry.session,
        study_uid=entry.study_uid,
        patient_id=entry.patient_id,
        issuer=entry.issuer,
        subject=entry.subject,
        reason=entry.reason,
        detail=cast(Any, dict(entry.detail)),
    )


def shown(found: looking.State, verified: tuple[Finding, ...] | None = None) -> AuditState:
    findings = found.findings if verified is None else verified
    signed = found.checkpoint
    at = signed.at.isoformat(timespec="microseconds") if signed else ""
    return AuditState(
        entries=found.entries,
        sound=not findings,
        findings=[FindingItem(number=one.number, what=one.what) for one in findings],
        checkpoint=CheckpointItem(number=signed.number, at=at, key=signed.key) if signed else None,
        waiting=found.waiting,
        receivers=[Receiver(receiver=name, sent=number) for name, number in found.receivers],
    )
