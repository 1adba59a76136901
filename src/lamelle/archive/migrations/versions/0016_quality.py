"""Scan quality: what was measured, thresholds that differ from the defaults."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    conn = op.get_bind()
    sqlite = conn.dialect.name == "sqlite"
    word, key, blob = ("TEXT", "INTEGER", "BLOB") if sqlite else ('TEXT COLLATE "C"', "BIGINT", "BYTEA")
    without = " WITHOUT ROWID" if sqlite else ""
    conn.exec_driver_sql(
        f"CREATE TABLE quality (scan_id {key} NOT NULL, measured TEXT NOT NULL, why {word} NOT NULL,"
        " rows INTEGER NOT NULL, columns INTEGER NOT NULL, across FLOAT NOT NULL, down FLOAT NOT NULL,"
        f" cell_mm2 FLOAT NOT NULL, grids {blob} NOT NULL, stain {word} NOT NULL, seconds FLOAT NOT NULL,"
        " checked_at BIGINT NOT NULL, CONSTRAINT pk_quality PRIMARY KEY (scan_id),"
        " CONSTRAINT fk_quality_scan_id FOREIGN KEY(scan_id) REFERENCES scan (id) ON DELETE CASCADE)"
    )
    conn.exec_driver_sql(
        f"CREATE TABLE quality_threshold (stain {word} NOT NULL, scanner {word} NOT NULL, measure {word} NOT NULL,"
        ' warn FLOAT, "fail" FLOAT, CONSTRAINT pk_quality_threshold PRIMARY KEY (stain, scanner, measure))' + without
    )
