"""Signing in by an OpenID Connect provider: code flow with PKCE, and whose account it is here.

The state, the nonce and the verifier are of one use and tied to the browser that left. Source: OpenID Connect Core 1.0
3.1, RFC 7636, RFC 9700.
"""

import re
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import sqlalchemy as sa

from lamelle.access import decide, digest, people, signing
from lamelle.access.model import FIRST_PLACE, Actor, Purpose
from lamelle.access.places import luhn
from lamelle.access.proofs import identity, pending
from lamelle.access.providers import Known, Shown
from lamelle.access.room import Access
from lamelle.access.sessions import Session
from lamelle.access.signing import Browser
from lamelle.access.tables import actor, place
from lamelle.audit import ledger
from lamelle.audit.model import Entry
from lamelle.base.errors import LamelleError, Unauthenticated, Unavailable

AWAY_S: Final = 900
"""How long somebody may take at the provider."""
RPPS: Final = re.compile(r"8?(\d{11})")
FINESS: Final = re.compile(r"1?(\d[0-9AB]\d{7})")


def leave(access: Access, name: str, goal: str, redirect_uri: str) -> tuple[str, str]:
    """Where to send a browser, and the secret its cookie keeps until it comes back.

    `goal` is the page it wants; only a path of ours is taken.

    Raises: NotFound("no_such_provider"); Unavailable("provider_unavailable").
    """
    known, now = access.providers.named(name), access.clock.now()
    endpoint = known.metadata(now)["authorization_endpoint"]
    state, nonce, verifier, browser = (digest.fresh() for _ in range(4))
    more = {"acr_values": " ".join(known.settings.acr_values)} if known.settings.acr_values else {}
    url, _ = _client(known, redirect_uri).create_authorization_url(
        endpoint, state=state, nonce=nonce, code_verifier=verifier, **more
    )
    row = {
        "digest": digest.of(state),
        "browser": digest.of(browser),
        "provider": name,
        "nonce": nonce,
        "verifier": verifier,
        "goal": path_of_ours(goal),
        "until": now + timedelta(seconds=AWAY_S),
    }
    with access.db.write() as conn:
        conn.execute(sa.delete(pending).where(pending.c.until <= now))
        conn.execute(sa.insert(pending).values(row))
    return str(url), browser


def come_back(
    access: Access, name: str, answer: dict[str, str], cookie: str, redirect_uri: str, browser: Browser
) -> tuple[str, Session, str]:
    """The secret of a new session's cookie, the session, and the page it wanted.

    Raises: Unauthenticated("bad_state" | "provider_refused" | "bad_token" | "weak_authentication" | "no_account");
    Unavailable("provider_unavailable").
    """
    known = access.providers.named(name)
    try:
        found = _take(access, known, answer, cookie)
        shown, id_token = _exchange(access, known, answer, found, redirect_uri)
        with access.db.write() as conn:
            number = account(conn, shown) or _new(access, conn, shown, browser)
            _remember(access, conn, shown, number)
            secret, session = signing.begin(access, conn, number, browser, f"oidc:{name}", id_token)
    except LamelleError as error:
        if not isinstance(error, Unavailable):
            with access.db.write() as conn:
                entry = Entry("unknown", "sign_in_refused", "refused", address=browser.address, reason=error.code)
                ledger.record(conn, entry, access.clock)
        raise
    return secret, session, str(found.goal)


def path_of_ours(goal: str) -> str:
    """A path of this host, whatever was asked for: nobody is sent elsewhere from here."""
    plain = goal.isascii() and goal.isprintable() and "\\" not in goal
    return goal if plain and goal.startswith("/") and not goal.startswith("//") else "/"


def farewell(access: Access, found: Session, back_to: str) -> str:
    """Where to go to end the session at the provider too; empty when there is no such place.

    Source: OpenID Connect RP-Initiated Logout 1.0.
    """
    name = found.method.removeprefix("oidc:")
    if name == found.method or access.settings.provider(name) is None:
        return ""
    known = access.providers.named(name)
    try:
        endpoint = known.metadata(access.clock.now()).get("end_session_endpoint")
    except Unavailable:
        return ""
    query = {
        "id_token_hint": found.id_token,
        "post_logout_redirect_uri": back_to,
        "client_id": known.settings.client_id,
    }
    return f"{endpoint}?{urlencode(query)}" if endpoint else ""


