"""Whose laboratory a worklist item and a performed step are of."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    key = sa.Integer() if op.get_bind().dialect.name == "sqlite" else sa.BigInteger()
    for table in ("scheduled_step", "performed_step"):
        op.add_column(table, sa.Column("place", key, nullable=False, server_default="1"))
