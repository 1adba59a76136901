"""What the ledger is told of what a caller does: who, what for, from where and by which session are filled in here."""

from typing import Any

from lamelle.access.model import Caller
from lamelle.audit.model import Entry


def entry(caller: Caller, action: str, **what: Any) -> Entry:
    """An entry of one action; `what` are the other fields of `Entry`."""
    return Entry(
        caller.actor.login,
        action,
        actor_id=caller.actor.id,
        purpose=caller.purpose.value,
        address=caller.address,
        session=caller.session,
        **what,
    )
