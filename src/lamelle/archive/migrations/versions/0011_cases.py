"""Cases: patients, specimens, blocks, slides, scans, decisions, techniques, reports, attachments."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    conn = op.get_bind()
    script = Path(__file__).with_name(f"0011_cases.{conn.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in script.removesuffix(";\n").split(";\n"):
        conn.exec_driver_sql(statement)
