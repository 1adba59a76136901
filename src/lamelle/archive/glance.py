"""What lists show of many studies at once: the series of each, in one query. Nothing is matched here."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.archive.catalogue import instance, series, study
from lamelle.base.clock import Clock
from lamelle.base.db import Database


@dataclass(frozen=True, slots=True)
class SeriesGlance:
    """One series as a card shows it; `stains` are the substances its specimen preparation names."""

    uid: str
    sop_class_uid: str
    modality: str
    description: str
    number: int | None
    instances: int
    container: str
    stains: tuple[str, ...]


def series_of(
    db: Database, reach: Reach, study_uids: Sequence[str], *, clock: Clock = within.CLOCK
) -> dict[str, list[SeriesGlance]]:
    """The series of each study, by number; a study without any, unknown or out of reach has an empty list."""
    wanted = (
        sa.select(
            study.c.uid,
            series.c.uid,
            instance.c.sop_class,
            series.c.modality,
            series.c.description,
            series.c.number,
            within.counted(reach, series),
            series.c.container_id,
            series.c.stains,
        )
        .select_from(study.join(series, series.c.study_id == study.c.id))
        .outerjoin(instance, instance.c.uid == series.c.lead)
        .where(study.c.uid.in_(study_uids), *within.one(reach, clock.now()))
        .order_by(series.c.number, series.c.id)
    )
    found: dict[str, list[SeriesGlance]] = {uid: [] for uid in study_uids}
    with db.read() as conn:
        for study_uid, uid, sop_class, modality, description, number, instances, container, stains in conn.execute(
            wanted
        ):
            words = tuple(word for word in stains.split("\\") if word)
            card = SeriesGlance(uid, sop_class or "", modality, description, number, instances, container, words)
            found[study_uid].append(card)
    return found
