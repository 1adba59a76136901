"""The console of HL7 messages: what came and went, what waits for a person, who is silent.

Not here: how messages travel and what they mean, which is the HL7 door's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request

from lamelle.access.model import Action
from lamelle.base.errors import Invalid, LamelleError
from lamelle.doors import er7, guard
from lamelle.doors.web.deskmodels import (
    Message,
    MessageField,
    MessageItem,
    MessagePage,
    MessagePeer,
    MessageSegment,
    MessagesState,
    MessageText,
)
from lamelle.doors.web.reading import instant
from lamelle.lab import cases, messages
from lamelle.lab.messages import Asked, PeerState
from lamelle.lab.room import Lab

Row = Any  # a row of the catalogue, whose driver stays behind base.db
Text = Annotated[str, Query(max_length=64)]
LONGEST: Final = 2000
"""Characters that are shown of a field: whole documents stand in some."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a peer is by the settings."""

    dialect: str
    sends: bool
    """We send to it."""
    silence_s: float


@dataclass(frozen=True, slots=True)
class Console:
    """What the console says of the HL7 door: its port, and its peers by name."""

    port: int | None = None
    peers: Mapping[str, Told] = field(default_factory=dict)


def router(lab: Lab, console: Console) -> APIRouter:
    routes = APIRouter()

    @routes.get("/hl7/messages")
    def listed(
        request: Request,
        direction: Literal["", "in", "out"] = "",
        state: Text = "",
        peer: Text = "",
        kind: Text = "",
        q: Annotated[str, Query(max_length=64, description="A message's number, or how a case's begins.")] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> MessagePage:
        """Messages, the newest first; without what they say."""
        asked = Asked(direction, state, peer, kind, q.strip(), limit, offset)
        with lab.db.read() as conn:
            rows, total = messages.listed(conn, guard.reach(request), asked)
        return MessagePage(items=[MessageItem(**_facts(row)) for row in rows], total=total)

    @routes.get("/hl7/messages/{number}")
    def message(request: Request, number: int) -> Message:
        """One message as it came or was repaired, and field by field."""
        with lab.db.read() as conn:
            row = messages.one(conn, guard.reach(request), number)
            case = _case(conn, request, row.accession)
        guard.note(request, "view", detail={"message": number, "peer": row.peer, "kind": row.kind})
        text = row.repaired or er7.decoded(row.raw)
        return Message(
            **_facts(row),
            text=_lines(text),
            answer=_lines(er7.decoded(row.answer)) if row.answer else "",
            segments=_segments(text),
            case=case,
            purged_at=instant(row.purged_at),
        )

    @routes.post("/hl7/messages/{number}/repair", status_code=204)
    def repair(request: Request, number: int, given: MessageText) -> None:
        """Put a text in the message's place, what came stays, and have it done or sent again."""
        asks = guard.reach(request), guard.caller(request)
        messages.repair(lab, *asks, number, "\r".join(given.text.splitlines()) + "\r")

    @routes.post("/hl7/messages/{number}/replay", status_code=204)
    def replay(request: Request, number: int) -> None:
        """Do again what a message that came says."""
        messages.replay(lab, guard.reach(request), guard.caller(request), number)

    @routes.post("/hl7/messages/{number}/resend", status_code=204)
    def resend(request: Request, number: int) -> None:
        """Send a message of ours again."""
        messages.resend(lab, guard.reach(request), guard.caller(request), number)

    @routes.get("/hl7/state")
    def state(request: Request) -> MessagesState:
        """How the exchange with each system goes."""
        silence = {name: told.silence_s for name, told in console.peers.items()}
        with lab.db.read() as conn:
            found = messages.state(conn, guard.reach(request), lab.clock.now(), silence)

        def count(state: str) -> int:
            return sum(peer.counts.get(state, 0) for peer in found)

        return MessagesState(
            listening=console.port is not None,
            port=console.port,
            peers=[_peer(one, console.peers.get(one.peer)) for one in found],
            error=count("error"),
            dead=count("dead"),
            waiting=count("waiting"),
        )

    return routes


def _case(conn: Any, request: Request, accession: str) -> int | None:
    """The case a message is about, for who may read it."""
    reach = guard.visit(request).extent(Action.READ)
    if not accession or not reach:
        return None
    try:
        found: int = cases.found(conn, reach, accession).id
    except LamelleError:  # out of reach, or several of that number
        return None
    return found


def _facts(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "direction": row.direction,
        "peer": row.peer,
        "kind": row.kind,
        "control_id": row.control,
        "state": row.state,
        "accession": row.accession,
        "at": row.received_at.isoformat(),
        "attempts": row.attempts,
        "error": row.reason or row.code,
    }


def _segments(text: str) -> list[MessageSegment]:
    """Nothing of what cannot be read."""
    try:
        parsed = er7.parsed(text)
    except Invalid:
        return []
    return [
        MessageSegment(
            name=name,
            fields=[MessageField(at=f"{name}-{at}", name=title, value=_short(value)) for at, title, value in fields],
        )
        for name, fields in parsed
    ]


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"


def _lines(text: str) -> str:
    return "\n".join(text.splitlines())


def _peer(found: PeerState, told: Told | None) -> MessagePeer:
    ways = {"in"} if found.last_in or told is None or told.silence_s else set()
    ways |= {"out"} if found.last_out or (told is not None and told.sends) else set()
    return MessagePeer(
        name=found.peer,
        direction="both" if len(ways) == 2 else "out" if ways == {"out"} else "in",
        dialect=told.dialect if told else "",
        last_in=instant(found.last_in),
        last_out=instant(found.last_out),
        today_in=found.today_in,
        today_out=found.today_out,
        waiting=found.counts.get("waiting", 0),
        errors=found.counts.get("error", 0) + found.counts.get("dead", 0),
        silent=found.silent,
    )
