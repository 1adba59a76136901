"""Indexes to walk the studies from the newest, of name pieces and of modalities; sums by month."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SUMS = "studies, series, instances"
FORGET = (
    "INSERT INTO name_gram(name_gram, rowid, patient_name_key, patient_name_other)"
    " VALUES ('delete', old.id, old.patient_name_key, old.patient_name_other);"
)
LEARN = (
    "INSERT INTO name_gram(rowid, patient_name_key, patient_name_other)"
    " VALUES (new.id, new.patient_name_key, new.patient_name_other);"
)
GRAMS_SQLITE = (
    "CREATE VIRTUAL TABLE name_gram USING fts5(patient_name_key, patient_name_other, content='study',"
    " content_rowid='id', tokenize='trigram case_sensitive 1', detail='none', columnsize=0)",
    "INSERT INTO name_gram(rowid, patient_name_key, patient_name_other)"
    " SELECT id, patient_name_key, patient_name_other FROM study",
    f"CREATE TRIGGER study_gram_insert AFTER INSERT ON study BEGIN {LEARN} END",
    f"CREATE TRIGGER study_gram_delete AFTER DELETE ON study BEGIN {FORGET} END",
    "CREATE TRIGGER study_gram_update AFTER UPDATE OF patient_name_key, patient_name_other ON study"
    " WHEN old.patient_name_key <> new.patient_name_key OR old.patient_name_other <> new.patient_name_other"
    f" BEGIN {FORGET} {LEARN} END",
)
GRAMS_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX ix_study_name_gram ON study USING gin ((patient_name_key || patient_name_other) gin_trgm_ops)",
)


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
    if conn.dialect.name == "sqlite":
        for statement in GRAMS_SQLITE:
            conn.exec_driver_sql(statement)
        return
    try:
        with conn.begin_nested():
            for statement in GRAMS_POSTGRESQL:
                conn.exec_driver_sql(statement)
    except sa.exc.DBAPIError:  # not installed, or not allowed: names are then found without it
        return
