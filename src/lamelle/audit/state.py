"""How the ledger is doing: how long it is, what waits, what is signed, what the last verification found."""

from dataclasses import dataclass

import sqlalchemy as sa

from lamelle.audit import checkpoints, harvest, ledger, search, verify
from lamelle.audit.checkpoints import Checkpoint
from lamelle.audit.model import Entry
from lamelle.audit.room import Audit
from lamelle.audit.search import Wanted
from lamelle.audit.tables import pending, sent
from lamelle.audit.verify import Finding, Report
from lamelle.base.jobs import JsonValue


@dataclass(frozen=True, slots=True)
class State:
    """`findings`: of the end of the ledger now, and of the last verification of all of it."""

    entries: int
    findings: tuple[Finding, ...]
    checkpoint: Checkpoint | None
    waiting: int
    receivers: tuple[tuple[str, int], ...]


def state(room: Audit) -> State:
    """A look that takes no longer when the ledger is long."""
    findings = dict.fromkeys((*_found_before(room), *verify.tail(room.db, room.trusted).findings))
    with room.db.read() as conn:
        waiting = conn.execute(sa.select(sa.func.count()).select_from(pending)).scalar_one()
        pieces = harvest.pieces(room.folder, ledger.sizes(conn))
        return State(
            entries=ledger.end(conn)[0],
            findings=tuple(findings),
            checkpoint=checkpoints.last(conn),
            waiting=waiting + sum(len(piece.lines) for piece in pieces),
            receivers=tuple((row.receiver, row.number) for row in conn.execute(sa.select(sent))),
        )


def _found_before(room: Audit) -> list[Finding]:
    """By the last verification of the whole ledger, if it was not sound."""
    with room.db.read() as conn:
        last = search.search(conn, Wanted(actions=frozenset({"audit_verify"})), limit=1)
    told = last[0].entry.detail.get("findings") if last else None
    if not isinstance(told, list):
        return []
    return [Finding(int(one["number"]), str(one["what"])) for one in told if isinstance(one, dict)]


def verified(report: Report, actor: str = "system", **more: str) -> Entry:
    """A verification as the entry that it is itself."""
    told: list[JsonValue] = [{"number": one.number, "what": one.what} for one in report.findings[:10]]
    detail: dict[str, JsonValue] = {"entries": report.entries, "findings": told, **more}
    return Entry(actor, "audit_verify", "success" if report.sound else "failed", detail=detail)
