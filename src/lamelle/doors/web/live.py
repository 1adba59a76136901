"""News for pages that are open, as Server-Sent Events: which cases changed, whether the desk did.

A process asks the catalogue once a second while anybody listens, once for all of them; who listens holds a coroutine
and no thread. A stream obeys the reach of its listener and ends with their session, which listening does not prolong.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Final

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from lamelle.access import decide, identify, people
from lamelle.access.model import NOTHING, Action, Reach, Resource
from lamelle.access.room import Access
from lamelle.base import telemetry
from lamelle.base.errors import LamelleError
from lamelle.doors import guard, http
from lamelle.lab import changes
from lamelle.lab.changes import Changed
from lamelle.lab.room import Lab

POLL_S: Final = 1.0
HEARTBEAT_S: Final = 15.0
"""So often something is said, and asked whether the listener may still listen."""
HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""A proxy must pass on what comes as it comes."""


class Listener:
    """What one page has not been told yet."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self._cases: set[int] = set()
        self._desk = False
        self._there = asyncio.Event()

    def tell(self, cases: list[Changed], scans: list[Changed]) -> None:
        """News, of which it keeps what is within reach."""
        self._cases.update(one.id for one in cases if self.reach.holds(Resource(one.place)))
        self._desk = self._desk or any(self.reach.holds(Resource(one.place)) for one in scans)
        if self._cases or self._desk:
            self._there.set()

    async def news(self, wait_s: float) -> bytes:
        """What there is to tell, waited for; nothing, when there is none for so long."""
        try:
            await asyncio.wait_for(self._there.wait(), wait_s)
        except TimeoutError:
            return b""
        said = []
        if self._cases:
            said.append(f"event: cases\ndata: {json.dumps({'ids': sorted(self._cases)})}\n\n")
        if self._desk:
            said.append("event: desk\ndata: {}\n\n")
        self._cases, self._desk = set(), False
        self._there.clear()
        return "".join(said).encode()


class Live:
    """The listeners of one process."""

    def __init__(self, lab: Lab, poll_s: float = POLL_S) -> None:
        self._lab, self._poll_s = lab, poll_s
        self._listeners: set[Listener] = set()
        self._polling: asyncio.Task[None] | None = None
        self.looks = 0
        """How often the catalogue was asked."""

    @contextmanager
    def listening(self, reach: Reach) -> Iterator[Listener]:
        """One more, until it leaves; who leaves last ends the asking."""
        listener = Listener(reach)
        self._listeners.add(listener)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.get_running_loop().create_task(self._poll())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def ended(self) -> None:
        """Until nobody listens and nothing is asked any more."""
        if self._polling is not None:
            await self._polling

    async def _poll(self) -> None:
        since = began = self._lab.clock.now()
        looked = self.looks
        told = {"cases": _marks(()), "scans": _marks(())}
        while self._listeners:
            try:
                now = self._lab.clock.now()
                found = await anyio.to_thread.run_sync(self._look, since)
            except LamelleError as error:  # a catalogue that is away: it is asked again
                telemetry.log("live.unavailable", level="warning", code=error.code)
            else:
                new = {name: [one for one in rows if told[name].get(one.id) != one.at] for name, rows in found.items()}
                told, since = {name: _marks(rows) for name, rows in found.items()}, now
                if self.looks == looked:  # what changed before anybody listened is no news
                    new = {name: [one for one in rows if one.at > began] for name, rows in new.items()}
                for listener in list(self._listeners):
                    listener.tell(new["cases"], new["scans"])
                self.looks += 1
            await asyncio.sleep(self._poll_s)

    def _look(self, since: datetime) -> dict[str, list[Changed]]:
        with self._lab.db.read() as conn:
            return {"cases": changes.cases(conn, since), "scans": changes.scans(conn, since)}


def _marks(rows: list[Changed] | tuple[()]) -> dict[int, datetime]:
    return {one.id: one.at for one in rows}


def router(lab: Lab, access: Access, live: Live | None = None, heartbeat_s: float = HEARTBEAT_S) -> APIRouter:
    routes = APIRouter()
    live = live or Live(lab)

    @routes.get("/live", response_class=StreamingResponse)
    async def listen(request: Request) -> StreamingResponse:
        """Server-Sent Events: `cases` with the numbers of those that changed, `desk` when scans came or were moved."""
        reach = guard.reach(request)
        request.scope[http.ENDLESS] = True
        allowed = partial(still, access, request)
        lines = stream(live, reach, allowed, heartbeat_s)
        return StreamingResponse(lines, media_type="text/event-stream", headers=HEADERS)

    return routes


async def stream(
    live: Live, reach: Reach, allowed: Callable[[], Reach], heartbeat_s: float
) -> AsyncGenerator[bytes, None]:
    """What one page is told, until it leaves or `allowed`, asked at each heartbeat, reaches nothing."""
    loop = asyncio.get_running_loop()
    with live.listening(reach) as listener:
        yield b"retry: 5000\n\n"
        due = loop.time() + heartbeat_s
        while True:
            said = await listener.news(max(0.0, due - loop.time()))
            if said:
                yield said
            if loop.time() >= due:
                listener.reach = await anyio.to_thread.run_sync(allowed)
                if not listener.reach:
                    return
                yield b": still here\n\n"
                due = loop.time() + heartbeat_s


def still(access: Access, request: Request) -> Reach:
    """How far the listener reaches now; nothing, once the session has ended. It does not count as being active."""
    visit = guard.visit(request)
    if not visit.callers.signs_in:
        return visit.extent(Action.READ)
    brought = guard.credential(request.scope["headers"])
    try:
        if brought.kind == "cookie":
            session = identify.session(access, brought.secret)
            with access.db.read() as conn:
                actor = people.load(conn, session.actor_id, access.clock.now())
            return NOTHING if session.step else decide.reach(actor, Action.READ, session.purpose)
        caller = visit.callers.read(brought).caller
        return NOTHING if caller is None else decide.reach(caller.actor, Action.READ, caller.purpose)
    except LamelleError:  # ended, switched off, or not to be asked: the page asks again
        return NOTHING
