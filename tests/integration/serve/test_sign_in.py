"""Signing in, the own account, people and places over the routes of a worker, as a browser uses them."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pyotp
import pytest

from lamelle.access import sessions
from lamelle.access.model import Role
from lamelle.archive.settings import ArchiveSettings
from lamelle.ops import config, wiring
from lamelle.testing import browser
from lamelle.testing.people import CHEAP, PASSWORD, person

NEW = "seven quiet lanterns"


class Client:
    """Keeps cookies and headers between requests to an application."""

    def __init__(self, app: Any, headers: dict[str, str] | None = None) -> None:
        self._transport = httpx.ASGITransport(app)
        self.headers, self.cookies = headers or {}, httpx.Cookies()

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """One request and its answer."""

        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url="http://testserver", headers=self.headers, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, headers=headers, **more)
                self.cookies = client.cookies
                return answer

        return asyncio.run(asked())


@dataclass(slots=True)
class Tab:
    """A browser on our pages: cookies, and what its requests say of where they come from."""

    client: Client

    def __call__(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        given = {"json": body} if body else {}
        answer = self.client.request(method, f"/api{path}", **given)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("sign_in") / "data"
    settings = config.Settings(archive=ArchiveSettings(folder, reserve_bytes=0), access=CHEAP)
    with wiring.people(settings) as access:
        for login in ("doctor", "careful", "leaving"):
            person(access, login, Role.PATHOLOGIST)
        person(access, "admin", Role.ADMINISTRATOR)
    asgi = wiring.application(settings).asgi
    yield asgi
    browser.close(asgi)


@pytest.fixture
def tab(app: Any) -> Tab:
    return Tab(Client(app, headers={"origin": "http://testserver"}))


def signed_in(tab: Tab, login: str, password: str = PASSWORD) -> Any:
    return tab("POST", "/session", login=login, password=password)


def test_whoever_asks_is_told_who_he_is(tab: Tab) -> None:
    nobody = tab("GET", "/session")
    assert (nobody["signed_in"], nobody["required"], nobody["actions"], nobody["csrf"]) == (False, True, [], "")
    somebody = signed_in(tab, "doctor")
    assert (somebody["signed_in"], somebody["step"], somebody["login"]) == (True, "", "doctor")
    assert (somebody["purpose"], somebody["purposes"]) == ("care", ["care", "opinion"])
    assert {"view", "store"} <= set(somebody["actions"])
    assert somebody["establishment"]
    assert tab("GET", "/session")["csrf"] == somebody["csrf"] != ""
    assert tab("POST", "/session/purpose", purpose="opinion")["purpose"] == "opinion"
    tab("POST", "/session/purpose", 403, purpose="research")
    assert tab("DELETE", "/session") == {"to": ""}
    assert tab("GET", "/session")["signed_in"] is False
    tab("GET", "/account", 401)


def test_the_cookie_is_for_no_script_and_no_other_site(tab: Tab) -> None:
    answer = tab.client.request("POST", "/api/session", json={"login": "doctor", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("lamelle=")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    secure = tab.client.request(
        "POST",
        "https://testserver/api/session",
        headers={"origin": "https://testserver"},
        json={
            "login": "doctor",
            "password": PASSWORD,
        },
    )
    assert secure.headers["set-cookie"].startswith("__Host-lamelle=")
    assert "Secure" in secure.headers["set-cookie"]


def test_what_is_wrong_is_refused_alike(tab: Tab) -> None:
    bodies = [
        tab("POST", "/session", 401, login=login, password="not the password")
        for login in ("doctor", "nobody", "é" * 99)
    ]
    assert len({str(body) for body in bodies}) == 1
    assert "set-cookie" not in tab.client.request("GET", "/api/session").headers


def test_another_page_signs_nobody_in_and_out(tab: Tab) -> None:
    elsewhere = {"origin": "https://elsewhere.example"}
    given = {"login": "doctor", "password": PASSWORD}
    assert tab.client.request("POST", "/api/session", headers=elsewhere, json=given).status_code == 403
    token = signed_in(tab, "doctor")["csrf"]
    assert tab.client.request("DELETE", "/api/session", headers=elsewhere).status_code == 403
    del tab.client.headers["origin"]  # a program that keeps cookies
    assert tab.client.request("DELETE", "/api/session").status_code == 403
    assert token == sessions.csrf(tab.client.cookies["lamelle"])
    assert tab.client.request("DELETE", "/api/session", headers={"x-lamelle": token}).status_code == 200


def test_a_second_factor_from_the_first_code_to_its_end(tab: Tab) -> None:
    signed_in(tab, "careful")
    begun = tab("POST", "/account/totp")
    totp = pyotp.TOTP(begun["secret"])
    tab("POST", "/account/totp/confirm", 400, code="000000")
    codes = tab("POST", "/account/totp/confirm", code=totp.at(datetime.now(UTC)))["recovery_codes"]
    assert (tab("GET", "/account")["totp"], tab("GET", "/account")["recovery_left"]) == (True, 10)
    tab("DELETE", "/session")
    assert signed_in(tab, "careful")["step"] == "second_factor"
    tab("GET", "/studies", 403)
    tab("GET", "/account/tokens", 403)
    tab("POST", "/session/second", 401, code="000000")
    assert tab("POST", "/session/second", code=codes[0])["step"] == ""
    tab("GET", "/studies")
    tab("DELETE", "/account/totp", 403, password="wrong")
    tab("DELETE", "/account/totp", 204, password=PASSWORD)
    assert tab("GET", "/account")["totp"] is False


def test_sessions_and_tokens_of_ones_own(app: Any, tab: Tab) -> None:
    signed_in(tab, "doctor")
    other = Tab(Client(app, headers={"origin": "http://testserver"}))
    signed_in(other, "doctor")
    listed = tab("GET", "/account/sessions")
    assert sum(one["current"] for one in listed) == 1
    for one in listed:
        if not one["current"]:
            tab("DELETE", f"/account/sessions/{one['id']}", 204)
    tab("DELETE", "/account/sessions/x", 404)
    assert other("GET", "/session")["signed_in"] is False
    made = tab("POST", "/account/tokens", 201, name="script", actions=["view"], days=2)
    assert (made["item"]["actions"], [one["name"] for one in tab("GET", "/account/tokens")]) == (["view"], ["script"])
    bearer = {"authorization": f"Bearer {made['token']}"}
    program = Client(app)
    assert program.request("GET", "/api/studies", headers=bearer).status_code == 200
    assert program.request("GET", "/api/account/tokens", headers=bearer).json()["code"] == "session_only"
    widened = {"name": "more", "actions": ["store"], "days": 2}
    assert program.request("POST", "/api/account/tokens", headers=bearer, json=widened).status_code == 403
    tab("DELETE", f"/account/tokens/{made['item']['id']}", 204)
    assert tab("GET", "/account/tokens") == []


def test_an_administrator_makes_somebody_who_chooses_a_password(app: Any, tab: Tab) -> None:
    signed_in(tab, "admin")
    department = tab("POST", "/places", 201, kind="department", parent=1, name="Cytologie")["id"]
    given = {"login": "fresh", "name": "Zoé", "roles": [{"role": "resident", "place": department}]}
    made = tab("POST", "/users", 201, **given)
    fresh = Tab(Client(app, headers={"origin": "http://testserver"}))
    assert signed_in(fresh, "fresh", made["password"])["step"] == "new_password"
    fresh("GET", "/studies", 403)
    fresh("POST", "/session/password", 400, old=made["password"], new="short")
    assert fresh("POST", "/session/password", old=made["password"], new=NEW)["step"] == ""
    fresh("GET", "/studies")
    fresh("GET", "/users", 403)
    number = made["user"]["id"]
    assert tab("GET", "/users?q=fresh")["items"][0]["roles"][0]["place_name"] == "Cytologie"
    held = tab("POST", f"/users/{number}/roles", 201, role="teacher", place=1)["roles"]
    tab("DELETE", f"/users/{number}/roles/{held[-1]['id']}", 204)
    tab("POST", f"/users/{number}/roles", 403, role="administrator", place=None)
    assert tab("PATCH", f"/users/{number}", disabled=True)["disabled"] is True
    tab("PATCH", "/users/999999", 404, name="x")
    tab("DELETE", f"/users/{number}/totp", 204)
    tab("DELETE", f"/users/{number}/sessions", 204)
    assert [one["name"] for one in tab("GET", "/places")][-1] == "Cytologie"


def test_an_unknown_provider_leads_back_to_the_sign_in_page(tab: Tab) -> None:
    answer = tab.client.request("GET", "/api/oidc/nobody?to=https://elsewhere.example")
    assert (answer.status_code, answer.headers["location"]) == (302, "/sign-in?error=no_such_provider")
