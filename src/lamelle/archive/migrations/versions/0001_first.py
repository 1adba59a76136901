"""The first schema, written out: what it makes stays the same whatever the rooms declare later."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    conn = op.get_bind()
    script = Path(__file__).with_name(f"0001_first.{conn.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in script.removesuffix(";\n").split(";\n"):
        conn.exec_driver_sql(statement)
