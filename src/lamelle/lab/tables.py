"""The tables of the laboratory; text columns hold "" for an absent value, `json` a whole DICOM JSON object.

`place` is whose laboratory it is; who reaches what is decided in access.

Unlike the archive's they are no index of files: `lamelle rebuild` leaves them as they are.
"""

import sqlalchemy as sa

from lamelle.base.db import Instant, Key, Word, schema

scheduled_step = sa.Table(
    "scheduled_step",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("study_uid", Word, nullable=False),
    sa.Column("step_id", Word, nullable=False),
    sa.Column("accession_number", Word, nullable=False, index=True),
    sa.Column("patient_id", Word, nullable=False, index=True),
    sa.Column("start_date", Word, nullable=False),
    sa.Column("start_time", Word, nullable=False),
    sa.Column("stations", Word, nullable=False),
    sa.Column("modality", Word, nullable=False),
    sa.Column("status", Word, nullable=False),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("place", Key, nullable=False, server_default="1"),
    sa.UniqueConstraint("study_uid", "step_id"),
)
"""One scheduled procedure step: a worklist item. `stations` holds `\\a\\b\\`, as columns of several values do."""
sa.Index("ix_scheduled_step_start", scheduled_step.c.start_date, scheduled_step.c.start_time, scheduled_step.c.id)

scheduled_container = sa.Table(
    "scheduled_container",
    schema,
    sa.Column("container_id", Word, primary_key=True),
    sa.Column(
        "scheduled_id", Key, sa.ForeignKey("scheduled_step.id", ondelete="CASCADE"), primary_key=True, index=True
    ),
    sqlite_with_rowid=False,
)
"""The slides of a step, by what stands in their barcode."""

performed_step = sa.Table(
    "performed_step",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("uid", Word, nullable=False, unique=True),
    sa.Column("status", Word, nullable=False),
    sa.Column("station", Word, nullable=False),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("place", Key, nullable=False, server_default="1"),
)
"""What a modality says it does or did (MPPS)."""

performed_scheduled = sa.Table(
    "performed_scheduled",
    schema,
    sa.Column("study_uid", Word, primary_key=True),
    sa.Column("step_id", Word, primary_key=True),
    sa.Column(
        "performed_id", Key, sa.ForeignKey("performed_step.id", ondelete="CASCADE"), primary_key=True, index=True
    ),
    sqlite_with_rowid=False,
)
"""Which scheduled steps a performed step answers, whether or not they are on the worklist."""

availability = sa.Table(
    "availability",
    schema,
    sa.Column("uid", Word, primary_key=True),
    sa.Column("study_uid", Word, nullable=False, index=True),
    sa.Column("said_by", Word, nullable=False),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("received_at", Instant, nullable=False, index=True),
)
"""What other archives told us they have (Instance Availability Notification)."""
