"""Passwords, second factors, sessions, tokens, identities at providers, attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    key = sa.Integer() if sqlite else sa.BigInteger()
    word = sa.Text() if sqlite else sa.Text(collation="C")
    op.create_table(
        "credential",
        sa.Column("actor_id", key, primary_key=True, autoincrement=False),
        sa.Column("hash", word, nullable=False),
        sa.Column("set_at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.PrimaryKeyConstraint("actor_id", name="pk_credential"),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_credential_actor_id"),
    )
    op.create_table(
        "second_factor",
        sa.Column("actor_id", key, primary_key=True, autoincrement=False),
        sa.Column("secret", word, nullable=False),
        sa.Column("confirmed_at", sa.BigInteger),
        sa.Column("last_step", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("actor_id", name="pk_second_factor"),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_second_factor_actor_id"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("digest", word, primary_key=True),
        sa.Column("actor_id", key, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_recovery_code"),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_recovery_code_actor_id"),
    )
    op.create_index("ix_recovery_code_actor_id", "recovery_code", ["actor_id"])
    op.create_table(
        "session",
        sa.Column("id", key, primary_key=True),
        sa.Column("digest", word, nullable=False),
        sa.Column("actor_id", key, nullable=False),
        sa.Column("purpose", word, nullable=False),
        sa.Column("step", word, nullable=False, server_default=""),
        sa.Column("method", word, nullable=False),
        sa.Column("address", word, nullable=False, server_default=""),
        sa.Column("agent", word, nullable=False, server_default=""),
        sa.Column("id_token", word, nullable=False, server_default=""),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("digest", name="uq_session_digest"),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_session_actor_id"),
    )
    op.create_index("ix_session_actor_id", "session", ["actor_id"])
    op.create_index("ix_session_until", "session", ["until"])
    op.create_table(
        "token",
        sa.Column("id", key, primary_key=True),
        sa.Column("digest", word, nullable=False),
        sa.Column("actor_id", key, nullable=False),
        sa.Column("name", word, nullable=False, server_default=""),
        sa.Column("scope", word, nullable=False),
        sa.Column("purpose", word, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("digest", name="uq_token_digest"),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_token_actor_id"),
    )
    op.create_index("ix_token_actor_id", "token", ["actor_id"])
    op.create_table(
        "identity",
        sa.Column("issuer", word, primary_key=True),
        sa.Column("subject", word, primary_key=True),
        sa.Column("actor_id", key, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identity"),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_identity_actor_id"),
    )
    op.create_index("ix_identity_actor_id", "identity", ["actor_id"])
    op.create_table(
        "pending",
        sa.Column("digest", word, primary_key=True),
        sa.Column("browser", word, nullable=False),
        sa.Column("provider", word, nullable=False),
        sa.Column("nonce", word, nullable=False),
        sa.Column("verifier", word, nullable=False),
        sa.Column("goal", word, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_pending"),
    )
    op.create_table(
        "attempt",
        sa.Column("key", word, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_attempt"),
    )
