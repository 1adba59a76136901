"""The first schema."""

from alembic import op

from lamelle.base.db import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    schema.create_all(op.get_bind())
