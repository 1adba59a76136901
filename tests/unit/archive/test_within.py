"""Whatever somebody asks for, they get exactly what `decide` allows of what there is: rows, counts, bytes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamelle.access import shares
from lamelle.access.decide import decide, purposes, reach
from lamelle.access.model import (
    NOTHING,
    WHOLE,
    Action,
    Actor,
    Guest,
    Membership,
    Purpose,
    Reach,
    Resource,
    Role,
)
from lamelle.archive import arrivals, glance, patients, query, selection, thumbnails, within
from lamelle.archive.model import InstanceRef, Origin
from lamelle.archive.query import Level, Match, Query, search
from lamelle.archive.selection import Wanted
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import Gone, NotFound
from lamelle.base.ids import uid_from
from lamelle.testing import postgres
from lamelle.testing.archives import SetClock, store, stored
from lamelle.testing.instances import instance, slide

STUDIES, PLACES, ACTORS = 30, 5, 3
GUESTS = [
    *(Guest("actor", number, purpose) for number in range(1, ACTORS + 1) for purpose in Purpose),
    *(Guest("place", number, purpose) for number in range(1, PLACES + 2) for purpose in Purpose),
]
LABEL, OVERVIEW = (["ORIGINAL", "PRIMARY", kind, "NONE"] for kind in ("LABEL", "OVERVIEW"))


@dataclass(frozen=True, slots=True)
class World:
    """An archive of several places, and what there is of it."""

    archive: Archive
    resources: dict[str, Resource]
    """Of each study."""
    refs: tuple[InstanceRef, ...]

    def sees(self, actor: Actor, purpose: Purpose, ref: InstanceRef) -> bool:
        """What is written down nowhere else: the study is decided on, and its label is for who may see all labels."""
        labels = reach(actor, Action.VIEW, purpose).labels or not {"LABEL", "OVERVIEW"} & set(ref.image_type)
        return labels and self.may(actor, purpose, ref.study_uid)

    def may(self, actor: Actor, purpose: Purpose, study_uid: str) -> bool:
        return decide(actor, Action.VIEW, self.resources[study_uid], purpose)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("within")
    url = postgres.new_database() if os.environ.get("TEST_CATALOGUE") == "postgresql" else ""
    clock = SetClock()
    archive = Archive.open(ArchiveSettings(folder, url, reserve_bytes=0), clock)
    resources = {}
    for n in range(STUDIES):
        study, place = str(n), n * 7 % PLACES + 1
        about: dict[str, Any] = {"PatientID": f"P{n % 9}", "StudyDate": f"202601{n % 12 + 1:02d}"}
        about |= {"PatientName": ["Doe^Jane", "Roe^Ann", "Dorn^Al"][n % 3], "ProtocolName": "ab"[n % 2]}
        files = [instance(study, number=number, **about) for number in range(1, n % 3 + 1)]
        if n % 3 != 1:  # the label leads its series in some studies, and is alone in others
            files.append(slide([b"l"], study, "2", 1, ImageType=LABEL, ImageComments="read from the label", **about))
        if n % 4 == 0:
            files.append(slide([b"o"], study, "2", 2, ImageType=OVERVIEW, **about))
        if n % 2 == 0:
            files.append(slide([b"a", b"b"], study, "2", 3, **about))
        files = files or [instance(study, **about)]
        outcomes = _store(archive, files, place)
        guests = {GUESTS[(n * 5 + k * 11) % len(GUESTS)] for k in range(n % 4)}
        over = GUESTS[(n * 3 + 1) % len(GUESTS)]
        with archive.db.write() as conn:
            for at, guest in enumerate(sorted(guests, key=str)):
                until = [None, clock.now() + timedelta(seconds=1)][at % 2]
                shares.give(conn, [outcomes], guest, 1, clock.now(), until=until)
            shares.give(conn, [outcomes], over, 1, clock.now(), until=clock.now())
        resources[outcomes] = Resource(place, frozenset(guests))
    refs = [ref for uid in resources for ref in archive.retrieve.instances(WHOLE, uid)]
    yield World(archive, resources, tuple(refs))
    archive.close()


def _store(archive: Archive, files: list[bytes], place: int, bound: Reach = WHOLE) -> str:
    receptions = []
    for data in files:
        receptions.append(archive.ingest.receive(Origin("test", "", place, bound)))
        receptions[-1].write(data)
        receptions[-1].close()
    outcomes = archive.ingest.commit(receptions)
    assert all(outcome.status == "stored" for outcome in outcomes), outcomes
    return str(outcomes[0].study_uid)


@st.composite
def memberships(draw: st.DrawFn) -> Membership:
    department = draw(st.frozensets(st.integers(1, PLACES + 1), max_size=3))
    establishment = department | draw(st.frozensets(st.integers(1, PLACES), max_size=2))
    return Membership(draw(st.sampled_from(Role)), department, establishment, everywhere=draw(st.integers(0, 9)) == 0)


ACTOR = st.builds(
    Actor,
    st.integers(1, ACTORS),
    st.just("somebody"),
    memberships=st.lists(memberships(), min_size=1, max_size=2).map(tuple),
    actions=st.none() | st.just(frozenset({Action.VIEW})),
)
ASKING = ACTOR.flatmap(lambda actor: st.tuples(st.just(actor), st.sampled_from(purposes(actor))))
"""Somebody, and what for."""
KEYS = st.one_of(
    st.tuples(st.just("00080020"), st.sampled_from(["20260103", "20260102-20260108", "20260110-", "-20260104"])),
    st.tuples(st.just("00100020"), st.sampled_from(["P1", "P*", "P2"])),
    st.tuples(st.just("00100010"), st.sampled_from(["doe*", "do*", "*n*", "roe^ann"])),
    st.tuples(st.just("00080061"), st.sampled_from(["CT", "SM", "*"])),
    st.tuples(st.just("00181030"), st.sampled_from("ab")),
    st.tuples(st.just("00204000"), st.sampled_from(["read from the label", "*label"])),
    st.tuples(st.just("00200013"), st.sampled_from(["1", "2", "3"])),
    st.tuples(st.just("00080008"), st.sampled_from(["LABEL", "VOLUME", "OVERVIEW"])),
    st.tuples(st.just("00080018"), st.just(uid_from("instance", "4", "2", "1"))),
)
OF_INSTANCES = {"00080008", "00200013", "00080018", "00204000"}
UIDS = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}


def _uid(item: dict[str, Any], level: Level) -> str:
    return str(item[UIDS[level]]["Value"][0])


@pytest.mark.parametrize(("few", "steps", "alone"), [(0, (1, 8), 100), (4, (8, 30), 5), (2_000, (60,), 5)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asking=ASKING, data=st.data())
def test_a_search_finds_and_counts_what_is_allowed_of_all_there_is(
    world: World, few: int, steps: tuple[int, ...], alone: int, asking: tuple[Actor, Purpose], data: st.DataObject
) -> None:
    actor, purpose = asking
    archive, level = world.archive, data.draw(st.sampled_from(Level))
    keys = data.draw(st.lists(KEYS, max_size=3, unique_by=lambda key: key[0]))
    limit, offset = data.draw(st.none() | st.integers(0, 12)), data.draw(st.integers(0, 9))
    asked = Query(level, tuple(Match((tag,), value) for tag, value in keys), limit=limit, offset=offset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query, "FEW", few)
        patch.setattr(query, "WALKS", steps)
        patch.setattr(query, "FURTHER", 2)
        patch.setattr(query, "COUNTED", 3)
        patch.setattr(query, "ALONE", alone)
        page = search(archive.db, reach(actor, Action.VIEW, purpose), asked, clock=archive.clock)
    everything = search(archive.db, WHOLE, replace(asked, limit=None, offset=0)).items
    allowed = [item for item in everything if world.may(actor, purpose, _uid(item, Level.STUDY))]
    if level is Level.INSTANCE or OF_INSTANCES & {tag for tag, _ in keys}:
        by_instance = search(archive.db, WHOLE, replace(asked, level=Level.INSTANCE, limit=None, offset=0)).items
        refs = {ref.sop_uid: ref for ref in world.refs}
        seen = [item for item in by_instance if world.sees(actor, purpose, refs[_uid(item, Level.INSTANCE)])]
        allowed = [item for item in allowed if _uid(item, level) in {_uid(each, level) for each in seen}]
    expected = allowed[offset:] if limit is None else allowed[offset : offset + limit]
    assert [_uid(item, level) for item in page.items] == [_uid(item, level) for item in expected]
    more = 0 if limit is None else max(0, len(allowed) - offset - limit)
    assert page.remaining == more if page.exact else 0 < page.remaining <= more
    for item in page.items:
        _counts_follow(world, actor, purpose, item)


def _counts_follow(world: World, actor: Actor, purpose: Purpose, item: dict[str, Any]) -> None:
    """The numbers of instances that a result tells are of those that may be seen."""
    seen = [ref for ref in world.refs if world.sees(actor, purpose, ref)]
    for tag, level, name in (("00201208", Level.STUDY, "study_uid"), ("00201209", Level.SERIES, "series_uid")):
        if tag in item:
            assert item[tag]["Value"] == [sum(getattr(ref, name) == _uid(item, level) for ref in seen)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asking=ASKING)
def test_everything_else_that_leaves_is_what_is_allowed(world: World, asking: tuple[Actor, Purpose]) -> None:
    actor, purpose = asking
    archive, view = world.archive, reach(actor, Action.VIEW, purpose)
    expected = [ref for ref in world.refs if world.sees(actor, purpose, ref)]
    clock = archive.clock
    for ref in world.refs:  # held open for somebody else
        archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)
    got, read, tiles, at_hand = [], [], [], []
    for uid in world.resources:
        got += _or_nothing(lambda uid=uid: archive.retrieve.instances(view, uid))
        read += _or_nothing(lambda uid=uid: [r for r, _ in archive.retrieve.metadata(view, uid)])
    for ref in world.refs:
        names = ref.study_uid, ref.series_uid, ref.sop_uid
        tiles += _or_nothing(lambda names=names: [archive.retrieve.opened(view, *names).ref])
        held = archive.retrieve.at_hand(view, *names)
        at_hand += [held.ref] if held else []
    assert got == read == tiles == expected
    assert at_hand == [ref for ref in expected if view.everything or ref.place in view.places]
    chosen = selection.select(archive.db, view, Wanted(study_uids=tuple(world.resources)), clock=clock)
    everybody = selection.select(archive.db, WHOLE, Wanted(study_uids=tuple(world.resources)))
    sent = {ref for ref in selection.refs(archive.db, view, everybody.ids, clock=clock) if ref is not None}
    assert len(chosen) == len(expected) and sent == set(expected)
    cards = glance.series_of(archive.db, view, list(world.resources), clock=clock)
    assert {uid for uid in cards if cards[uid]} == {uid for uid in cards if world.may(actor, purpose, uid)}
    assert sum(card.instances for listed in cards.values() for card in listed) == len(expected)
    came = arrivals.recent(archive.db, view, 1000, clock=clock)
    assert {arrival.study_uid for arrival in came} == {uid for uid in cards if cards[uid]}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asking=ASKING, who=st.sampled_from(["", "P1", "P*"]))
def test_patients_are_those_of_allowed_studies(world: World, asking: tuple[Actor, Purpose], who: str) -> None:
    actor, purpose = asking
    archive, view = world.archive, reach(actor, Action.VIEW, purpose)
    asked = Query(Level.STUDY, (Match(("00100020",), who),) if who else (), include=frozenset({"00201200", "00201204"}))
    found = list(patients.found(archive.db, view, asked, clock=archive.clock))
    mine = [ref for ref in world.refs if world.may(actor, purpose, ref.study_uid)]
    names = {ref.patient_id for ref in mine if who in ("", "P*", ref.patient_id)}
    assert {item["00100020"]["Value"][0] for item in found} == names
    for item in found:
        own = [ref for ref in mine if ref.patient_id == item["00100020"]["Value"][0]]
        assert item["00201200"]["Value"] == [len({ref.study_uid for ref in own})]
        assert item["00201204"]["Value"] == [sum(world.sees(actor, purpose, ref) for ref in own)]


def _or_nothing(get: Any) -> list[InstanceRef]:
    try:
        return list(get())
    except NotFound as error:
        assert not isinstance(error, Gone)
        return []


STRANGER = Reach(False, frozenset({4}))


def test_what_is_out_of_reach_is_told_as_what_does_not_exist(archive: Archive) -> None:
    """Open or not, deleted or not, whatever is asked: the same words."""
    stored(archive, [instance()])
    [ref] = archive.retrieve.instances(WHOLE, uid_from("study", "1"))
    archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)
    there, nowhere = (ref.study_uid, ref.series_uid, ref.sop_uid), ("1.2", "1.3", "1.4")

    def told(names: tuple[str, str, str]) -> list[tuple[str, str]]:
        ways = [
            lambda: archive.retrieve.instances(STRANGER, names[0]),
            lambda: archive.retrieve.instances(STRANGER, *names[:2]),
            lambda: archive.retrieve.instances(STRANGER, *names),
            lambda: list(archive.retrieve.metadata(STRANGER, names[0])),
            lambda: archive.retrieve.opened(STRANGER, *names),
            lambda: thumbnails.of_study(archive, STRANGER, names[0]),
            lambda: thumbnails.of_series(archive, STRANGER, *names[:2]),
            lambda: thumbnails.of_instance(archive, STRANGER, *names),
            lambda: _delete(archive, STRANGER, *names),
        ]
        return [_told(way) for way in ways]

    assert told(there) == told(nowhere)
    assert archive.retrieve.at_hand(STRANGER, *there) is None
    assert archive.retrieve.at_hand(WHOLE, *there) is not None, "a stranger's question takes nothing from others"
    _delete(archive, WHOLE, ref.study_uid)
    assert told(there) == told(nowhere)
    with pytest.raises(Gone):
        archive.retrieve.instances(Reach(False, frozenset({1})), ref.study_uid)


def _delete(archive: Archive, bound: Reach, *names: str) -> int:
    from lamelle.archive import lifecycle

    return lifecycle.delete(archive.db, archive.blobs, archive.clock, bound, *names)


def _told(way: Any) -> tuple[str, str]:
    with pytest.raises(NotFound) as caught:
        way()
    assert not isinstance(caught.value, Gone)
    return caught.value.code, caught.value.message


def test_an_open_instance_is_a_guests_while_it_is_shared(archive: Archive, clock: SetClock) -> None:
    stored(archive, [instance()])
    [ref] = archive.retrieve.instances(WHOLE, uid_from("study", "1"))
    names, guest = (ref.study_uid, ref.series_uid, ref.sop_uid), Guest("actor", 9, Purpose.OPINION)
    time_s = [100.0]
    retrieve = type(archive.retrieve)(archive.db, archive.blobs, archive.settings, clock=clock, now_s=lambda: time_s[0])
    expert = Reach(False, frozenset(), frozenset({guest}), labels=False)
    with archive.db.write() as conn:
        shares.give(conn, [ref.study_uid], guest, 1, clock.now(), until=clock.now() + timedelta(hours=1))
    assert retrieve.opened(expert, *names).ref == ref
    assert retrieve.at_hand(expert, *names) is None, "only the long way asks for shares"
    with archive.db.write() as conn:
        shares.withdraw(conn, 1, clock.now())
    assert retrieve.opened(expert, *names).ref == ref, "remembered"
    time_s[0] += 1.1
    with pytest.raises(NotFound):
        retrieve.opened(expert, *names)
    assert retrieve.at_hand(WHOLE, *names) is not None


def test_nobody_stores_into_what_is_out_of_reach(archive: Archive) -> None:
    stored(archive, [instance()])
    mine = Origin("test", "", 4, STRANGER)
    for data in (instance(number=2), instance(), instance("2", SOPInstanceUID=uid_from("instance", "1", "1", "1"))):
        reception = archive.ingest.receive(mine)
        reception.write(data)
        reception.close()
        [outcome] = archive.ingest.commit([reception])
        assert (outcome.status, outcome.code) == ("refused", "not_allowed")
        assert outcome.message == "the sender may not store into this study"
    _delete(archive, WHOLE, uid_from("study", "1"))
    reception = archive.ingest.receive(mine)
    reception.write(instance())
    reception.close()
    assert archive.ingest.commit([reception])[0].code == "not_allowed", "what was deleted is still another's"
    assert [blob.key for blob in archive.blobs.list("aside/")] == []
    assert len(list(archive.blobs.list("instances/"))) == 1
    assert search(archive.db, WHOLE, Query(Level.STUDY)).items == []


def test_a_new_study_belongs_to_its_senders_place_and_comes_back_to_it(archive: Archive) -> None:
    uid = _store(archive, [instance()], 4, STRANGER)
    assert archive.retrieve.instances(STRANGER, uid)[0].place == 4
    assert _store(archive, [instance(number=2)], 1) == uid
    assert [ref.place for ref in archive.retrieve.instances(WHOLE, uid)] == [4, 4]
    _delete(archive, WHOLE, uid)
    store(archive, instance())
    assert archive.retrieve.instances(WHOLE, uid)[0].place == 4


def test_nothing_reaches_nothing_and_everything_asks_nothing(archive: Archive) -> None:
    stored(archive, [instance()])
    assert search(archive.db, NOTHING, Query(Level.STUDY, limit=5)) == query.Page([], 0)
    with archive.db.read() as conn:
        now = archive.clock.now()
        bound = within.bounds(conn, WHOLE, now)
        assert within.studies(conn, bound) == within.one(WHOLE, now) == within.shown(WHOLE) == []
