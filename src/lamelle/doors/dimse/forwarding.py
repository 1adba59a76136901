"""Empties the queue of one destination: what waits there goes out in one association, and leaves as it arrives.

Which instances wait is decided in archive.forwarding; how one is sent, in sending.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from lamelle.access.model import Action
from lamelle.archive import forwarding, selection
from lamelle.archive.forwarding import Waiting
from lamelle.base.errors import LamelleError
from lamelle.base.telemetry import log
from lamelle.doors.dimse import sending, visits
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.settings import Peer
from lamelle.doors.dimse.visits import Visit

BATCH: Final = 2000
"""Instances for one association; what came meanwhile goes with the next."""
SETTLED: Final = 25
"""Sent instances taken out of the queue at once: a kill between repeats so many at most."""


def drain(node: Node, payload: Mapping[str, Any], stop: threading.Event | None = None) -> None:
    """The job: send what is due for a destination, until `stop`, then see that the rest is tried in time."""
    stop = stop or threading.Event()
    destination, failures = str(payload["to"]), int(payload.get("failures", 0))
    db, clock = node.archive.db, node.archive.clock
    peer = node.settings.peer(destination)
    reason = f"unknown_peer: no address is known of {destination}" if peer is None else ""
    after = 0
    visit = visits.NOBODY if peer is None else visits.outward(db, node.note, peer)
    reach = visit.reach(Action.EXPORT)
    while peer is not None and (batch := forwarding.due(db, clock, reach, destination, BATCH, after)):
        after = batch[-1].id
        reason = _send(node, peer, visit, batch, stop)
        if reason or stop.is_set():
            break
        failures = 0
    if reason:
        log("forward.postponed", level="warning", to=destination, failures=failures + 1, why=reason)
    forwarding.go_on(db, clock, destination, failures + 1 if reason else 0, reason)


def _send(node: Node, peer: Peer, visit: Visit, batch: Sequence[Waiting], stop: threading.Event) -> str:
    """Send a batch; why it could not go on, empty when all of it was answered or `stop` came."""
    db, clock = node.archive.db, node.archive.clock
    rows = {one.sop_uid: one.id for one in batch}
    forwarding.settle(db, clock, [one.id for one in batch if one.instance_id is None], {})
    ids = [one.instance_id for one in batch if one.instance_id is not None]
    kinds = selection.kinds(db, ids)
    done: list[int] = []
    failed: dict[int, str] = {}
    counts: Counter[str] = Counter()
    reason = ""
    try:
        with closing(sending.each(node, peer, visit, ids, kinds)) as sent:
            for one in sent:
                if not one.reached:
                    reason = one.reason
                    break
                counts["sent" if one.ok else "refused"] += 1
                number = rows.get(one.sop_uid)
                if number is not None and one.ok:
                    done.append(number)
                elif number is not None:
                    failed[number] = f"{one.status:04X} {one.reason}"
                if len(done) + len(failed) >= SETTLED:
                    forwarding.settle(db, clock, done, failed)
                    done, failed = [], {}
                if stop.is_set():
                    break
    except LamelleError as error:
        reason = f"{error.code}: {error.message}"
    finally:
        forwarding.settle(db, clock, done, failed)
    log("forward.sent", to=peer.aet, sent=counts["sent"], refused=counts["refused"])
    return reason
