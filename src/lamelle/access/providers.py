"""OpenID Connect providers as they are on the network: what they publish, their keys, and tokens checked with these.

Nothing here knows accounts. Source: OpenID Connect Core 1.0, Discovery 1.0; RFC 9068 for access tokens.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, import_key

from lamelle.access.settings import AccessSettings, Provider
from lamelle.base.errors import NotFound, Unauthenticated, Unavailable

LEEWAY_S: Final = 60
"""How far its clock may be from ours."""
FRESH_S: Final = 3600.0
"""What it publishes is asked for again after this time."""
AGAIN_S: Final = 10.0
"""Keys are asked for again at once when a token names one that is not known, but not more often than this."""
LONGEST: Final = 16_384
"""Characters of a token."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a provider says of somebody, checked."""

    provider: Provider
    claims: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """Who it is, in the provider's words."""
        return str(self.claims["sub"])

    @property
    def scope(self) -> str:
        """What an access token is for: `scope`, or `scp` as some call it."""
        found = self.claims.get("scope") or self.claims.get("scp") or ""
        return " ".join(map(str, found)) if isinstance(found, list) else str(found)


class Known:
    """One provider, with what it published when it was last asked; share it between threads."""

    def __init__(self, settings: Provider) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._metadata_at = self._keys_at = 0.0

    def metadata(self, now: datetime) -> Mapping[str, Any]:
        """Its configuration. Raises: Unavailable("provider_unavailable")."""
        with self._lock:
            if not self._metadata or now.timestamp() - self._metadata_at > FRESH_S:
                found = self.ask("GET", self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
                if found.get("issuer") != self.settings.issuer:  # Source: Discovery 1.0 4.3
                    raise Unavailable("provider_unavailable", f"{self.settings.name} calls itself by another name")
                self._metadata, self._metadata_at = found, now.timestamp()
            return self._metadata

    def ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """The JSON of an address of the provider. Raises: Unavailable("provider_unavailable")."""
        import requests

        ca_file = self.settings.ca_file
        more |= {"timeout": self.settings.timeout_s, "verify": True if ca_file is None else str(ca_file)}
        try:
            answer = requests.request(method, url, allow_redirects=False, **more)
            answer.raise_for_status()
            if answer.headers.get("content-type", "").startswith("application/jwt"):
                return {"jwt": answer.text}
            found = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise self.unavailable(error) from error
        if not isinstance(found, dict):
            raise self.unavailable(None)
        return found

    def unavailable(self, error: Exception | None) -> Unavailable:
        """The error for what it did not do."""
        kind = type(error).__name__ if error else "no JSON object"
        return Unavailable(
            "provider_unavailable", f"{self.settings.title or self.settings.name} does not answer ({kind})"
        )

    def claims(self, token: str, now: datetime, audience: str, *, ends: bool = True, **wanted: str) -> dict[str, Any]:
        """The claims of a signed token made out by this provider for that audience, at this time.

        Without `ends` it need not say when it does.

        Raises: Unauthenticated("bad_token"); Unavailable("provider_unavailable").
        """
        try:
            if len(token) > LONGEST:
                raise ValueError
            kid = jws.extract_compact(token.encode()).headers().get("kid")
            read = jwt.decode(token, self._keys_with(kid, now), algorithms=self.settings.algorithms)
            told: dict[str, jwt.ClaimsOption] = {
                name: {"essential": True, "value": value}
                for name, value in {"iss": self.settings.issuer, "aud": audience, **wanted}.items()
            }
            told |= {"sub": {"essential": True}, "exp": {"essential": ends}}
            jwt.JWTClaimsRegistry(int(now.timestamp()), LEEWAY_S, **told).validate(read.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise Unauthenticated(
                "bad_token", f"a token of this provider does not hold ({type(error).__name__})"
            ) from error
        return read.claims

    def _keys_with(self, kid: str | None, now: datetime) -> KeySet:
        """Its keys; asked for again when they are old, or when it signs with a new one (rotation)."""
        endpoint = str(self.metadata(now)["jwks_uri"])
        with self._lock:
            age = now.timestamp() - self._keys_at
            unknown = self._keys is None or (kid is not None and kid not in {key.kid for key in self._keys.keys})
            if self._keys is None or age > FRESH_S or (unknown and age > AGAIN_S):
                self._keys, self._keys_at = _key_set(self.ask("GET", endpoint)), now.timestamp()
            return self._keys


def _key_set(published: Mapping[str, Any]) -> KeySet:
    """The keys that signatures can be checked with; what is of another kind, or not understood, is left out."""
    keys = []
    for one in published.get("keys", ()):
        if isinstance(one, dict) and one.get("use", "sig") == "sig" and one.get("kty") in ("RSA", "EC", "OKP"):
            try:
                keys.append(import_key(one))
            except (JoseError, ValueError, KeyError):
                continue
    return KeySet(keys)


class Providers:
    """All that are configured."""

    def __init__(self, settings: AccessSettings) -> None:
        self._known = {one.name: Known(one) for one in settings.oidc}

    def named(self, name: str) -> Known:
        """Raises: NotFound("no_such_provider")."""
        if name not in self._known:
            raise NotFound("no_such_provider", "there is no provider of that name")
        return self._known[name]

    def access_token(self, token: str, now: datetime) -> Shown:
        """What a provider's access token for our API says, once it is checked.

        Raises: Unauthenticated("bad_token"); Unavailable("provider_unavailable").
        """
        known = self._issuer_of(token)
        claims = known.claims(token, now, known.settings.audience)
        if "nonce" in claims or claims.get("typ") == "ID":  # an ID token says who somebody is, it opens nothing
            raise Unauthenticated("bad_token", "this is an ID token, not an access token")
        return Shown(known.settings, claims)

    def _issuer_of(self, token: str) -> Known:
        """The provider that a token claims to be of; nothing is believed yet."""
        try:
            issuer = json.loads(jws.extract_compact(token[:LONGEST].encode()).payload)["iss"]
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unauthenticated("bad_token", "this is no token that is known here") from error
        for known in self._known.values():
            if known.settings.issuer == issuer and known.settings.audience:
                return known
        raise Unauthenticated("bad_token", "tokens of this issuer are not taken here")
