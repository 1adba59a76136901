"""Messages exchanged with other systems."""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    conn = op.get_bind()
    here = Path(__file__)
    script = here.with_name(f"{here.stem}.{conn.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in script.removesuffix(";\n").split(";\n"):
        conn.exec_driver_sql(statement)
