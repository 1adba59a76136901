"""What happened in the laboratory, told to the peers that want to know: each news once to each, by its dialect.

Which event leads here stands in ops.wiring; what the facts are, in lab.news; sending is queue's.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lamelle.access import places
from lamelle.base.telemetry import log
from lamelle.doors import er7
from lamelle.doors.hl7 import writing
from lamelle.doors.hl7.room import Exchange
from lamelle.doors.hl7.settings import Hl7Settings, Peer
from lamelle.lab import messages, news
from lamelle.lab.messages import Arrived
from lamelle.lab.news import News
from lamelle.lab.room import Lab

EVENTS: Final = {
    "ScanMatched": "image",
    "RescanAsked": "rescan",
    "TechniqueAsked": "technique",
    "ReportValidated": "report",
}
"""Event to the news it is."""
JOB: Final = "hl7_tell_"
"""Beginning of the kinds of jobs that tell news; its name follows."""


def followed(settings: Hl7Settings) -> dict[str, str]:
    """Event to the kind of job that follows it: none that nobody is told of."""
    told = {kind for peer in settings.peers if peer.reached for kind in peer.tells}
    return {event: JOB + kind for event, kind in EVENTS.items() if kind in told}


def tell(exchange: Exchange, kind: str, payload: Mapping[str, Any]) -> None:
    """The job: queue what happened for each peer that is told such news of that place."""
    lab = exchange.lab
    with lab.db.read() as conn:
        found = NEWS[kind](lab, conn, payload)
        listeners = list(_listeners(conn, exchange, kind, found)) if found else []
    for peer in listeners:
        assert found is not None
        spoken = exchange.dialect(peer)
        template = spoken.out.get(kind)
        if template is None or not template.segments:
            continue
        message = writing.compose(exchange.settings, peer, spoken, template, found, lab.clock.now(), exchange.link)
        sent = Arrived(peer.name, found.place, er7.encoded(message, spoken.charset), message.control, message.kind)
        with lab.db.write() as conn:
            number = messages.put(conn, lab, peer.name, found.place, found.key, sent, found.accession)
        if number is not None:
            log("hl7.queued", to=peer.name, news=kind, message=number)


def _listeners(conn: Any, exchange: Exchange, kind: str, found: News) -> Iterator[Peer]:
    """Peers of the news' own establishment: no other is told of its patients."""
    tree = places.tree(conn)
    home = tree.establishment(found.place)
    for peer in exchange.settings.peers:
        if peer.reached and kind in peer.tells and tree.establishment(peer.place) == home:
            yield peer


def _rescan(lab: Lab, conn: Any, payload: Mapping[str, Any]) -> News | None:
    slide = int(payload["slide"])
    return news.of_rescan(conn, slide, news.last_scan(conn, slide))


NEWS: Final[Mapping[str, Callable[[Lab, Any, Mapping[str, Any]], News | None]]] = {
    "image": lambda lab, conn, payload: news.of_scan(conn, int(payload["scan"])),
    "technique": lambda lab, conn, payload: news.of_technique(conn, int(payload["technique"])),
    "report": lambda lab, conn, payload: news.of_report(conn, int(payload["report"])),
    "rescan": _rescan,
}
