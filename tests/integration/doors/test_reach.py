"""No HTTP door gives a byte or a count of what `decide` forbids, nor keeps back what it allows.

Random people, roles, tokens and shares ask for everything there is, with real tokens, through the whole application.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamelle.access import identify, people, places, scopes, shares, tokens
from lamelle.access.decide import decide, purposes, reach
from lamelle.access.model import WHOLE, Action, Caller, Guest, Purpose, Resource, Role
from lamelle.access.room import Access
from lamelle.access.settings import AccessSettings
from lamelle.archive.model import Origin
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.ops import config, wiring
from lamelle.testing import browser, instances, pictures
from lamelle.testing.browser import Client
from lamelle.testing.pictures import SlideShape

EVERYTHING: Final = " ".join(word for action in Action if scopes.actions(word := f"lamelle/{action.value}"))
"""What a token can be given at all."""
SHAPE: Final = SlideShape(300, 200, 256, (1, 3))


@dataclass(frozen=True)
class Study:
    """What is asked for, and what may not be in an answer to somebody else."""

    name: str
    place: int
    slide: bool

    @property
    def uid(self) -> str:
        return uid_from("study", self.name)

    @property
    def series(self) -> str:
        return uid_from("series", self.name, "s")

    @property
    def path(self) -> str:
        return f"/dicomweb/studies/{self.uid}"

    @property
    def image(self) -> str:
        return f"{self.path}/series/{self.series}/instances/{uid_from('instance', self.name, 's', '1')}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The instances that show who the patient is."""
        return tuple(uid_from("instance", self.name, "s", n) for n in "34") if self.slide else ()


class House:
    """Two establishments with departments and a study in each place, the application, and who asks it."""

    def __init__(self, folder: Path) -> None:
        self.settings = config.Settings(
            archive=ArchiveSettings(folder, reserve_bytes=0), access=AccessSettings(sign_in="required")
        )
        self.archive = Archive.open(self.settings.archive)
        with self.archive.db.write() as conn:
            second = places.add(conn, "establishment", "Second")
            below = [places.add(conn, "department", "Department", above) for above in (1, 1, second)]
        self.places = [1, second, *below]
        self.studies = [Study(f"study{place}", place, place in below) for place in self.places]
        for study in self.studies:
            made = {"PatientID": f"Patient-{study.name}", "PatientName": f"Name{study.name}^A"}
            files = (
                pictures.slide(study.name, "s", SHAPE, **made)
                if study.slide
                else [instances.instance(study.name, "s", n, **made) for n in (1, 2)]
            )
            self.store(files, study.place)
        self.access = Access.open(self.archive.db, self.archive.clock, self.settings.access)
        self.application = wiring.application(self.settings).asgi
        self.client: Client = browser.client(self.application)
        self._people = 0

    def store(self, files: list[bytes], place: int) -> None:
        receptions = []
        for data in files:
            reception = self.archive.ingest.receive(Origin("test", place=place))
            reception.write(data)
            reception.close()
            receptions.append(reception)
        assert {outcome.status for outcome in self.archive.ingest.commit(receptions)} == {"stored"}

    def somebody(
        self, roles: list[tuple[Role, int | None]], shared: list[tuple[Study, bool, Purpose]], chosen: Any
    ) -> tuple[str, Caller]:
        """A token of a new person, and who that is; `shared` with them, or with the place of their first role."""
        self._people += 1
        now = datetime.now(UTC)
        with self.archive.db.write() as conn:
            number = people.add(conn, f"somebody{self._people}", now)
            for role, place in roles:
                people.appoint(conn, number, role, place)
            for study, personally, purpose in shared:
                place = roles[0][1] if roles else None
                guest = Guest("actor", number, purpose) if personally or not place else Guest("place", place, purpose)
                shares.give(conn, [study.uid], guest, number, now)
            known = purposes(people.load(conn, number, now)) or tuple(Purpose)
            scope, at = chosen
            purpose = known[at % len(known)]
            token, _ = tokens.make(conn, number, "t", scope, purpose, 1, now, self.settings.access)
        return token, identify.caller(self.access, bearer=token)

    def may(self, caller: Caller, action: Action, study: Study) -> bool:
        with self.archive.db.read() as conn:
            guests = shares.guests(conn, study.uid, datetime.now(UTC))
        return decide(caller.actor, action, Resource(study.place, guests), caller.purpose)

    def close(self) -> None:
        browser.close(self.application)
        self.archive.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house") / "data")
    yield made
    made.close()


def asked_of(study: Study) -> Iterator[tuple[str, Action]]:
    """Everything that can be asked about one study, and what it takes."""
    series, image = f"{study.path}/series/{study.series}", study.image
    for path in (study.path, series, image):
        yield path, Action.EXPORT
        yield f"{path}/metadata", Action.VIEW
        yield f"{path}/thumbnail", Action.VIEW
    yield f"{image}/frames/1", Action.VIEW
    yield f"{image}/frames/1/rendered", Action.VIEW
    yield f"{image}/pixeldata", Action.VIEW
    yield f"{image}/bulkdata/7FE00010", Action.VIEW
    yield f"/api/studies/{study.uid}", Action.VIEW
    yield f"/api/series/{study.series}/thumbnail", Action.VIEW
    yield f"/api/series/{study.series}/stack", Action.VIEW
    yield f"/api/series/{study.series}/file", Action.EXPORT
    if study.slide:
        yield f"/api/slides/{study.series}", Action.VIEW
        yield f"/api/slides/{study.series}/levels/0/tiles/0/0", Action.VIEW
        yield f"/api/slides/{study.series}/label", Action.VIEW_LABEL
        yield f"{series}/instances/{study.labels[0]}/frames/1", Action.VIEW_LABEL
        yield f"{series}/instances/{study.labels[0]}/metadata", Action.VIEW_LABEL


