"""Passwords: Argon2id, few at a time, as long for somebody who is not there as for somebody who is."""

import base64
import secrets
import threading
import unicodedata
from datetime import datetime, timedelta
from typing import Final

import argon2
import sqlalchemy as sa
from argon2.exceptions import InvalidHashError, VerificationError

from lamelle.access.proofs import credential
from lamelle.access.settings import AccessSettings
from lamelle.base.db import insert
from lamelle.base.errors import Invalid, Unavailable

LONGEST: Final = 512
"""Characters; nobody types more, and hashing them is work that a stranger can ask for."""
FEWEST_DIFFERENT: Final = 5
WAIT_S: Final = 5.0
LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of passwords we make: without those that are mistaken for one another."""


class Hashing:
    """Hashes and checks, a few at a time in this process; share it between threads."""

    def __init__(self, settings: AccessSettings) -> None:
        self._hasher = argon2.PasswordHasher(settings.hash_rounds, settings.hash_mib * 1024)
        self._turns = threading.BoundedSemaphore(settings.hashes_at_once)
        salt, digest = (base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        memory, rounds, lanes = self._hasher.memory_cost, self._hasher.time_cost, self._hasher.parallelism
        self._nobody = f"$argon2id$v=19$m={memory},t={rounds},p={lanes}${salt}${digest}"

    def make(self, password: str) -> str:
        """The hash to keep. Raises: Unavailable("sign_in_busy")."""
        with self._turn():
            return self._hasher.hash(_normal(password))

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether it is the password; None takes as long and fits nothing. Raises: Unavailable("sign_in_busy")."""
        with self._turn():
            try:
                return self._hasher.verify(kept or self._nobody, _normal(password)[:LONGEST]) and kept is not None
            except (VerificationError, InvalidHashError):
                return False

    def is_weak(self, kept: str) -> bool:
        """Whether it was made with less than we ask for now."""
        return self._hasher.check_needs_rehash(kept)

    def _turn(self) -> "_Turn":
        return _Turn(self._turns)


class _Turn:
    def __init__(self, turns: threading.BoundedSemaphore) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=WAIT_S):
            raise Unavailable("sign_in_busy", "too many people sign in at this moment")

    def __exit__(self, *_: object) -> None:
        self._turns.release()


def _normal(password: str) -> str:
    """One spelling for what looks alike, whatever the keyboard. Source: NIST SP 800-63B 5.1.1.2."""
    return unicodedata.normalize("NFKC", password)


def check(password: str, login: str, settings: AccessSettings) -> None:
    """Long, not the login, and no row of the same letters. Raises: Invalid("weak_password")."""
    low = password.lower()
    if not settings.password_min <= len(password) <= LONGEST:
        raise Invalid("weak_password", f"a password has {settings.password_min} to {LONGEST} characters")
    if len(set(low)) < FEWEST_DIFFERENT or login.lower() in low or low.replace(login.lower(), "").isdigit():
        raise Invalid("weak_password", "a password is no number, does not hold the login and has different letters")


def invented() -> str:
    """A password for somebody else to use first: 20 letters, 99 bits, in groups that can be read out."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(4))


def put(conn: sa.Connection, actor_id: int, kept: str, now: datetime, one_time_s: float | None = None) -> None:
    """Keep a hash as the account's only password; with `one_time_s` it has to be changed before then."""
    until = None if one_time_s is None else now + timedelta(seconds=one_time_s)
    values = {"hash": kept, "set_at": now, "until": until}
    statement = insert(conn, credential).values(actor_id=actor_id, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=[credential.c.actor_id], set_=values))


def kept(conn: sa.Connection, actor_id: int, now: datetime) -> str | None:
    """The account's hash; None when it has none, or one whose time is over."""
    in_time = sa.or_(credential.c.until.is_(None), credential.c.until > now)
    return conn.execute(sa.select(credential.c.hash).where(credential.c.actor_id == actor_id, in_time)).scalar()


def is_one_time(conn: sa.Connection, actor_id: int) -> bool:
    """Whether the password has to be changed."""
    found = sa.select(credential.c.actor_id).where(credential.c.actor_id == actor_id, credential.c.until.is_not(None))
    return conn.execute(found).first() is not None
