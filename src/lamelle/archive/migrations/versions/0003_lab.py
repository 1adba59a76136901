"""The tables of the laboratory: worklist, performed steps, notices of availability."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    conn = op.get_bind()
    script = Path(__file__).with_name(f"0003_lab.{conn.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in script.removesuffix(";\n").split(";\n"):
        conn.exec_driver_sql(statement)
