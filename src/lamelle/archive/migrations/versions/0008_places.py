"""Every study belongs to a place: in its row, in the indexes that searches walk, and in the sums."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

OWNED = ("study", "tombstone", "aside", "import_record")
NAMED = ("patient_name_key", "patient_id", "accession_number", "referring_physician_key", "study_id")
SUMS = "count(*), sum(series_count), sum(instance_count)"


def upgrade() -> None:
    conn = op.get_bind()
    sqlite = conn.dialect.name == "sqlite"
    word, key = ("TEXT", "INTEGER") if sqlite else ('TEXT COLLATE "C"', "BIGINT")
    without = " WITHOUT ROWID" if sqlite else ""
    for table in OWNED:
        conn.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN place {key} DEFAULT '1' NOT NULL")
    for name in ("walk", *NAMED):
        conn.exec_driver_sql(f"DROP INDEX ix_study_{name}")
    conn.exec_driver_sql(
        "CREATE INDEX ix_study_walk ON study"
        " (study_date, study_time, id, place, modalities, patient_name_key, patient_name_other)"
    )
    conn.exec_driver_sql("CREATE INDEX ix_study_place ON study (place, study_date, study_time, id)")
    for name in NAMED:
        conn.exec_driver_sql(f"CREATE INDEX ix_study_{name} ON study ({name}, study_date, study_time, id, place)")
    for table, period, value in (
        ("tally", "study_date", "study_date"),
        ("tally_month", "month", "substr(study_date, 1, 6)"),
    ):
        conn.exec_driver_sql(f"DROP TABLE {table}")
        conn.exec_driver_sql(
            f"CREATE TABLE {table} ({period} {word} NOT NULL, modalities {word} NOT NULL, place {key} NOT NULL,"
            " studies BIGINT NOT NULL, series BIGINT NOT NULL, instances BIGINT NOT NULL,"
            f" CONSTRAINT pk_{table} PRIMARY KEY ({period}, modalities, place)){without}"
        )
        conn.exec_driver_sql(
            f"INSERT INTO {table} ({period}, modalities, place, studies, series, instances)"
            f" SELECT {value}, modalities, place, {SUMS} FROM study GROUP BY 1, 2, 3"
        )
    integer = sa.Integer() if sqlite else sa.BigInteger()
    text = sa.Text() if sqlite else sa.Text(collation="C")
    op.create_table(
        "remembered_place",
        sa.Column("study_uid", text, nullable=False),
        sa.Column("place", integer, nullable=False),
        sa.PrimaryKeyConstraint("study_uid", name="pk_remembered_place"),
    )
    op.create_table(
        "emergency",
        sa.Column("id", integer, primary_key=True),
        sa.Column("actor_id", integer, nullable=False),
        sa.Column("patient_id", text, nullable=False),
        sa.Column("issuer", text, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("studies", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("reviewed_at", sa.BigInteger),
        sa.Column("reviewed_by", integer),
        sa.Column("note", text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_emergency"),
    )
    op.create_index("ix_emergency_actor_id", "emergency", ["actor_id"])
