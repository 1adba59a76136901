"""What the guard lets pass, and what it tells the ledger before the first byte."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamelle.access.model import Action, Actor, Caller, Membership, Purpose, Role
from lamelle.audit.model import Entry
from lamelle.base.errors import LamelleError, Unauthenticated, Unavailable
from lamelle.doors import guard, http
from lamelle.doors.guard import Callers, Credential, Found, Guard
from lamelle.doors.guard.callers import AGAIN_S
from lamelle.doors.guard.rules import OPEN, RETRIEVE, SEARCH, SIGNED_IN, VIEW, Rule
from lamelle.testing import browser

HERE, ELSEWHERE = "1.2.3", "1.2.4"
TABLE = {
    "GET /open": OPEN,
    "GET /mine": SIGNED_IN,
    "GET /studies": SEARCH,
    "GET /studies/{study}": VIEW,
    "GET /series/{series}": VIEW,
    "GET /studies/{study}/file": RETRIEVE,
    "DELETE /studies/{study}": Rule(Action.DELETE, "delete"),
}
ROLES = {"pathologist": Role.PATHOLOGIST, "resident": Role.RESIDENT, "archivist": Role.ARCHIVIST}


@dataclass
class House:
    """An application of a few routes, whoever asks it, and what the ledger was told, in order with the answers."""

    now_s: float = 100.0
    told: list[Entry] = field(default_factory=list)
    studies: set[str] = field(default_factory=lambda: {HERE, ELSEWHERE})

    def __post_init__(self) -> None:
        async def answer(request: Request) -> Response:
            study = request.path_params.get("study", HERE)
            if study not in self.studies or study == ELSEWHERE:
                return Response(status_code=404)
            if request.method == "DELETE":
                self.studies.remove(study)
            return Response("there")

        routes = [Route(line.split(" ")[1], answer, methods=[line.split(" ")[0]]) for line in TABLE]
        made = Guard(Callers(self.identify, 1.0, lambda: self.now_s), self.told.append, self.whose)
        made.wrap(routes, TABLE)
        app = Starlette(routes=list(routes), exception_handlers={LamelleError: http.answer_error})
        self.client = browser.client(made.front(app), address="192.0.2.7")

    def identify(self, brought: Credential) -> Caller:
        if brought.secret == "trouble":
            raise Unavailable("database_unavailable", "the catalogue does not answer")
        if brought.secret not in ROLES:
            raise Unauthenticated("bad_token", "no")
        here = Membership(ROLES[brought.secret], frozenset({3}), frozenset({1, 3}))
        purpose = Purpose.OPERATIONS if brought.secret == "archivist" else Purpose.CARE
        return Caller(Actor(7, brought.secret, memberships=(here,)), purpose, session="token:1")

    def whose(self, study_uid: str, series_uid: str) -> Found | None:
        uid = study_uid or HERE
        return Found(uid, "PAT", "CHU", 3) if uid in self.studies else None

    def ask(self, path: str, token: str = "", method: str = "GET") -> int:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.client(path, method, **headers).status_code

    def entries(self) -> list[tuple[str, str, str, str]]:
        found = [(one.actor, one.action, str(one.outcome), one.study_uid) for one in self.told]
        self.told.clear()
        return found


@pytest.fixture
def house() -> House:
    return House()


def test_looking_at_a_study_is_entered_once_in_a_quarter_of_an_hour(house: House) -> None:
    for path in (f"/studies/{HERE}", f"/studies/{HERE}", "/series/1.9"):
        assert house.ask(path, "pathologist") == 200
    [entry] = house.told
    assert (entry.action, entry.patient_id, entry.issuer, entry.place) == ("view", "PAT", "CHU", 3)
    assert (entry.actor_id, entry.purpose, entry.session, entry.address) == (7, "care", "token:1", "192.0.2.7")
    house.told.clear()
    house.now_s += AGAIN_S + 1
    house.ask(f"/studies/{HERE}", "pathologist")
    assert house.entries() == [("pathologist", "view", "success", HERE)]


def test_searches_and_retrievals_are_entered_each_time(house: House) -> None:
    for _ in range(2):
        assert house.ask("/studies?PatientName=Zoe", "pathologist") == 200
        assert house.ask(f"/studies/{HERE}/file", "pathologist") == 200
    assert house.told[0].detail["keys"] == {"PatientName": "Zoe"}
    assert [entry[1] for entry in house.entries()] == ["search", "retrieve"] * 2


def test_a_deleted_study_is_named_although_it_is_gone(house: House) -> None:
    assert house.ask(f"/studies/{HERE}", "archivist", "DELETE") == 200
    assert house.entries() == [("archivist", "delete", "success", HERE)]


def test_what_is_out_of_reach_is_entered_as_refused_and_what_is_not_there_is_not(house: House) -> None:
    assert house.ask(f"/studies/{ELSEWHERE}", "pathologist") == 404
    assert house.entries() == [("pathologist", "view", "refused", ELSEWHERE)]
    assert house.ask("/studies/9.9", "pathologist") == 404
    assert house.entries() == []


def test_what_a_role_may_never_do_is_403_and_entered(house: House) -> None:
    assert house.ask(f"/studies/{HERE}/file", "resident") == 403
    assert house.ask(f"/studies/{HERE}", "pathologist", "DELETE") == 403
    assert house.entries() == [("resident", "export", "refused", ""), ("pathologist", "delete", "refused", "")]


def test_strangers_are_entered_once_for_an_address_and_route(house: House) -> None:
    for token in ("", "guessed1", "guessed2"):
        assert house.ask("/studies", token) == 401
    assert house.entries() == [("nobody", "view", "refused", "")]
    assert (house.ask("/mine"), house.ask("/open")) == (401, 200)
    assert house.entries() == [("nobody", "sign_in_refused", "refused", "")]


def test_who_signed_in_does_what_is_theirs(house: House) -> None:
    assert house.ask("/mine", "resident") == 200
    assert house.entries() == []


def test_a_catalogue_in_trouble_shuts_what_is_guarded_and_nothing_else(house: House) -> None:
    assert (house.ask("/studies", "trouble"), house.ask("/open", "trouble")) == (503, 200)


def test_a_door_without_a_guard_stays_shut() -> None:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": []}
    with pytest.raises(RuntimeError):
        guard.reach(scope, Action.VIEW)