ROLES = st.lists(st.tuples(st.sampled_from(Role), st.sampled_from([0, 1, 2, 3, 4, 4])), min_size=0, max_size=2)
SHARED = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from(Purpose)), max_size=2)
SCOPES = st.sampled_from(
    [
        EVERYTHING,
        "lamelle/view",
        "lamelle/view lamelle/view_label",
        "lamelle/view lamelle/export",
        "lamelle/store",
    ]
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(roles=ROLES, everywhere=st.integers(0, 9), shared=SHARED, chosen=st.tuples(SCOPES, st.integers(0, 4)))
def test_what_is_given_is_what_is_decided(
    house: House, roles: list[tuple[Role, int]], everywhere: int, shared: list[tuple[int, bool, Purpose]], chosen: Any
) -> None:
    held = [(role, None if everywhere == 0 else house.places[at]) for role, at in roles]
    token, caller = house.somebody(held, [(house.studies[at], me, why) for at, me, why in shared], chosen)
    allowed = [study for study in house.studies if house.may(caller, Action.VIEW, study)]
    check_lists(house, token, caller, allowed)
    for study in house.studies:
        for path, action in asked_of(study):
            answer = house.client(path, authorization=f"Bearer {token}", accept="*/*")
            check(house, caller, study, path, action, answer)


def check(house: House, caller: Caller, study: Study, path: str, action: Action, answer: Any) -> None:
    route = Action.VIEW if action is Action.VIEW_LABEL and path.startswith("/dicomweb") else action
    extent = reach(caller.actor, route, caller.purpose)
    if not extent:
        assert answer.status_code == 403, path
    elif house.may(caller, route, study) and (action is route or extent.labels):
        assert answer.status_code in {200, 206}, (path, answer.content[:200])
    else:
        assert answer.status_code == 404, (path, action, answer.status_code)
    seen = [study] if answer.status_code < 300 else []
    nothing_else(house, caller, path, answer, seen)
    for label in study.labels:
        if label.encode() in answer.content and label not in path:
            assert house.may(caller, Action.VIEW_LABEL, study), path


def check_lists(house: House, token: str, caller: Caller, allowed: list[Study]) -> None:
    """Lists, pages and counts of all levels."""
    levels = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}
    for level, tag in levels.items():
        answer = house.client(f"/dicomweb/{level}", authorization=f"Bearer {token}", accept="application/dicom+json")
        if not reach(caller.actor, Action.VIEW, caller.purpose):
            assert answer.status_code == 403
            continue
        items = json.loads(answer.content) if answer.content else []
        assert {item["0020000D"]["Value"][0] for item in items} == {study.uid for study in allowed}
        assert len({item[tag]["Value"][0] for item in items}) == len(items)
        nothing_else(house, caller, level, answer, allowed)
        hidden = [study for study in allowed if not house.may(caller, Action.VIEW_LABEL, study)]
        assert not any(label.encode() in answer.content for study in hidden for label in study.labels)
        one = house.client(f"/dicomweb/{level}?limit=1", authorization=f"Bearer {token}")
        more = one.headers.get("warning", "There are 0 additional").split("There are ")[1].split(" ")[0]
        assert int(more) == max(0, len(items) - 1)
    page = house.client("/api/studies", authorization=f"Bearer {token}")
    if page.status_code == 200:
        assert {item["uid"] for item in page.json()["items"]} == {study.uid for study in allowed}
        assert page.json()["total"] == len(allowed)
        word = house.client("/api/studies?q=Patient", authorization=f"Bearer {token}")
        assert {item["uid"] for item in word.json()["items"]} == {study.uid for study in allowed}
    else:
        assert page.status_code == 403


def nothing_else(house: House, caller: Caller, path: str, answer: Any, seen: list[Study]) -> None:
    """Not a word of other studies, in body or headers."""
    said = answer.content + json.dumps(answer.headers).encode()
    for other in house.studies:
        if other not in seen:
            for word in (other.uid, other.series, f"Patient-{other.name}", f"Name{other.name}"):
                assert word in path or word.encode() not in said, (path, word)


def test_an_instance_is_stored_into_ones_own_place(house: House) -> None:
    department = house.places[2]
    token, _ = house.somebody([(Role.PATHOLOGIST, department)], [], (EVERYTHING, 0))
    new, other = instances.instance("mine", "s", 1), instances.instance("other", "s", 1)
    kind = {"authorization": f"Bearer {token}", "content_type": "application/dicom"}
    assert house.client("/dicomweb/studies", "POST", new, **kind).status_code == 200
    assert house.client(f"/dicomweb/studies?place={house.places[1]}", "POST", other, **kind).status_code == 403
    nobody = {**kind, "authorization": "Bearer lml_none"}
    assert house.client("/dicomweb/studies", "POST", other, **nobody).status_code == 401
    [ref] = house.archive.retrieve.instances(WHOLE, uid_from("study", "mine"))
    assert ref.place == department
    foreign = instances.instance(house.studies[1].name, "s", 9)
    assert house.client("/dicomweb/studies", "POST", foreign, **kind).status_code == 409
