"""Signing in at a real OpenID Connect provider, and the access tokens it gives to programs."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.types import ASGIApp

from lamelle.access import decide, identify, oidc, people, places
from lamelle.access.model import Action, Role
from lamelle.access.room import Access
from lamelle.access.settings import Provider as ProviderSettings
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit import tables
from lamelle.base.errors import Unauthenticated, Unavailable
from lamelle.ops import config, wiring
from lamelle.testing import browser as browsing
from lamelle.testing.archives import SetClock
from lamelle.testing.people import CHEAP

from .conftest import API, HELENE, OURS, SECRET, Provider

CLINIC = "750712184"


@dataclass
class House:
    """The application, one establishment with Helene, a clinic, and the account of a program."""

    app: ASGIApp
    archive: Archive
    access: Access
    clock: SetClock
    helene: int
    clinic: int

    def entries(self) -> list[dict[str, object]]:
        """What was recorded, the oldest first."""
        with self.archive.db.read() as conn:
            rows = conn.execute(sa.select(tables.pending.c.entry).order_by(tables.pending.c.id)).scalars()
            return [json.loads(row) for row in rows]


@pytest.fixture(scope="module")
def house(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    ours = ProviderSettings(
        name="psc",
        issuer=provider.issuer,
        client_id="lamelle",
        client_secret=SECRET,
        acr_values=("eidas1",),
        rpps_claims=("SubjectNameID",),
        login_claim="preferred_username",
        audience=API,
    )
    newcomers = replace(
        ours,
        name="house",
        client_id="house",
        client_secret="",
        acr_values=(),
        new_role=Role.EXPERT,
        finess_claim="SubjectOrganizationID",
        audience="",
    )
    settings = config.Settings(
        archive=ArchiveSettings(tmp_path_factory.mktemp("house"), reserve_bytes=0),
        access=replace(CHEAP, sign_in="required", public_url=OURS, oidc=(ours, newcomers)),
    )
    archive = Archive.open(settings.archive)
    clock = SetClock(datetime.now(UTC))
    with archive.db.write() as conn:
        clinic = places.add(conn, "establishment", "Clinic", finess=CLINIC)
        helene = people.add(conn, "helene", clock.now(), rpps=HELENE)
        robot = people.add(conn, "robot", clock.now(), kind="service")
        for number in (helene, robot):
            people.appoint(conn, number, Role.PATHOLOGIST, 1)
    app = wiring.application(settings).asgi
    yield House(app, archive, Access.open(archive.db, clock, settings.access), clock, helene, clinic)
    browsing.close(app)
    archive.close()


@dataclass
class Browser:
    """A browser at our side; it does not follow links by itself."""

    house: House
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def ask(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self._ask(path, method, given))

    async def _ask(self, path: str, method: str, headers: dict[str, str]) -> httpx.Response:
        ours = httpx.ASGITransport(self.house.app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=ours, base_url=OURS, cookies=self.cookies) as client:
            answer = await client.request(method, path, headers=headers)
            self.cookies = client.cookies
        return answer


@pytest.fixture
def visitor(house: House) -> Browser:
    return Browser(house)


def leave(visitor: Browser, name: str = "psc", to: str = "/studies?q=1") -> str:
    """The address we send a browser to."""
    answer = visitor.ask(f"/api/oidc/{name}?{urlencode({'to': to})}")
    assert answer.status_code == 302
    return answer.headers["location"]


def refusal(house: House, visitor: Browser, back: str) -> str:
    """The reason a browser is refused for when it comes back: it has no session, and the ledger has an entry."""
    before = len(house.entries())
    answer = visitor.ask(back)
    to, reason = urlsplit(answer.headers["location"]), house.entries()[before:]
    assert (answer.status_code, to.path) == (302, "/sign-in")
    code = parse_qs(to.query)["error"][0]
    assert [(one["action"], one["outcome"], one["reason"]) for one in reason] == [("sign_in_refused", "refused", code)]
    assert visitor.ask("/api/session").json()["signed_in"] is False
    return code


def changed(address: str, **values: str) -> str:
    """The same address with other values in its query."""
    parts = urlsplit(address)
    query = {name: found[0] for name, found in parse_qs(parts.query).items()} | values
    return parts._replace(query=urlencode(query)).geturl()


# -- browsers --------------------------------------------------------------------------------------------------------


def test_somebody_is_known_by_rpps_and_has_a_session(house: House, provider: Provider, visitor: Browser) -> None:
    away = leave(visitor)
    asked = parse_qs(urlsplit(away).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["acr_values"] == ["eidas1"]
    answer = visitor.ask(provider.sign_in(away, "f:psc:helene"))
    assert (answer.status_code, answer.headers["location"]) == (302, "/studies?q=1")
    session = visitor.ask("/api/session").json()
    assert (session["login"], session["id"], session["step"]) == ("helene", house.helene, "")
    assert "view" in session["actions"]
    last = house.entries()[-1]
    assert (last["action"], last["actor"], last["detail"]) == ("sign_in", "helene", {"what": "oidc:psc"})


def test_signing_out_here_leads_to_signing_out_there(house: House, provider: Provider, visitor: Browser) -> None:
    visitor.ask(provider.sign_in(leave(visitor), "f:psc:helene"))
    csrf = visitor.ask("/api/session").json()["csrf"]
    there = visitor.ask("/api/session", "DELETE", x_lamelle=csrf).json()["to"]
    assert visitor.ask("/api/session").json()["signed_in"] is False
    page = httpx.get(there, timeout=30)
    assert page.status_code == 200, page.text
    assert "/session/end/confirm" in page.text


def test_an_answer_counts_once(house: House, provider: Provider, visitor: Browser) -> None:
    back = provider.sign_in(leave(visitor), "f:psc:helene")
    cookie = visitor.cookies["lamelle-oidc"]
    assert visitor.ask(back).headers["location"] == "/studies?q=1"
    visitor.cookies.clear()
    visitor.cookies.set("lamelle-oidc", cookie)
    assert refusal(house, visitor, back) == "bad_state"


def test_an_answer_counts_in_the_browser_that_asked(house: House, provider: Provider, visitor: Browser) -> None:
    back = provider.sign_in(leave(visitor), "f:psc:helene")
    visitor.cookies.clear()
    leave(visitor)
    assert refusal(house, visitor, back) == "bad_state"


def test_a_state_nobody_was_given_is_refused(house: House, provider: Provider, visitor: Browser) -> None:
    back = provider.sign_in(leave(visitor), "f:psc:helene")
    assert refusal(house, visitor, changed(back, state="of another")) == "bad_state"


def test_an_answer_of_another_issuer_is_refused(house: House, provider: Provider, visitor: Browser) -> None:
    back = provider.sign_in(leave(visitor), "f:psc:helene")
    assert refusal(house, visitor, changed(back, iss="https://elsewhere.example")) == "bad_state"


def test_a_nonce_of_another_is_refused(house: House, provider: Provider, visitor: Browser) -> None:
    back = provider.sign_in(changed(leave(visitor), nonce="of another"), "f:psc:helene")
    assert refusal(house, visitor, back) == "bad_token"


def test_a_code_asked_for_with_another_verifier_is_refused(house: House, provider: Provider, visitor: Browser) -> None:
    back = provider.sign_in(changed(leave(visitor), code_challenge="x" * 43), "f:psc:helene")
    assert refusal(house, visitor, back) == "provider_refused"


def test_who_was_checked_too_weakly_is_refused(house: House, provider: Provider, visitor: Browser) -> None:
    back = provider.sign_in(leave(visitor), "f:psc:helene", acr="password")
    assert refusal(house, visitor, back) == "weak_authentication"


def test_who_has_no_account_is_refused(house: House, provider: Provider, visitor: Browser) -> None:
    assert refusal(house, visitor, provider.sign_in(leave(visitor), "f:psc:nobody")) == "no_account"


def test_a_newcomer_belongs_where_the_provider_says(house: House, provider: Provider, visitor: Browser) -> None:
    answer = visitor.ask(provider.sign_in(leave(visitor, "house"), "f:psc:newcomer"))
    assert answer.headers["location"] == "/studies?q=1"
    session = visitor.ask("/api/session").json()
    assert session["login"] == "10099999996"
    assert [(one["role"], one["place"]) for one in session["roles"]] == [("expert", house.clinic)]


def test_a_newcomer_of_a_place_that_is_not_here_is_refused(house: House, provider: Provider, visitor: Browser) -> None:
    assert refusal(house, visitor, provider.sign_in(leave(visitor, "house"), "f:psc:elsewhere")) == "no_account"


def test_a_provider_that_does_not_answer_is_told(house: House) -> None:
    gone = ProviderSettings(name="gone", issuer="http://127.0.0.1:9/", client_id="lamelle")
    access = Access.open(house.archive.db, house.clock, replace(house.access.settings, oidc=(gone,)))
    with pytest.raises(Unavailable) as told:
        oidc.leave(access, "gone", "/", f"{OURS}/api/oidc/gone/callback")
    assert told.value.code == "provider_unavailable"


# -- programs --------------------------------------------------------------------------------------------------------


def refused(access: Access, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        identify.caller(access, bearer=token)
    return refusal.value.code


def test_a_program_may_do_what_its_scope_says(house: House, provider: Provider) -> None:
    caller = identify.caller(house.access, bearer=provider.token("system/ImagingStudy.rs"))
    assert (caller.actor.login, caller.session) == ("robot", "jwt:psc")
    assert decide.reach(caller.actor, Action.VIEW, caller.purpose)
    assert not decide.reach(caller.actor, Action.STORE, caller.purpose)
    caller = identify.caller(house.access, bearer=provider.token("user/ImagingStudy.c"))
    assert not decide.reach(caller.actor, Action.VIEW, caller.purpose)
    assert decide.reach(caller.actor, Action.STORE, caller.purpose)


def test_a_program_asks_over_http(house: House, provider: Provider, visitor: Browser) -> None:
    for scope, status in (("system/ImagingStudy.rs", 204), ("user/ImagingStudy.c", 403)):
        answer = visitor.ask("/dicomweb/studies", authorization=f"Bearer {provider.token(scope)}")
        assert answer.status_code == status


def test_a_token_for_another_service_is_refused(house: House, provider: Provider) -> None:
    assert refused(house.access, provider.token(audience="https://pharmacy.hospital.example/")) == "bad_token"


def test_a_token_of_a_key_that_is_not_the_providers_is_refused(house: House, provider: Provider) -> None:
    header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in provider.token().split(".")[:2])
    assert identify.caller(house.access, bearer=provider.token()).actor.login == "robot"
    assert refused(house.access, jwt.encode(header, claims, RSAKey.generate_key(2048))) == "bad_token"


def test_a_token_past_its_time_is_refused(house: House, provider: Provider) -> None:
    later = SetClock(datetime.now(UTC))
    access = Access.open(house.archive.db, later, house.access.settings)
    token = provider.token()
    assert identify.caller(access, bearer=token).actor.login == "robot"
    later.move(600 + 61)
    assert refused(access, token) == "bad_token"


def test_an_id_token_opens_nothing(house: House, provider: Provider, visitor: Browser) -> None:
    visitor.ask(provider.sign_in(leave(visitor), "f:psc:helene"))
    session = identify.session(house.access, visitor.cookies["lamelle"])
    token = session.id_token
    assert token.count(".") == 2
    mine = replace(house.access.settings.oidc[0], audience="lamelle")
    access = Access.open(house.archive.db, house.clock, replace(house.access.settings, oidc=(mine,)))
    assert refused(access, token) == "bad_token"


def test_the_provider_changes_its_keys(house: House, provider: Provider) -> None:
    clock = SetClock(datetime.now(UTC))
    access = Access.open(house.archive.db, clock, house.access.settings)
    try:
        provider.sign_with("old")
        old = provider.token()
        assert identify.caller(access, bearer=old).actor.login == "robot"
        provider.sign_with("new", "old")
        new = provider.token()
        clock.move(11)  # a token with an unknown key makes us ask again, though not all the time
        for token in (new, old):
            assert identify.caller(access, bearer=token).actor.login == "robot"
        provider.sign_with("newest")
        clock.move(11)
        assert identify.caller(access, bearer=provider.token()).actor.login == "robot"
        assert refused(access, old) == "bad_token"
    finally:
        provider.sign_with("first")
