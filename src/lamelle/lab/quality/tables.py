"""The tables of scan quality; a scan's verdict alone stands in `scan.quality`."""

import sqlalchemy as sa

from lamelle.base.db import Instant, Key, Word, schema

quality = sa.Table(
    "quality",
    schema,
    sa.Column("scan_id", Key, sa.ForeignKey("scan.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("measured", sa.Text, nullable=False),
    sa.Column("why", Word, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("columns", sa.Integer, nullable=False),
    sa.Column("across", sa.Float, nullable=False),
    sa.Column("down", sa.Float, nullable=False),
    sa.Column("cell_mm2", sa.Float, nullable=False),
    sa.Column("grids", sa.LargeBinary, nullable=False),
    sa.Column("stain", Word, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("checked_at", Instant, nullable=False),
)
"""What was measured on a scan, as JSON by name, and its heat maps; what it means follows from the thresholds."""

threshold = sa.Table(
    "quality_threshold",
    schema,
    sa.Column("stain", Word, primary_key=True),
    sa.Column("scanner", Word, primary_key=True),
    sa.Column("measure", Word, primary_key=True),
    sa.Column("warn", sa.Float),
    sa.Column("fail", sa.Float),
    sqlite_with_rowid=False,
)
"""Exceptions from the defaults of `judging`; "" is every stain, every scanner; NULL never warns, never fails."""
