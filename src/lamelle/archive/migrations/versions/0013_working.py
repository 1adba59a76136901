"""People at work on cases: views they keep, what they have seen, what they read, priorities; the worklists' indexes."""

from alembic import op

revision = "0013"
down_revision = "0012"

OPEN = "state NOT IN ('validated', 'cancelled')"
INDEXES = (
    (
        "ix_pathology_case_open ON pathology_case (place, assigned_to, state, urgency, frozen, specialty, department,"
        " waiting_count, priority, created_at, updated_at, id)",
        OPEN,
    ),
    (
        "ix_pathology_case_done ON pathology_case"
        " (place, validated_at, id, state, specialty, department, urgency, assigned_to)",
        "state = 'validated'",
    ),
    (
        "ix_pathology_case_walk ON pathology_case"
        " (place, created_at, id, state, specialty, department, urgency, assigned_to)",
        "",
    ),
    ("ix_technique_asked ON technique (case_id)", "state IN ('requested', 'accepted')"),
    ("ix_report_unsigned ON report (case_id)", "state IN ('draft', 'preliminary')"),
    ("ix_patient_identifier_value ON patient_identifier (value)", ""),
    ("ix_scan_arrived ON scan (arrived_at, place, scanner, state, quality)", ""),
    ("ix_scan_updated_at ON scan (updated_at, place)", ""),
    ("ix_decision_rescan ON decision (decided_at, scan_id)", "kind = 'rescan'"),
    ("ix_case_seen_case_id ON case_seen (case_id)", ""),
)


def upgrade() -> None:
    conn = op.get_bind()
    sqlite = conn.dialect.name == "sqlite"
    word, key, serial = ("TEXT", "INTEGER", "INTEGER") if sqlite else ('TEXT COLLATE "C"', "BIGINT", "BIGSERIAL")
    without = " WITHOUT ROWID" if sqlite else ""
    conn.exec_driver_sql(
        f"CREATE TABLE saved_view (id {serial} NOT NULL, actor_id {key} NOT NULL, name {word} NOT NULL,"
        f" query {word} NOT NULL, CONSTRAINT pk_saved_view PRIMARY KEY (id),"
        " CONSTRAINT uq_saved_view_actor_id_name UNIQUE (actor_id, name))"
    )
    conn.exec_driver_sql(
        f"CREATE TABLE case_seen (actor_id {key} NOT NULL, case_id {key} NOT NULL, seen_at BIGINT NOT NULL,"
        " CONSTRAINT pk_case_seen PRIMARY KEY (actor_id, case_id),"
        " CONSTRAINT fk_case_seen_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE)"
        f"{without}"
    )
    conn.exec_driver_sql(
        f"CREATE TABLE reads_specialty (actor_id {key} NOT NULL, specialty {word} NOT NULL,"
        f" CONSTRAINT pk_reads_specialty PRIMARY KEY (actor_id, specialty)){without}"
    )
    conn.exec_driver_sql(
        f"CREATE TABLE priority_rule (place {key} NOT NULL, field {word} NOT NULL, value {word} NOT NULL,"
        f" hours INTEGER NOT NULL, CONSTRAINT pk_priority_rule PRIMARY KEY (place, field, value)){without}"
    )
    for index, where in INDEXES:
        conn.exec_driver_sql(f"CREATE INDEX {index}" + (f" WHERE {where}" if where else ""))
