"""Whose establishment an entry of the ledger is about, so that each officer reads of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for name in ("place", "actor_id"):
        op.add_column("ledger", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    conn = op.get_bind()
    for name in ("place", "actor_id"):
        if conn.dialect.name == "sqlite":
            said = f"coalesce(json_extract(entry, '$.{name}'), 0)"
        else:
            said = f"coalesce((entry::json ->> '{name}')::bigint, 0)"
        op.execute(f"UPDATE ledger SET {name} = {said} WHERE entry LIKE '%\"{name}\"%'")
