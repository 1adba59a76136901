"""Indexes to walk the studies from the newest, of name pieces and of modalities; sums by month."""

from alembic import op

from lamelle.archive import grams

revision = "0002"
down_revision = "0001"

SUMS = "studies, series, instances"


def upgrade() -> None:
    conn = op.get_bind()
    word, without = ("TEXT", " WITHOUT ROWID") if conn.dialect.name == "sqlite" else ('TEXT COLLATE "C"', "")
    statements = (
        "DROP INDEX ix_study_order",
        "CREATE INDEX ix_study_walk ON study"
        " (study_date, study_time, id, modalities, patient_name_key, patient_name_other)",
        "CREATE INDEX ix_study_modalities ON study (modalities, study_date, study_time, id)",
        f"CREATE TABLE tally_month (month {word} NOT NULL, modalities {word} NOT NULL, studies BIGINT NOT NULL,"
        " series BIGINT NOT NULL, instances BIGINT NOT NULL,"
        f" CONSTRAINT pk_tally_month PRIMARY KEY (month, modalities)){without}",
        f"INSERT INTO tally_month (month, modalities, {SUMS})"
        " SELECT substr(study_date, 1, 6), modalities, sum(studies), sum(series), sum(instances)"
        " FROM tally GROUP BY 1, 2",
    )
    for statement in statements:
        conn.exec_driver_sql(statement)
    grams.create(conn)
