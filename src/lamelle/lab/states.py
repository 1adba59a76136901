"""The states of a case and of what belongs to it, and which follows which: tables, and the one question asked of them.

Keeping them is the verbs'; how a case's state follows from its slides, techniques and reports is `cases`'.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from lamelle.base.errors import Conflict

Table = Mapping[str, frozenset[str]]
"""A state to those that may follow it."""


def _table(text: str) -> Table:
    """`a: b c`, one line a state; the first is the first."""
    lines = (line.partition(":") for line in text.strip().splitlines())
    return MappingProxyType({state.strip(): frozenset(after.split()) for state, _, after in lines})


CASE: Final = _table(
    """
    registered: ready reading waiting preliminary validated reopened cancelled
    ready: registered reading waiting preliminary validated reopened cancelled
    reading: registered ready waiting preliminary validated reopened cancelled
    waiting: registered ready reading preliminary validated reopened cancelled
    preliminary: registered ready waiting reading validated reopened cancelled
    validated: reopened
    reopened: validated
    cancelled: registered ready reading waiting preliminary validated reopened
    """
)
"""registered: slides are awaited; ready: all are there; reading: somebody opened it; waiting: a technique is asked for;
validated starts the retention clock; reopened: an addendum or a correction is written. Messages come in any order, so
every state that is not signed may follow every other; from a signed one only a correction leads away."""

SLIDE: Final = _table(
    """
    ordered: cut stained coverslipped to_scan scanned available read rejected cancelled archived destroyed
    cut: stained coverslipped to_scan scanned available read rejected cancelled archived destroyed
    stained: coverslipped to_scan scanned available read rejected cancelled archived destroyed
    coverslipped: to_scan scanned available read rejected cancelled archived destroyed
    to_scan: scanned available read rejected cancelled archived destroyed
    scanned: ordered cut stained coverslipped to_scan available rejected read cancelled archived destroyed
    rejected: ordered cut stained coverslipped to_scan scanned available read cancelled archived destroyed
    available: ordered cut stained coverslipped to_scan scanned rejected read cancelled archived destroyed
    read: to_scan scanned rejected available cancelled archived destroyed
    archived: destroyed
    destroyed:
    cancelled: ordered cut stained coverslipped to_scan scanned rejected available read archived destroyed
    """
)
"""rejected: its scan is no good and a new one is asked for; cancelled after its scan keeps the scan, marked. From
available back to what the laboratory said: its scan turned out to be another's. The glass only ever moves on."""

BLOCK: Final = _table(
    """
    embedded: exhausted archived cancelled
    exhausted: archived
    archived: embedded destroyed
    destroyed:
    cancelled: embedded
    """
)

SCAN: Final = _table(
    """
    arrived: matched unmatched duplicate unexpected
    unmatched: matched duplicate unexpected rejected ignored
    duplicate: matched unmatched unexpected rejected ignored
    unexpected: matched unmatched duplicate rejected ignored
    matched: unmatched duplicate unexpected rejected ignored
    rejected: matched unmatched duplicate unexpected ignored
    ignored: unmatched duplicate unexpected matched rejected
    """
)
"""unmatched: no slide by what its label says, or nothing can be read; duplicate: another scan has the same barcode;
unexpected: its slide was cancelled, or has a scan that is good. One becomes the other when an order says more."""

TECHNIQUE: Final = _table(
    """
    requested: accepted refused done cancelled
    accepted: done refused cancelled
    refused:
    done:
    cancelled:
    """
)

REPORT: Final = _table(
    """
    draft: preliminary final cancelled
    preliminary: draft final cancelled
    final:
    cancelled: draft preliminary final
    """
)
"""Of one version; after a final one the next version is a correction or an addendum and begins as a draft."""


def check(table: Table, before: str, after: str) -> None:
    """Raises: Conflict("wrong_state") when `after` may not follow `before`; to stay is always allowed."""
    if after != before and after not in table[before]:
        raise Conflict("wrong_state", f"from {before} to {after} there is no way")
