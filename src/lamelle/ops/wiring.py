"""The composition root: which rooms are opened, what they are given, and who hears of what.

Everything that joins two rooms is in this file; the processes that run it are in serve.
"""

import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from lamelle import __version__
from lamelle.access import governing, identify, places, sessions
from lamelle.access.model import WHOLE, Caller
from lamelle.access.room import Access
from lamelle.archive import commitment, forwarding, lifecycle, query, thumbnails
from lamelle.archive.catalogue import study
from lamelle.archive.query import Level, Match, Query
from lamelle.archive.store import Archive
from lamelle.audit import syslog
from lamelle.audit.journal import Journal
from lamelle.audit.model import Entry
from lamelle.audit.room import Audit
from lamelle.base import events, jobs, telemetry
from lamelle.base.errors import Invalid, LamelleError, Unavailable
from lamelle.dicom.slide import first
from lamelle.dicom.uids import is_uid
from lamelle.doors import guard, http
from lamelle.doors.dicomweb import routes as dicomweb
from lamelle.doors.dicomweb.frames import FramesFastPath
from lamelle.doors.fhir import routes as fhir
from lamelle.doors.files.watching import Watcher
from lamelle.doors.web.api import api
from lamelle.doors.web.hl7 import Console, Told
from lamelle.doors.web.opening import opening
from lamelle.doors.web.pages import pages
from lamelle.doors.web.tiles import TilesFastPath
from lamelle.lab import assignment, identifying, messages, quality, scanning
from lamelle.lab.room import Lab
from lamelle.ops import health, metrics, signals
from lamelle.ops.config import Settings
from lamelle.ops.routes import table

if TYPE_CHECKING:
    from lamelle.doors.dimse.node import Node
    from lamelle.doors.hl7.room import Exchange

PATIENT: Final = frozenset({"00100020", "00100021"})
SENDERS: Final = 4
"""Destinations that are sent to at once: a slow one holds up no other."""
SEAL_S: Final = 1.0
"""What was noted is in the ledger after so long."""


def opened(settings: Settings) -> Archive:
    """The archive, connected and migrated."""
    return Archive.open(settings.archive)


@contextmanager
def laboratory(settings: Settings) -> Iterator[Lab]:
    """The laboratory by itself, for a command."""
    archive = opened(settings)
    try:
        yield Lab(archive.db, archive.clock, settings.lab)
    finally:
        archive.close()


def lab_of(archive: Archive, settings: Settings) -> Lab:
    """The laboratory on an archive that is open."""
    return Lab(archive.db, archive.clock, settings.lab)


def access_of(archive: Archive, settings: Settings) -> Access:
    """Who people are and how they prove it."""
    return Access.open(archive.db, archive.clock, settings.access)


@contextmanager
def people(settings: Settings) -> Iterator[Access]:
    """The accounts by themselves, for a command."""
    archive = opened(settings)
    try:
        yield access_of(archive, settings)
    finally:
        archive.close()


def audit(archive: Archive, settings: Settings) -> Audit:
    """The audit ledger; its journals, key and checkpoints stand in the data folder."""
    return Audit(archive.db, archive.clock, audit_folder(settings), settings.audit)


def audit_folder(settings: Settings) -> Path:
    """Where processes note what they do."""
    return settings.archive.data_dir / "audit"


@dataclass(frozen=True, slots=True)
class Application:
    """What one worker answers with: every door on one archive, and what of it can be had without waiting."""

    asgi: metrics.Observed
    at_hand: tuple[http.AtHand, ...]
    callers: guard.Callers


def application(settings: Settings) -> Application:
    """The doors of one worker."""
    archive = opened(settings)
    access = access_of(archive, settings)
    routes = all_routes(archive, access, settings)
    journal = Journal(audit_folder(settings), archive.clock)
    guarding = guard_of(archive, access, settings, journal.note if settings.audit.enabled else None)
    guarding.wrap(routes, table(settings.dicomweb.prefix))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        journal.close()
        archive.close()

    answers: dict[Any, Any] = {
        LamelleError: http.answer_error,
        HTTPException: _answer_http,
        Exception: metrics.crashed,
    }
    app: ASGIApp = Starlette(routes=routes, lifespan=lifespan, exception_handlers=answers)
    frames = FramesFastPath(app, archive, settings.dicomweb)
    tiles = TilesFastPath(frames, archive)
    observed = metrics.Observed(guarding.front(tiles), words(routes), settings.serve.access_log)
    return Application(observed, (tiles, frames), guarding.callers)


