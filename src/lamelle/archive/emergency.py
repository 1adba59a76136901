"""Broken glass: somebody who is not of the care team opens one patient's studies in an emergency, and this is reviewed.

Whether somebody may is decided in `access.decide`; a door asks for the reason.
"""

import sqlalchemy as sa

from lamelle.base.db import Instant, Key, Word, schema

emergency = sa.Table(
    "emergency",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("actor_id", Key, nullable=False, index=True),
    sa.Column("patient_id", Word, nullable=False),
    sa.Column("issuer", Word, nullable=False),
    sa.Column("reason", Word, nullable=False),
    sa.Column("studies", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("reviewed_at", Instant),
    sa.Column("reviewed_by", Key),
    sa.Column("note", Word, nullable=False, server_default=""),
)
