"""What a route asks of who calls it, and what of a call is entered in the ledger. The table itself is in ops.routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lamelle.access.model import Action


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table."""

    action: Action | None = None
    """What the caller must be allowed to do somewhere at all; how far is for the archive, by the caller's reach."""
    event: str = ""
    """What the ledger calls it (audit.model.EVENTS); empty: nothing is entered, or the route does it itself."""
    what: str = ""
    """A word that goes with the event."""
    open: bool = False
    """Whether it is answered without knowing who asks."""
    machines: bool = False
    """Whether the addresses of `serve.metrics_from` may ask without signing in."""

    def __str__(self) -> str:
        if self.open:
            return "open"
        return self.action.value if self.action else "signed in"


Table = Mapping[str, Rule]
"""`METHOD template` to its rule."""

OPEN: Final = Rule(open=True)
SIGNED_IN: Final = Rule()
"""For what people do about themselves."""
SEARCH: Final = Rule(Action.VIEW, "search")
VIEW: Final = Rule(Action.VIEW, "view")
LOOK: Final = Rule(Action.VIEW)
"""What is seen of one scan is entered by who shows it: there is no study in its path."""
PREVIEW: Final = Rule(Action.VIEW, "view", "preview")
"""A small picture in a list: entered apart from looking at the images."""
LABEL: Final = Rule(Action.VIEW_LABEL, "view_label")
RETRIEVE: Final = Rule(Action.EXPORT, "retrieve")
SAVE: Final = Rule(Action.EXPORT, "export")
STORE: Final = Rule(Action.STORE)
DELETE: Final = Rule(Action.DELETE, "delete")
OPERATE: Final = Rule(Action.OPERATE)
AUDIT: Final = Rule(Action.AUDIT)
ADMINISTER: Final = Rule(Action.ADMINISTER)
METRICS: Final = Rule(Action.OPERATE, machines=True)
SHARE: Final = Rule(Action.SHARE)
BREAK_GLASS: Final = Rule(Action.BREAK_GLASS)
SCHEDULE: Final = Rule(Action.SCHEDULE)
"""What moves the laboratory's work on enters itself, in the transaction that does it."""
REPORT: Final = Rule(Action.REPORT)
VALIDATE: Final = Rule(Action.VALIDATE)
READ: Final = Rule(Action.READ)
"""What is read of a case is entered by who reads it: there is no study in its path."""
FIND: Final = Rule(Action.READ, "search")
