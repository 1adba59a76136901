"""What a request brings to say who it is from, where it comes from, and whether a page of ours sent it."""

from typing import Any

import pytest

from lamelle.doors.guard import Credential, credential, credentials


def scope(method: str = "POST", client: str = "10.0.0.9", **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "client": (client, 1), "headers": [(b"host", b"here:8042"), *pairs]}


@pytest.mark.parametrize(
    ("headers", "kind", "secret"),
    [
        ([], "", ""),
        ([(b"authorization", b"Bearer lml_1")], "bearer", "lml_1"),
        ([(b"authorization", b"bearer  lml_1 ")], "bearer", "lml_1"),
        ([(b"authorization", b"Basic YTpi")], "", ""),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")], "", ""),
        ([(b"cookie", b"theme=dark; lamelle=s1")], "cookie", "s1"),
        ([(b"cookie", b"__Host-lamelle=s1")], "cookie", "s1"),
        ([(b"cookie", b"lamelle=s1; lamelle=s2")], "", ""),
        ([(b"cookie", b"lamelle=s1"), (b"cookie", b"__Host-lamelle=s2")], "", ""),
        ([(b"cookie", b"notlamelle=s1; lamelle=")], "", ""),
        ([(b"cookie", b"lamelle=s1"), (b"authorization", b"Bearer t1")], "bearer", "t1"),
    ],
)
def test_a_credential_is_read_or_there_is_none(headers: list[tuple[bytes, bytes]], kind: str, secret: str) -> None:
    assert credential(headers) == (kind, secret)


@pytest.mark.parametrize(
    ("client", "forwarded", "proxies", "found"),
    [
        ("10.0.0.9", "1.1.1.1", (), "10.0.0.9"),
        ("10.0.0.9", "1.1.1.1", ("127.0.0.1",), "10.0.0.9"),
        ("10.0.0.9", "1.1.1.1", ("10.0.0.0/8",), "1.1.1.1"),
        ("10.0.0.9", "6.6.6.6, 1.1.1.1, 10.0.0.7", ("10.0.0.0/8",), "1.1.1.1"),
        ("10.0.0.9", "6.6.6.6, nonsense", ("10.0.0.0/8",), "10.0.0.9"),
        ("10.0.0.9", "", ("10.0.0.0/8",), "10.0.0.9"),
        ("::1", "2001:db8::1", ("::1",), "2001:db8::1"),
    ],
)
def test_only_trusted_proxies_say_where_a_request_comes_from(
    client: str, forwarded: str, proxies: tuple[str, ...], found: str
) -> None:
    assert credentials.address(scope(client=client, x_forwarded_for=forwarded), proxies) == found


COOKIE = Credential("cookie", "s1")
TOKEN = Credential("bearer", "t1")
NOBODY = credentials.NONE


@pytest.mark.parametrize(
    ("brought", "headers", "foreign"),
    [
        (COOKIE, {"sec_fetch_site": "same-origin"}, False),
        (COOKIE, {"sec_fetch_site": "same-site"}, True),
        (COOKIE, {"sec_fetch_site": "cross-site", "origin": "http://here:8042"}, True),
        (COOKIE, {"sec_fetch_site": "none"}, True),
        (COOKIE, {"origin": "http://here:8042"}, False),
        (COOKIE, {"origin": "http://here:80"}, True),
        (COOKIE, {"origin": "null"}, True),
        (COOKIE, {"origin": "https://viewer.example"}, True),
        (COOKIE, {}, True),
        (COOKIE, {"x_lamelle": "page"}, True),
        (COOKIE, {"x_lamelle": "token of s1"}, False),
        (COOKIE, {"x_lamelle": "token of s1", "sec_fetch_site": "cross-site"}, True),
        (NOBODY, {}, False),
        (NOBODY, {"sec_fetch_site": "cross-site"}, True),
        (NOBODY, {"origin": "http://evil.example"}, True),
        (NOBODY, {"origin": "https://viewer.example", "sec_fetch_site": "cross-site"}, False),
        (TOKEN, {"origin": "http://evil.example", "sec_fetch_site": "cross-site"}, False),
    ],
)
def test_what_another_page_makes_a_browser_send_is_foreign(
    brought: Credential, headers: dict[str, str], foreign: bool
) -> None:
    def ask(method: str) -> bool:
        asked = scope(method, **headers)
        return credentials.is_foreign(asked, brought, ["https://viewer.example"], lambda cookie: f"token of {cookie}")

    assert {ask(method) for method in ("POST", "PUT", "PATCH", "DELETE")} == {foreign}
    assert not ask("GET")


def test_a_session_without_a_token_has_to_say_its_origin() -> None:
    assert credentials.is_foreign(scope(x_lamelle=""), COOKIE, [], lambda cookie: "")
