"""The tables of how people prove who they are; a secret that only has to be recognised is kept as its SHA-256.

`lamelle rebuild` leaves them as they are.
"""

import sqlalchemy as sa

from lamelle.base.db import Instant, Key, Word, schema

credential = sa.Table(
    "credential",
    schema,
    sa.Column("actor_id", Key, sa.ForeignKey("actor.id"), primary_key=True, autoincrement=False),
    sa.Column("hash", Word, nullable=False),
    sa.Column("set_at", Instant, nullable=False),
    sa.Column("until", Instant),
)
"""A password, as Argon2id keeps it; with `until` it is of one use and must be changed."""

second_factor = sa.Table(
    "second_factor",
    schema,
    sa.Column("actor_id", Key, sa.ForeignKey("actor.id"), primary_key=True, autoincrement=False),
    sa.Column("secret", Word, nullable=False),
    sa.Column("confirmed_at", Instant),
    sa.Column("last_step", sa.BigInteger, nullable=False, server_default="0"),
)
"""What an authenticator app shares with us; a code counts once, so the time step of the last one is kept."""

recovery_code = sa.Table(
    "recovery_code",
    schema,
    sa.Column("digest", Word, primary_key=True),
    sa.Column("actor_id", Key, sa.ForeignKey("actor.id"), nullable=False, index=True),
)
"""Codes for a lost second factor; one that was used is gone."""

session = sa.Table(
    "session",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("digest", Word, nullable=False, unique=True),
    sa.Column("actor_id", Key, sa.ForeignKey("actor.id"), nullable=False, index=True),
    sa.Column("purpose", Word, nullable=False),
    sa.Column("step", Word, nullable=False, server_default=""),
    sa.Column("method", Word, nullable=False),
    sa.Column("address", Word, nullable=False, server_default=""),
    sa.Column("agent", Word, nullable=False, server_default=""),
    sa.Column("id_token", Word, nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False, index=True),
)
"""A browser somebody signed in with; `step` is what is still to be done before it counts. Ended ones are gone."""

token = sa.Table(
    "token",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("digest", Word, nullable=False, unique=True),
    sa.Column("actor_id", Key, sa.ForeignKey("actor.id"), nullable=False, index=True),
    sa.Column("name", Word, nullable=False, server_default=""),
    sa.Column("scope", Word, nullable=False),
    sa.Column("purpose", Word, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("last_at", Instant),
    sa.Column("revoked_at", Instant),
)
"""What a program shows instead of a password; `scope` in the syntax of SMART on FHIR."""

identity = sa.Table(
    "identity",
    schema,
    sa.Column("issuer", Word, primary_key=True),
    sa.Column("subject", Word, primary_key=True),
    sa.Column("actor_id", Key, sa.ForeignKey("actor.id"), nullable=False, index=True),
    sa.Column("created_at", Instant, nullable=False),
)
"""Who an account is at an OpenID Connect provider."""

pending = sa.Table(
    "pending",
    schema,
    sa.Column("digest", Word, primary_key=True),
    sa.Column("browser", Word, nullable=False),
    sa.Column("provider", Word, nullable=False),
    sa.Column("nonce", Word, nullable=False),
    sa.Column("verifier", Word, nullable=False),
    sa.Column("goal", Word, nullable=False),
    sa.Column("until", Instant, nullable=False),
)
"""A browser sent to a provider, until it comes back: of the `state` and of the browser's cookie the SHA-256."""

attempt = sa.Table(
    "attempt",
    schema,
    sa.Column("key", Word, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("since", Instant, nullable=False),
)
"""Attempts that failed, by account and by address; both as SHA-256, as people type passwords where logins go."""
