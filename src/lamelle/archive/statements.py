"""What the catalogue is asked and told for every instance received, made once: making a statement takes ten times what
running it takes. What they are for stands in filing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from lamelle.archive import catalogue
from lamelle.archive.catalogue import instance, known_patient, series, study, tombstone
from lamelle.base.db import insert_in

CHUNK = 500
"""Values in one IN list."""


@dataclass(frozen=True, slots=True)
class Among:
    """A question about the rows that have one of some values: of one value it is asked more cheaply."""

    one: sa.Select[Any]
    several: sa.Select[Any]

    def rows(self, conn: sa.Connection, values: Sequence[str]) -> Iterator[Any]:
        """The rows, in no order between one IN list and the next."""
        if len(values) == 1:
            yield from conn.execute(self.one, {"values": values[0]})
            return
        for at in range(0, len(values), CHUNK):
            yield from conn.execute(self.several, {"values": values[at : at + CHUNK]})


def among(query: sa.Select[Any], column: sa.Column[Any]) -> Among:
    """`query` of the rows whose `column` has one of some values."""
    one = query.where(column == sa.bindparam("values"))
    return Among(one, query.where(column.in_(sa.bindparam("values", expanding=True))))


KNOWN = among(sa.select(instance.c.uid, instance.c.digest), instance.c.uid)
HELD = among(sa.select(instance.c.uid).order_by(instance.c.uid).with_for_update(), instance.c.uid)
BURIED = among(sa.select(tombstone.c.uid, tombstone.c.key).order_by(tombstone.c.uid).with_for_update(), tombstone.c.uid)
BURIED_STUDY = among(sa.select(tombstone.c.study_uid, tombstone.c.place).distinct(), tombstone.c.study_uid)
STUDY_THERE = among(sa.select(study.c.uid), study.c.uid)
STUDY_LOCKED = among(sa.select(study.c.id).order_by(study.c.uid).with_for_update(), study.c.uid)
STUDY = among(sa.select(study), study.c.uid)
SERIES = among(sa.select(series), series.c.uid)
KNOWN_PATIENT = among(sa.select(known_patient), known_patient.c.study_uid)

INSERT_SERIES = sa.insert(series).returning(series.c.id, series.c.study_id, series.c.uid)
INSERT_METADATA = sa.insert(catalogue.metadata)
INSERT_FRAMES = sa.insert(catalogue.frame_index)
UPDATE_SERIES = sa.update(series).where(series.c.id == sa.bindparam("this"))
UPDATE_STUDY = sa.update(study).where(study.c.id == sa.bindparam("this"))
"""What else is given are the columns to be set."""


@cache
def insert_study(dialect: str) -> sa.Executable:
    """A study that may be there by now."""
    return insert_in(dialect, study).on_conflict_do_nothing()


@cache
def insert_instance(dialect: str) -> sa.Executable:
    """An instance that may be there by now: the ids and UIDs of those that were not."""
    return insert_in(dialect, instance).on_conflict_do_nothing().returning(instance.c.id, instance.c.uid)


@cache
def add_to_cells(table: sa.Table, dialect: str, amounts: tuple[str, ...]) -> sa.Executable:
    """Add `amounts` to the cells of a tally."""
    insert = insert_in(dialect, table)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: table.c[name] + insert.excluded[name] for name in amounts},
    )