def guard_of(archive: Archive, access: Access, settings: Settings, note: Callable[[Entry], None] | None) -> guard.Guard:
    """Who asks, by sessions and tokens, where anybody has to; what the ledger is told, if it is."""

    def identified(brought: guard.Credential) -> Caller:
        shown = {brought.kind: brought.secret}
        return identify.caller(access, cookie=shown.get("cookie", ""), bearer=shown.get("bearer", ""))

    who = identified if settings.access.sign_in == "required" else None
    return guard.Guard(
        callers=guard.Callers(who, settings.access.fresh_s, noting=note is not None),
        tell=note,
        whose=partial(whose, archive),
        proxies=settings.serve.proxies,
        metrics_from=settings.serve.metrics_from,
        origins=settings.dicomweb.cors_origins,
        csrf=sessions.csrf,
    )


def whose(archive: Archive, study_uid: str, series_uid: str) -> guard.Found | None:
    """A study as the ledger names it, by its UID or that of one of its series."""
    asked = (
        Query(Level.STUDY, study_uid=study_uid, include=PATIENT, limit=1)
        if study_uid
        else Query(Level.SERIES, (Match(("0020000E",), series_uid),), include=PATIENT, limit=1)
    )
    found = query.search(archive.db, WHOLE, asked).items if is_uid(study_uid or series_uid) else []
    if not found:
        return None
    uid, patient_id, issuer = (str(first(found[0], tag) or "") for tag in ("0020000D", "00100020", "00100021"))
    with archive.db.read() as conn:
        place = conn.execute(sa.select(study.c.place).where(study.c.uid == uid)).scalar() or 0
    return guard.Found(uid, patient_id, issuer, place)


def pages_api(archive: Archive, access: Access, settings: Settings) -> FastAPI:
    """What the pages ask."""
    told = {one.name: Told(one.dialect, one.reached, float(one.silence_s)) for one in settings.hl7.peers}
    console = Console(settings.hl7.port, told)
    return api(archive, access, settings.web, audit(archive, settings), lab_of(archive, settings), console)


def all_routes(archive: Archive, access: Access, settings: Settings) -> list[BaseRoute]:
    """Every route of the node, in order of matching."""
    return [
        Route("/health", health.endpoint(archive, settings.dimse.processes, settings.hl7.processes), methods=["GET"]),
        Route("/metrics", metrics.endpoint(archive, settings.hl7.silence), methods=["GET"]),
        dicomweb.mount(archive, settings.dicomweb),
        *fhir.mounted(archive, lab_of(archive, settings), settings.fhir, settings.dicomweb.prefix),
        Mount("/api", app=pages_api(archive, access, settings)),
        Mount("/", app=pages(opening(archive, settings.web))),
    ]


