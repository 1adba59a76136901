"""Who said a merge of patients and who undid it; merges are walked the newest first."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    word = "TEXT" if op.get_bind().dialect.name == "sqlite" else 'TEXT COLLATE "C"'
    for name in ("source", "undone_by"):
        op.execute(f"ALTER TABLE patient_merge ADD COLUMN {name} {word} DEFAULT '' NOT NULL")
    op.execute("CREATE INDEX ix_patient_merge_merged_at ON patient_merge (merged_at)")
