"""Who may store into which study: an instance is refused where its sender's reach ends, and leaves nothing behind."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from lamelle.archive import within
from lamelle.archive.catalogue import instance, study, tombstone
from lamelle.archive.filing import Record
from lamelle.archive.model import Origin
from lamelle.archive.statements import among


def denied(conn: sa.Connection, asked: Sequence[tuple[Origin, Record]], now: datetime) -> set[int]:
    """Those, by the identity of their records, whose sender may not store them.

    Asked for is the study they belong to, and any other where an instance of the same UID is or was.
    """
    careful = [(origin, record) for origin, record in asked if not origin.reach.everything]
    if not careful:
        return set()
    found = _homes(conn, {record.study_uid for _, record in careful}, {record.uid for _, record in careful})

    def homes(origin: Origin, record: Record) -> set[tuple[str, int]]:
        own = found.get(record.study_uid) or {(record.study_uid, origin.place)}
        return own | found.get(record.uid, set())

    return {
        id(record)
        for origin, record in careful
        if not all(within.holds(conn, origin.reach, uid, place, now) for uid, place in homes(origin, record))
    }


def _homes(conn: sa.Connection, studies: Iterable[str], uids: Iterable[str]) -> dict[str, set[tuple[str, int]]]:
    """For each study and instance that is or was here the studies it means, each with its place."""
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for asked, question in ((studies, _STUDY), (studies, _BURIED_STUDY), (uids, _INSTANCE), (uids, _BURIED)):
        for uid, study_uid, place in question.rows(conn, sorted(asked)):
            found[uid].add((study_uid, place))
    return found


_STUDY = among(sa.select(study.c.uid, study.c.uid, study.c.place), study.c.uid)
_BURIED_STUDY = among(
    sa.select(tombstone.c.study_uid, tombstone.c.study_uid, tombstone.c.place).distinct(), tombstone.c.study_uid
)
_INSTANCE = among(
    sa.select(instance.c.uid, study.c.uid, study.c.place).join(study, study.c.id == instance.c.study_id), instance.c.uid
)
_BURIED = among(sa.select(tombstone.c.uid, tombstone.c.study_uid, tombstone.c.place).distinct(), tombstone.c.uid)
