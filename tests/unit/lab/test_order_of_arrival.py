"""Messages twice, late, out of order, for a patient who is merged, two at a time: the end is the same."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import Any, Final, Literal

import hypothesis.strategies as st
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from lamelle.lab import cases, patients, reporting
from lamelle.lab.orders import BlockSaid, Identifier, Identity, MergeSaid, Order, ReportSaid, SlideSaid, SpecimenSaid
from lamelle.lab.records import block, case, patient, report, scan, slide, specimen
from lamelle.lab.room import Lab
from lamelle.testing.laboratory import at

Message = Callable[[Lab], object]
SALTS: Final = count()
"""Each story has names of its own, so that all live in one catalogue."""
WORLD: Final = (patient, case, specimen, block, slide, scan)
OURS: Final = frozenset({"id", "said", "created_at", "updated_at", "study_uid", "ready_at", "arrived_at", "priority"})
"""What the clock or chance gives, and what only tells how a row came to be."""


def story(salt: str) -> list[Message]:
    """What is said of one case and its patient, in the order it is said."""

    def name(text: str) -> Identifier:
        return Identifier(f"{text}{salt}", "X")

    old, new = Identity((name("77"), name("LAB")), family="DUPONT"), Identity((name("3"), name("LAB")), family="DUPOND")
    number, pot, cassette = name("25P1-"), name("A-"), name("A1-")

    def order(minutes: float, *slides: SlideSaid, **said: Any) -> Message:
        return lambda lab: cases.take(lab, Order(number, at(minutes), slides=slides, **said))

    def wrote(minutes: float, state: Literal["preliminary", "final", "corrected"]) -> Message:
        return lambda lab: reporting.take(lab, ReportSaid(number, at(minutes), "LIS", state, text=f"{state} {minutes}"))

    def glass(digit: int, **said: Any) -> SlideSaid:
        return SlideSaid(name(f"S{digit}-"), block=cassette, **said)

    parts: dict[str, Any] = {
        "specimens": (SpecimenSaid(pot, part="A"),),
        "blocks": (BlockSaid(cassette, specimen=pot),),
    }
    return [
        order(0, glass(1), glass(2), patient=old, description="first", requester="Dr A", **parts),
        lambda lab: patients.merge(lab, MergeSaid(old, new.identifiers[0], at(1))),
        lambda lab: patients.merge(lab, MergeSaid(new, old.identifiers[0], at(2))),
        lambda lab: patients.say(lab, replace(new, given="JEAN", family="DUPONT-DURAND"), at(3)),
        order(4, glass(1, stain_code="HES"), glass(3), urgency="urgent", description="second"),
        lambda lab: scanned(lab, name("S1-").value),
        lambda lab: scanned(lab, name("S2-").value),
        order(7, glass(2, control="cancel")),
        order(8, control="cancel"),
        order(8, glass(1, state="stained"), patient=new, frozen=True),
        order(9, glass(3, state="archived", location="B2"), blocks=(BlockSaid(cassette, location="C7"),)),
        wrote(10, "preliminary"),
        wrote(11, "final"),
        wrote(12, "corrected"),
        order(13, glass(3, control="cancel"), control="put"),
        wrote(14, "preliminary"),
    ]


def scanned(lab: Lab, barcode: str) -> None:
    """A scan arrives; it is matched now, or once its slide is known."""
    now = lab.clock.now()
    with lab.db.write() as conn:
        if conn.execute(sa.select(scan.c.id).where(scan.c.barcode == barcode)).first() is None:
            values = {"barcode": barcode, "study_uid": "1.2", "series_uid": f"1.{barcode}", "state": "unmatched"}
            conn.execute(sa.insert(scan).values(**values, quality="pass", arrived_at=now, updated_at=now))


def match(lab: Lab) -> None:
    """What the desk does of its own after each message, in short."""
    with lab.db.write() as conn:
        joined = sa.select(scan.c.id, slide.c.id.label("slide"), slide.c.case_id).join(
            slide, slide.c.identifier == scan.c.barcode
        )
        for row in conn.execute(joined.where(scan.c.state == "unmatched").order_by(scan.c.id)).all():
            values = {"state": "matched", "slide_id": row.slide}
            conn.execute(sa.update(scan).where(scan.c.id == row.id).values(**values))
            cases.touch(conn, lab, row.case_id)


def world(lab: Lab, salt: str) -> list[dict[str, Any]]:
    """All that is known of a story, each row told by names and not by numbers."""
    with lab.db.read() as conn:
        rows = {table.name: conn.execute(sa.select(table)).mappings().all() for table in WORLD}
        names = {
            (table, row["id"]): row.get("identifier") or row.get("accession") or row["barcode"]
            for table, found in rows.items()
            for row in found
        }
        told = [
            {
                "table": table,
                **{column: shown(names, column, value) for column, value in row.items() if column not in OURS},
            }
            for table, found in rows.items()
            for row in found
            if salt in str(names[table, row["id"]])
        ]
        mine = [row["id"] for row in rows["pathology_case"] if salt in row["accession"]]
        written = sa.select(report.c.state, report.c.text, report.c.written_at, report.c.validated_at)
        reports = conn.execute(written.where(report.c.case_id.in_(mine)).order_by(report.c.written_at)).mappings()
        told += [dict(row) for row in reports]
    return sorted((nameless(row, salt) for row in told), key=repr)


POINTS: Final = {
    "patient_id": "patient",
    "said_patient_id": "patient",
    "merged_into": "patient",
    "case_id": "pathology_case",
    "specimen_id": "specimen",
    "block_id": "block",
    "slide_id": "slide",
}


def shown(names: dict[tuple[str, int], str], column: str, value: Any) -> Any:
    return names[POINTS[column], value] if column in POINTS and value is not None else value


def nameless(row: dict[str, Any], salt: str) -> dict[str, Any]:
    """Without what tells one story's names from another's."""
    return {column: value.replace(salt, "") if isinstance(value, str) else value for column, value in row.items()}


def told(lab: Lab, picks: Sequence[int]) -> list[dict[str, Any]]:
    salt = f"<{next(SALTS)}>"
    messages = story(salt)
    for pick in picks:
        messages[pick](lab)
        match(lab)
    return world(lab, salt)


SIZE: Final = len(story(""))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    said=st.sets(st.integers(0, SIZE - 1), min_size=4).flatmap(lambda picks: st.permutations(sorted(picks))),
    again=st.lists(st.integers(0, SIZE - 1), max_size=4),
)
def test_messages_end_alike_in_any_order(lab: Lab, said: list[int], again: list[int]) -> None:
    arrived = said + [pick for pick in again if pick in said]
    assert told(lab, arrived) == told(lab, sorted(said))


def test_the_whole_story_backwards(lab: Lab) -> None:
    forward = told(lab, range(SIZE))
    assert told(lab, range(SIZE - 1, -1, -1)) == forward
    (found,) = (row for row in forward if row.get("table") == "pathology_case")
    assert (found["state"], found["patient_id"], found["said_patient_id"]) == ("reopened", "3", "3")
    states = {row["identifier"]: row["state"] for row in forward if row.get("table") == "slide"}
    assert states == {"S1-": "available", "S2-": "cancelled", "S3-": "archived"}


def test_two_writers_at_once_end_like_one(lab: Lab) -> None:
    alone = told(lab, range(SIZE))
    salt = f"<{next(SALTS)}>"
    messages = story(salt)
    turns = [[*range(SIZE)], [*range(SIZE - 1, -1, -1)], [*range(0, SIZE, 2), *range(1, SIZE, 2)]]

    def writer(turn: list[int]) -> None:
        for pick in turn:
            messages[pick](lab)

    with ThreadPoolExecutor(len(turns)) as pool:
        list(pool.map(writer, turns))
    match(lab)
    assert world(lab, salt) == alone
