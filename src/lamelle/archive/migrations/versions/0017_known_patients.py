"""Whose a study is where somebody knows better than its files."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    word = "TEXT" if op.get_bind().dialect.name == "sqlite" else 'TEXT COLLATE "C"'
    op.execute(
        f"CREATE TABLE known_patient (study_uid {word} NOT NULL, columns TEXT NOT NULL, source {word} NOT NULL,"
        " CONSTRAINT pk_known_patient PRIMARY KEY (study_uid))"
    )
    op.execute("CREATE INDEX ix_known_patient_source ON known_patient (source)")
