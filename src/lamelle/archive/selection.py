"""Many instances to be given out together: how many, of which kinds, then one after the other.

Whole studies may be asked for: of each instance only its row number is held.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.archive.catalogue import instance, series, study
from lamelle.archive.model import InstanceRef
from lamelle.archive.retrieve import IN_ORDER, JOINED, REF_COLUMNS, to_ref
from lamelle.base.clock import Clock
from lamelle.base.db import Database

BATCH = 200
CHUNK = 500

Kind = tuple[str, str]
"""SOP class and transfer syntax."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which instances: those that have one of the names given, at every level; no names: whatever they are."""

    patient_ids: tuple[str, ...] = ()
    study_uids: tuple[str, ...] = ()
    series_uids: tuple[str, ...] = ()
    sop_uids: tuple[str, ...] = ()


@dataclass(slots=True)
class Selection:
    """What was found."""

    ids: "array[int]" = field(default_factory=lambda: array("q"))
    kinds: Counter[Kind] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, number: int, sop_class: str, transfer_syntax: str) -> None:
        """One more."""
        self.ids.append(number)
        self.kinds[sop_class, transfer_syntax] += 1


def select(db: Database, reach: Reach, wanted: Wanted, *, clock: Clock = within.CLOCK) -> Selection:
    """What there is of it within reach, by study, series and instance number; nothing when no name is given at all."""
    names = (
        (study.c.patient_id, wanted.patient_ids),
        (study.c.uid, wanted.study_uids),
        (series.c.uid, wanted.series_uids),
        (instance.c.uid, wanted.sop_uids),
    )
    given = [(column, values) for column, values in names if values]
    found = Selection()
    if not given:
        return found
    longest = max(given, key=lambda pair: len(pair[1]))
    base = sa.select(instance.c.id, instance.c.sop_class, instance.c.transfer_syntax).select_from(JOINED)
    base = base.where(*within.one(reach, clock.now()), *within.shown(reach))
    for column, values in given:
        if column is not longest[0]:
            base = base.where(column.in_(values))
    with db.read() as conn:
        for chunk in _chunks(sorted(set(longest[1]))):
            rows = base.where(longest[0].in_(chunk)).order_by(study.c.id, *IN_ORDER)
            for number, sop_class, transfer_syntax in conn.execution_options(yield_per=BATCH).execute(rows):
                found.add(number, sop_class, transfer_syntax)
    return found


def kinds(db: Database, ids: Sequence[int]) -> frozenset[Kind]:
    """The classes and syntaxes of these rows."""
    query = sa.select(instance.c.sop_class, instance.c.transfer_syntax).distinct()
    found: set[Kind] = set()
    with db.read() as conn:
        for at in range(0, len(ids), CHUNK):
            rows = conn.execute(query.where(instance.c.id.in_(list(ids[at : at + CHUNK]))))
            found.update((row.sop_class, row.transfer_syntax) for row in rows)
    return frozenset(found)


def usual(db: Database, sop_class: str, transfer_syntaxes: Collection[str]) -> str | None:
    """Which of the syntaxes instances of a class mostly have, by a sample; None when they have none of them."""
    sample = sa.select(instance.c.transfer_syntax).where(instance.c.sop_class == sop_class).limit(BATCH)
    with db.read() as conn:
        counted = Counter(conn.execute(sample).scalars())
    return next((syntax for syntax, _ in counted.most_common() if syntax in transfer_syntaxes), None)


def refs(
    db: Database, reach: Reach, ids: Sequence[int], *, clock: Clock = within.CLOCK
) -> Iterator[InstanceRef | None]:
    """The instances of these rows in this order, None for one deleted or out of reach; no transaction stays open."""
    for at in range(0, len(ids), BATCH):
        batch = list(ids[at : at + BATCH])
        with db.read() as conn:
            query = sa.select(*REF_COLUMNS).select_from(JOINED).where(instance.c.id.in_(batch))
            rows = conn.execute(query.where(*within.one(reach, clock.now()), *within.shown(reach)))
            there = {row.id: to_ref(row) for row in rows}
        for number in batch:
            yield there.get(number)


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[at : at + CHUNK] for at in range(0, len(values), CHUNK))