async def _answer_http(request: Request, error: Exception) -> Response:
    """A path or method that no door has."""
    assert isinstance(error, HTTPException)
    code = {404: "no_such_path", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    answer = http.problem(error.status_code, code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


def words(routes: list[BaseRoute]) -> set[str]:
    """Path segments that are names of the interface, not somebody's data."""
    found = {"assets"}  # the viewer's files have no route of their own
    for path in paths(routes):
        found.update(part for part in path.split("/") if "{" not in part)
    return found


def paths(routes: list[BaseRoute], prefix: str = "") -> list[str]:
    """Every path template below these routes."""
    found = []
    for route in routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            found += [f"{prefix}{route.path}{below.path}" for below in route.app.routes if isinstance(below, Route)]
        elif isinstance(route, Mount):
            found += [f"{prefix}{route.path}", *paths(list(route.routes or ()), f"{prefix}{route.path}")]
        elif isinstance(route, Route):
            found.append(f"{prefix}{route.path}")
    return found


# -- the audit ledger -------------------------------------------------------------------------------------------------


def started(settings: Settings, announce: Callable[[str], None]) -> None:
    """Connect and migrate, say what is wrong before any process starts, make the first account, enter the start."""
    with people(settings) as access:
        if password := governing.first_administrator(access):
            announce(f"Lamelle made the account admin; its password, told this once: {password}")
        with access.db.read() as conn:
            tree = places.tree(conn)
    for folder in settings.files.watch:
        if not tree.below(folder.place):
            raise Invalid(
                "bad_setting", f"files.watch: {folder.path} belongs to place {folder.place}, and there is none"
            )
    _enter(settings, Entry("system", "start", detail={"version": __version__, "pid": os.getpid()}))


def stopped(settings: Settings) -> None:
    """Enter the end, and what the processes noted before theirs."""
    try:
        _enter(settings, Entry("system", "stop", detail={"pid": os.getpid()}))
    except LamelleError as error:
        telemetry.log("audit.not_sealed", level="error", code=error.code)


def _enter(settings: Settings, entry: Entry) -> None:
    """Enter and seal; a disk that is full must not keep what is there from being read."""
    archive = opened(settings)
    try:
        room = audit(archive, settings)
        key = room.key
        try:
            if room.has_new_key(key):
                room.record(Entry("system", "audit_key", subject=key.id))
            room.record(entry)
            room.seal(key, sign=True)
        except (Unavailable, OSError) as error:
            telemetry.log("audit.not_sealed", level="error", error=type(error).__name__)
    finally:
        archive.close()


def seal(room: Audit, stop: threading.Event) -> None:
    """Chain what was recorded and noted, each second until `stop`."""
    key = room.key
    while not stop.wait(SEAL_S):
        try:
            room.seal(key)
        except Exception as error:  # noqa: BLE001  a lost database, a full disk: what waits goes on waiting
            telemetry.log("audit.not_sealed", level="error", **telemetry.trace(error))


# -- the DICOM network ------------------------------------------------------------------------------------------------


def node_of(archive: Archive, settings: Settings) -> "Node":
    """What the DICOM network works on; a process that has no part in it does not load it."""
    from lamelle.doors.dimse.node import Node

    return Node(archive, settings.dimse, settings.lab, settings.audit.enabled)


def receive(settings: Settings, sock: socket.socket, stop_timeout_s: float) -> None:
    """Serve associations on a listening socket until SIGTERM, in the main thread."""
    from lamelle.doors.dimse.server import Server

    archive = opened(settings)
    try:
        node = node_of(archive, settings)
        server = Server(node, sock)
        signals.on_end(server.stop)
        server.run()
        server.finish(stop_timeout_s)
        node.journal.close()
    finally:
        archive.close()


# -- HL7 -----------------------------------------------------------------------------------------------------------


def exchange_of(archive: Archive, settings: Settings) -> "Exchange":
    """What HL7 works on; a process that has no part in it does not load it."""
    from lamelle.doors.hl7.room import Exchange

    link = settings.hl7.link or settings.access.public_url
    return Exchange(lab_of(archive, settings), archive, settings.hl7, link)


def exchange(settings: Settings, sock: socket.socket, stop_timeout_s: float) -> None:
    """Take messages on a listening socket until SIGTERM, in the main thread."""
    from lamelle.doors.hl7.server import Server

    archive = opened(settings)
    try:
        server = Server(exchange_of(archive, settings), sock)
        signals.on_end(server.stop)
        server.run()
        server.finish(stop_timeout_s)
    finally:
        archive.close()


# -- work that no request waits for ----------------------------------------------------------------------------------


def tend(settings: Settings, stop: threading.Event) -> None:
    """Run jobs and watch folders until `stop`; when one of the loops breaks, all end and the error is raised."""
    archive = opened(settings)
    broken: list[Exception] = []

    def run(loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as error:  # noqa: BLE001  raised below, by the thread that owns the process
            broken.append(error)
            stop.set()

    try:
        threads = [threading.Thread(target=run, args=(loop,)) for loop in loops(archive, settings, stop)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        archive.close()
    if broken:
        raise broken[0]


def loops(archive: Archive, settings: Settings, stop: threading.Event) -> list[Callable[[], None]]:
    """What runs side by side in the jobs process, each until `stop`."""
    runner = jobs.Runner(archive.db, handlers(archive, settings), archive.clock, settings.jobs)
    looker = jobs.Runner(archive.db, looking(archive, settings), archive.clock, settings.jobs)
    to_peers = sending(archive, settings, stop)
    senders = [jobs.Runner(archive.db, to_peers, archive.clock, settings.jobs) for _ in range(SENDERS)]
    forwarding.wake(archive.db, archive.clock)
    commitment.wake(archive.db, archive.clock)
    messages.wake(Lab(archive.db, archive.clock, settings.lab))
    watcher = Watcher(archive, settings.files, archive.clock, stop)
    return [
        lambda: runner.run_forever(stop),
        lambda: looker.run_forever(stop),
        *(partial(sender.run_forever, stop) for sender in senders),
        lambda: relay(archive, subscriptions(settings), settings.jobs.poll_s, stop),
        lambda: seal(audit(archive, settings), stop),
        lambda: syslog.send_forever(audit(archive, settings), stop),
        watcher.run_forever,
    ]


def sending(archive: Archive, settings: Settings, stop: threading.Event) -> dict[str, jobs.Handler]:
    """Kind of job to who does it, for those that wait for peers: they hold up no other."""
    from lamelle.doors.dimse import commitment as reports
    from lamelle.doors.dimse import forwarding as queues
    from lamelle.doors.dimse import notifying
    from lamelle.doors.hl7 import queue

    node = node_of(archive, settings)
    return {
        forwarding.JOB: partial(queues.drain, node, stop=stop),
        commitment.JOB: partial(reports.deliver, node),
        notifying.NOTIFY: partial(notifying.notify, node),
        messages.SEND: partial(queue.drain, exchange_of(archive, settings), stop=stop),
    }


def handlers(archive: Archive, settings: Settings) -> dict[str, jobs.Handler]:
    """Kind of job to who does it."""
    from lamelle.doors.dimse import notifying
    from lamelle.doors.hl7 import taking, telling

    exchange = exchange_of(archive, settings)

    def purge(payload: Mapping[str, Any]) -> None:
        lifecycle.purge(archive.db, archive.blobs, archive.clock, grace_s=float(payload["grace_s"]))

    lab = Lab(archive.db, archive.clock, settings.lab)
    return {
        "thumbnail": partial(thumbnails.make, archive),
        lifecycle.PURGE: purge,
        notifying.SETTLE: partial(notifying.settle, node_of(archive, settings)),
        scanning.SCAN: partial(scanning.scanned, lab, archive),
        scanning.EXPECT: partial(scanning.expected_again, lab),
        scanning.FOLLOW: partial(scanning.follow, lab),
        quality.JUDGE: partial(quality.judged, lab),
        assignment.ASSIGN: partial(assignment.automatic, lab),
        messages.TAKE: partial(taking.again, exchange),
        messages.PURGE: partial(messages.purge, lab, settings.hl7.keep_days),
        **{telling.JOB + kind: partial(telling.tell, exchange, kind) for kind in telling.NEWS},
        identifying.IDENTIFY: partial(identifying.identify, lab),
    }


def looking(archive: Archive, settings: Settings) -> dict[str, jobs.Handler]:
    """Kind of job to who does it, for those that look at whole slides for seconds: they hold up no other."""
    lab = Lab(archive.db, archive.clock, settings.lab)
    return {quality.JOB: partial(quality.check, lab, archive)}


def subscriptions(settings: Settings) -> events.Subscriptions:
    """Event to what follows it; nobody waits for a study to rest unless somebody is to be told."""
    from lamelle.doors.dimse import notifying
    from lamelle.doors.hl7 import telling

    stored: list[str | events.Follow] = [
        events.Follow(scanning.SCAN, ("study_uid", "series_uid"), settings.lab.scan_settle_s)
    ]
    if notifying.listeners(settings.dimse):
        stored.append(events.Follow(notifying.SETTLE, ("study_uid",), settings.lab.settle_s))
    followed: dict[str, tuple[str | events.Follow, ...]] = {
        "InstanceStored": tuple(stored),
        "InstancesRejected": (events.Follow(scanning.FOLLOW, ("study_uid",)),),
        "StudyMoved": (events.Follow(scanning.FOLLOW, ("study_uid",)),),
        "SlideExpected": (events.Follow(scanning.EXPECT, ("slide",)),),
        "ScanArrived": (events.Follow(quality.JOB, ("scan",)),),
        "ScanMatched": (events.Follow(quality.JUDGE, ("scan",)),),
        "CaseChanged": (events.Follow(identifying.IDENTIFY, ("case",)),),
    }
    if settings.lab.assign == "automatic":
        followed["CaseChanged"] = (*followed["CaseChanged"], events.Follow(assignment.ASSIGN, ("case",)))
    for event, kind in telling.followed(settings.hl7).items():
        followed[event] = (*followed.get(event, ()), kind)
    return followed


def relay(archive: Archive, subscribed: events.Subscriptions, poll_s: float, stop: threading.Event) -> None:
    """Turn news into the jobs that follow it until `stop`."""
    while not stop.is_set():
        try:
            told = events.relay(archive.db, subscribed, archive.clock)
        except Unavailable as error:
            telemetry.log("events.unavailable", level="warning", code=error.code)
            told = 0
        if not told:
            stop.wait(poll_s)
