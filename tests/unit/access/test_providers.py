"""Tokens of a provider whose key is made here: what must be in them, and when its keys are asked for again."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from lamelle.access.providers import Known
from lamelle.access.settings import Provider
from lamelle.base.errors import Unauthenticated
from lamelle.testing.archives import SetClock

ISSUER = "https://login.example"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLAIMS: dict[str, Any] = {"iss": ISSUER, "aud": "lamelle", "sub": "someone", "exp": int(NOW.timestamp()) + 60}


class Published(Known):
    """A provider without a network; counts how often it was asked for its keys."""

    asked = 0

    def ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        if url.endswith("/.well-known/openid-configuration"):
            return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        self.asked += 1
        return {"keys": [KEY.as_dict(private=False), {"kty": "unheard of"}]}


@pytest.fixture
def known() -> Published:
    return Published(Provider("login", ISSUER, "lamelle"))


def signed(claims: dict[str, Any], kid: str = "one") -> str:
    return jwt.encode({"alg": "RS256", "kid": kid}, claims, KEY)


def test_a_token_says_who(known: Known) -> None:
    assert known.claims(signed(CLAIMS), NOW, "lamelle")["sub"] == "someone"


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp"])
def test_what_a_token_must_say(known: Known, missing: str) -> None:
    with pytest.raises(Unauthenticated):
        known.claims(signed({name: value for name, value in CLAIMS.items() if name != missing}), NOW, "lamelle")


def test_what_is_told_of_people_need_not_end_but_has_not_ended(known: Known) -> None:
    endless = {name: value for name, value in CLAIMS.items() if name != "exp"}
    assert known.claims(signed(endless), NOW, "lamelle", ends=False)["sub"] == "someone"
    with pytest.raises(Unauthenticated):
        known.claims(signed(CLAIMS | {"exp": 1}), NOW, "lamelle", ends=False)


def test_a_signature_with_a_public_key_as_the_secret_is_none(known: Known) -> None:
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256"}, CLAIMS)]
    made = hmac.new(KEY.as_pem(private=False), b".".join(parts), hashlib.sha256).digest()
    with pytest.raises(Unauthenticated):
        known.claims(b".".join([*parts, urlsafe_b64encode(made).rstrip(b"=")]).decode(), NOW, "lamelle")


def test_tokens_with_keys_that_are_not_there_do_not_make_us_ask_all_the_time(known: Published) -> None:
    clock = SetClock(NOW)
    for seconds in (0, 1, 1, 9, 1):
        clock.move(seconds)
        with pytest.raises(Unauthenticated):
            known.claims(signed(CLAIMS, kid="unknown"), clock.now(), "lamelle")
    assert known.asked == 2