def _client(known: Known, redirect_uri: str) -> Any:
    from authlib.integrations.requests_client import OAuth2Session

    provider = known.settings
    scopes = dict.fromkeys(("openid", *provider.scopes))
    return OAuth2Session(
        provider.client_id,
        provider.secret() or None,
        scope=" ".join(scopes),
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )


def _take(access: Access, known: Known, answer: dict[str, str], cookie: str) -> Any:
    """What was kept when this browser left: once, in time, and the same browser."""
    mine = (
        pending.c.digest == digest.of(answer.get("state", "")),
        pending.c.browser == digest.of(cookie),
        pending.c.provider == known.settings.name,
        pending.c.until > access.clock.now(),
    )
    with access.db.write() as conn:
        found = conn.execute(sa.delete(pending).where(*mine).returning(*pending.c)).first()
    if found is None:
        raise Unauthenticated("bad_state", "this answer was not asked for here, or too long ago; sign in again")
    if answer.get("iss", known.settings.issuer) != known.settings.issuer:  # Source: RFC 9207 2.4
        raise Unauthenticated("bad_state", "this answer comes from another provider")
    if "code" not in answer:
        raise Unauthenticated("provider_refused", "the provider let nobody in")
    return found


def _exchange(access: Access, known: Known, answer: dict[str, str], found: Any, redirect_uri: str) -> tuple[Shown, str]:
    """The code for tokens, and what they say, checked; the ID token too."""
    import requests
    from authlib.common.errors import AuthlibBaseError

    now, provider = access.clock.now(), known.settings
    metadata = known.metadata(now)
    client = _client(known, redirect_uri)
    methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    basic = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
    client.token_endpoint_auth_method = basic if provider.secret() else "none"
    if client.token_endpoint_auth_method == "client_secret_basic":  # Authlib leaves out RFC 6749 2.3.1: escaped first
        client.client_id, client.client_secret = map(quote_plus, (provider.client_id, provider.secret()))
    try:
        got = client.fetch_token(
            metadata["token_endpoint"],
            code=answer["code"],
            grant_type="authorization_code",
            code_verifier=found.verifier,
            timeout=provider.timeout_s,
            verify=True if provider.ca_file is None else str(provider.ca_file),
        )
    except (requests.RequestException, ValueError) as error:
        raise known.unavailable(error) from error
    except AuthlibBaseError as error:
        raise Unauthenticated("provider_refused", "the provider does not take back its code") from error
    id_token = str(got.get("id_token", ""))
    claims = known.claims(id_token, now, provider.client_id, nonce=found.nonce)
    if claims.get("azp", provider.client_id) != provider.client_id:  # Source: Core 1.0 3.1.3.7
        raise Unauthenticated("bad_token", "this ID token was made out for another client")
    if provider.acr_values and claims.get("acr") not in provider.acr_values:
        raise Unauthenticated("weak_authentication", "the provider did not check who you are as strongly as asked")
    return Shown(provider, claims | _more(known, access, claims, str(got.get("access_token", "")))), id_token


