"""What was said of patients, cases and their parts, field by field; whom a case was ordered for, before any merge."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    for table in ("patient", "pathology_case", "specimen", "block", "slide"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN said TEXT DEFAULT '' NOT NULL")
    number = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(f"ALTER TABLE pathology_case ADD COLUMN said_patient_id {number}")
    op.execute("CREATE INDEX ix_pathology_case_said_patient_id ON pathology_case (said_patient_id)")
