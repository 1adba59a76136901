"""Second factors: codes of an authenticator app (TOTP, RFC 6238), each good once, and recovery codes for a lost one."""

import hmac
import secrets
from datetime import datetime
from typing import Final

import pyotp
import sqlalchemy as sa

from lamelle.access import digest
from lamelle.access.proofs import recovery_code, second_factor
from lamelle.base.errors import Conflict, Invalid

STEP_S: Final = 30
DRIFT: Final = 1
"""Steps that a phone's clock may be wrong, either way."""
RECOVERY: Final = 10
LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
ISSUER: Final = "Lamelle"


def begin(conn: sa.Connection, actor_id: int, login: str) -> tuple[str, str]:
    """Make a secret that is to be confirmed by a code; it and the address a QR code says.

    Raises: Conflict("factor_there").
    """
    if is_there(conn, actor_id):
        raise Conflict("factor_there", "this account has a second factor; remove it first")
    secret = pyotp.random_base32()
    conn.execute(sa.delete(second_factor).where(second_factor.c.actor_id == actor_id))
    conn.execute(sa.insert(second_factor).values(actor_id=actor_id, secret=secret, last_step=0))
    return secret, pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER)


def confirm(conn: sa.Connection, actor_id: int, code: str, now: datetime) -> list[str]:
    """The app knows the secret: from now on it is asked for; recovery codes, shown once.

    Raises: Invalid("wrong_code"), Conflict("factor_there").
    """
    if is_there(conn, actor_id):
        raise Conflict("factor_there", "this account has a second factor; remove it first")
    if not _take_step(conn, actor_id, code, now):
        raise Invalid("wrong_code", "this is not the code of this moment")
    conn.execute(sa.update(second_factor).where(second_factor.c.actor_id == actor_id).values(confirmed_at=now))
    return recover(conn, actor_id)


def recover(conn: sa.Connection, actor_id: int) -> list[str]:
    """New recovery codes in place of the old: 10 letters each, 49 bits, guarded by the limit of attempts."""
    codes = ["".join(secrets.choice(LETTERS) for _ in range(10)) for _ in range(RECOVERY)]
    conn.execute(sa.delete(recovery_code).where(recovery_code.c.actor_id == actor_id))
    conn.execute(sa.insert(recovery_code), [{"actor_id": actor_id, "digest": _kept(actor_id, code)} for code in codes])
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def left(conn: sa.Connection, actor_id: int) -> int:
    """How many recovery codes there are."""
    counted = sa.select(sa.func.count()).where(recovery_code.c.actor_id == actor_id)
    return int(conn.execute(counted).scalar_one())


def remove(conn: sa.Connection, actor_id: int) -> None:
    """Ask for no code any more."""
    for table in (second_factor, recovery_code):
        conn.execute(sa.delete(table).where(table.c.actor_id == actor_id))


def is_there(conn: sa.Connection, actor_id: int) -> bool:
    """Whether the account has a second factor that was confirmed."""
    found = second_factor.c.actor_id == actor_id, second_factor.c.confirmed_at.is_not(None)
    return conn.execute(sa.select(second_factor.c.actor_id).where(*found)).first() is not None


def take(conn: sa.Connection, actor_id: int, code: str, now: datetime) -> bool:
    """Whether the code is right; it is used up then, a recovery code too."""
    if not is_there(conn, actor_id):
        return False
    return _take_step(conn, actor_id, code, now) or _take_recovery(conn, actor_id, code)


def _take_step(conn: sa.Connection, actor_id: int, code: str, now: datetime) -> bool:
    row = conn.execute(sa.select(second_factor).where(second_factor.c.actor_id == actor_id)).first()
    given = code.replace(" ", "")
    if row is None or not (given.isascii() and given.isdigit()):
        return False
    totp, current = pyotp.TOTP(row.secret), int(now.timestamp()) // STEP_S
    steps = [current + drift for drift in range(-DRIFT, DRIFT + 1)]
    fitting = [step for step in steps if hmac.compare_digest(totp.at(step * STEP_S), given)]
    fresh = [step for step in fitting if step > row.last_step]
    if not fresh:
        return False
    # Two requests with one code: the second finds the step taken.
    mine = second_factor.c.actor_id == actor_id, second_factor.c.last_step < fresh[0]
    return bool(conn.execute(sa.update(second_factor).where(*mine).values(last_step=fresh[0])).rowcount)


def _take_recovery(conn: sa.Connection, actor_id: int, code: str) -> bool:
    plain = code.strip().lower().replace("-", "").replace(" ", "")
    return bool(conn.execute(sa.delete(recovery_code).where(recovery_code.c.digest == _kept(actor_id, plain))).rowcount)


def _kept(actor_id: int, code: str) -> str:
    return digest.of(f"{actor_id} {code}")