def _more(known: Known, access: Access, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
    """What the provider tells of the same person besides; never in place of what the ID token says."""
    now = access.clock.now()
    endpoint = known.metadata(now).get("userinfo_endpoint")
    if not endpoint or not access_token:
        return {}
    told = known.ask("GET", str(endpoint), headers={"authorization": f"Bearer {access_token}"})
    if "jwt" in told:
        told = known.claims(str(told["jwt"]), now, known.settings.client_id, ends=False)  # Source: Core 1.0 5.3.2
    if told.get("sub") != claims["sub"]:  # Source: Core 1.0 5.3.2
        raise Unauthenticated("bad_token", "the provider speaks of somebody else")
    return {name: value for name, value in told.items() if name not in claims}


# -- whose account ---------------------------------------------------------------------------------------------------


def account(conn: sa.Connection, shown: Shown) -> int:
    """The account of whom the provider speaks: known by subject, else by RPPS, login or verified e-mail; 0: none."""
    provider, claims = shown.provider, shown.claims
    mine = identity.c.issuer == provider.issuer, identity.c.subject == shown.subject
    known = conn.execute(sa.select(identity.c.actor_id).where(*mine)).scalar()
    if known is not None:
        return int(known)
    if (number := rpps(shown)) and (found := _only(conn, actor.c.rpps == number)):
        return found
    if (login := _text(claims.get(provider.login_claim))) and (found := _only(conn, actor.c.login == login.lower())):
        return found
    email = _text(claims.get("email")) if provider.match_email and claims.get("email_verified") is True else ""
    return _only(conn, sa.func.lower(actor.c.email) == email.lower()) if email else 0


def rpps(shown: Shown) -> str:
    """The RPPS number among the claims that are trusted for it; empty when there is none."""
    for name in shown.provider.rpps_claims:
        match = RPPS.fullmatch(_text(shown.claims.get(name)))
        if match and luhn(match[1]):
            return match[1]
    return ""


def purpose(shown: Shown, who: Actor) -> Purpose:
    """What an access token is used for: its claim `purpose`, if the roles know it; else the first they know."""
    known = decide.purposes(who)
    asked = _text(shown.claims.get("purpose"))
    return next((one for one in known if one.value == asked), next(iter(known), Purpose.CARE))


def _only(conn: sa.Connection, condition: sa.ColumnElement[bool]) -> int:
    """The one account for which it is so; 0 when there is none, or more than one."""
    rows = conn.execute(sa.select(actor.c.id).where(condition, actor.c.disabled_at.is_(None)).limit(2)).all()
    return int(rows[0].id) if len(rows) == 1 else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _remember(access: Access, conn: sa.Connection, shown: Shown, number: int) -> None:
    mine = identity.c.issuer == shown.provider.issuer, identity.c.subject == shown.subject
    if conn.execute(sa.select(identity.c.actor_id).where(*mine)).first() is None:
        row = {"issuer": shown.provider.issuer, "subject": shown.subject, "actor_id": number}
        conn.execute(sa.insert(identity).values(row | {"created_at": access.clock.now()}))


def _new(access: Access, conn: sa.Connection, shown: Shown, browser: Browser) -> int:
    """An account for somebody who has none, where the settings say so. Raises: Unauthenticated("no_account")."""
    provider, claims = shown.provider, shown.claims
    where = _place(conn, shown)
    if provider.new_role is None or where is None:
        raise Unauthenticated("no_account", "you have no account here; ask an administrator")
    login = _free_login(conn, shown)
    email = _text(claims.get("email")) if claims.get("email_verified") is True else ""
    number = people.add(conn, login, access.clock.now(), name=_text(claims.get("name")), email=email, rpps=rpps(shown))
    people.appoint(conn, number, provider.new_role, where)
    made = {"what": "made", "provider": provider.name, "role": provider.new_role.value, "place": where}
    entry = Entry("system", "user_changed", address=browser.address, subject=login, detail=made)
    ledger.record(conn, entry, access.clock)
    return number


def _place(conn: sa.Connection, shown: Shown) -> int | None:
    """Where somebody new belongs: the place with the FINESS number of the claim, or the one of the settings."""
    if not shown.provider.finess_claim:
        return shown.provider.new_place or FIRST_PLACE
    match = FINESS.fullmatch(_text(shown.claims.get(shown.provider.finess_claim)))
    if match is None:
        return None
    return conn.execute(sa.select(place.c.id).where(place.c.finess == match[1]).order_by(place.c.id)).scalar()


def _free_login(conn: sa.Connection, shown: Shown) -> str:
    """The RPPS number, the name in the house, or one made of the subject."""
    told = rpps(shown) or _text(shown.claims.get(shown.provider.login_claim)).lower()
    fallback = f"{shown.provider.name}-{digest.of(shown.subject)[:12]}"
    if not people.LOGIN.fullmatch(told):
        return fallback
    taken = conn.execute(sa.select(actor.c.id).where(actor.c.login == told)).first()
    return fallback if taken is not None else told
