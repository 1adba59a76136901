"""How a request says who it is from: a bearer token, or the cookie of a session; and whether a page of ours sent it."""

import hmac
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import Final, Literal, NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope

COOKIE: Final = "lamelle"
SECURE_COOKIE: Final = "__Host-lamelle"
"""Over TLS: browsers take it from this host alone, for all its paths. Source: RFC 6265bis 4.1.3."""
TOKEN: Final = "x-lamelle"
"""Header with the token of a session, for programs that keep cookies and say nothing of their origin."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


Csrf = Callable[[str], str]
"""The token that belongs to a session's cookie."""


class Credential(NamedTuple):
    """What a request brings."""

    kind: Literal["", "cookie", "bearer"]
    secret: str


NONE: Final = Credential("", "")


def credential(headers: Iterable[tuple[bytes, bytes]]) -> Credential:
    """The credential among headers with lower-case names; a token counts before a cookie.

    Two that differ are none: what stands before us may have looked at the other.
    """
    bearers, cookies = set[str](), set[str]()
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() == "bearer":
                bearers.add(token.strip())
        elif name == b"cookie":
            cookies |= set(_sessions(value.decode("latin-1")))
    if bearers:
        return Credential("bearer", bearers.pop()) if len(bearers) == 1 else NONE
    return Credential("cookie", cookies.pop()) if len(cookies) == 1 else NONE


def _sessions(header: str) -> Iterable[str]:
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name in {COOKIE, SECURE_COOKIE} and value:
            yield value


def address(scope: Scope, proxies: Iterable[str]) -> str:
    """Where a request comes from: the last address of X-Forwarded-For that no trusted proxy has, or the connection's.

    What is left of that address anyone can have written.
    """
    found = str((scope.get("client") or ("",))[0])
    trusted = tuple(proxies)
    if not trusted or not within(found, trusted):
        return found
    for forwarded in reversed(",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")):
        if not _is_address(forwarded.strip()):
            break
        found = forwarded.strip()
        if not within(found, trusted):
            break
    return found


def within(found: str, networks: Iterable[str]) -> bool:
    """Whether the address is one of these, or in one of these networks."""
    return _is_address(found) and any(ip_address(found) in ip_network(network, strict=False) for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_foreign(scope: Scope, brought: Credential, allowed: Iterable[str], csrf: Csrf) -> bool:
    """Whether a page of another origin made a browser send what changes something (CSRF, and CSRF of signing in).

    Browsers say so themselves: Sec-Fetch-Site, or Origin where that is not sent (no TLS). A program that brings a
    bearer token is no browser that was tricked; one with a session's cookie that says nothing of its origin has to
    bring the session's token too. `allowed` are origins whose pages may send, without cookies.
    Source: Fetch Metadata Request Headers 2.4; RFC 6454 7.
    """
    if scope["method"] in SAFE or brought.kind == "bearer":
        return False
    headers = Headers(scope=scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if brought.kind != "cookie" and origin is not None and {origin, "*"} & set(allowed):
        return False
    if site is not None:
        return site != "same-origin"
    if origin is not None:
        return origin.partition("://")[2] != headers.get("host")
    if brought.kind != "cookie":
        return False
    due = csrf(brought.secret)
    return not due or not hmac.compare_digest(due.encode(), headers.get(TOKEN, "").encode("latin-1"))
