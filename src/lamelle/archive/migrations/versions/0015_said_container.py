"""Scans are found by what their DICOM says their container is."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_scan_said_container ON scan (said_container)")
