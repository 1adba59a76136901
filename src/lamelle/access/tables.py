"""The tables of people, places, roles and shares; text columns hold "" for an absent value.

They are no index of files: `lamelle rebuild` leaves them as they are. How people prove who they are stands in other
modules of this room.
"""

import sqlalchemy as sa

from lamelle.base.db import Instant, Key, Word, schema

place = sa.Table(
    "place",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("kind", Word, nullable=False),
    sa.Column("parent_id", Key, sa.ForeignKey("place.id"), index=True),
    sa.Column("name", Word, nullable=False),
    sa.Column("finess", Word, nullable=False, server_default=""),
)
"""An establishment (`finess`: of the legal entity), a site (geographic FINESS) or a department; parents hold them."""

actor = sa.Table(
    "actor",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("kind", Word, nullable=False),
    sa.Column("login", Word, nullable=False, unique=True),
    sa.Column("name", Word, nullable=False, server_default=""),
    sa.Column("email", Word, nullable=False, server_default=""),
    sa.Column("rpps", Word, nullable=False, server_default="", index=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("disabled_at", Instant),
)
"""A person or a service account. A name stays taken when its owner has gone: the ledger speaks of it."""

membership = sa.Table(
    "membership",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("actor_id", Key, sa.ForeignKey("actor.id"), nullable=False, index=True),
    sa.Column("role", Word, nullable=False),
    sa.Column("place_id", Key, sa.ForeignKey("place.id")),
    sa.Column("until", Instant),
)
"""A role somebody holds in a place; without a place, in all of them."""

share = sa.Table(
    "share",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("study_uid", Word, nullable=False, index=True),
    sa.Column("guest_kind", Word, nullable=False),
    sa.Column("guest_id", Key, nullable=False),
    sa.Column("purpose", Word, nullable=False),
    sa.Column("until", Instant),
    sa.Column("granted_by", Key, nullable=False),
    sa.Column("granted_at", Instant, nullable=False),
    sa.Column("reason", Word, nullable=False, server_default=""),
    sa.Column("emergency", sa.Boolean, nullable=False),
)
"""A study somebody beyond its place may see: the care team, an opinion, a project, a lesson, or a broken glass."""
sa.Index("ix_share_guest", share.c.guest_kind, share.c.guest_id, share.c.purpose, share.c.study_uid)
