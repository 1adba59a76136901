"""People, places, roles and shares."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    key = sa.Integer() if sqlite else sa.BigInteger()
    word = sa.Text() if sqlite else sa.Text(collation="C")
    place = op.create_table(
        "place",
        sa.Column("id", key, primary_key=True),
        sa.Column("kind", word, nullable=False),
        sa.Column("parent_id", key),
        sa.Column("name", word, nullable=False),
        sa.Column("finess", word, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_place"),
        sa.ForeignKeyConstraint(["parent_id"], ["place.id"], name="fk_place_parent_id"),
    )
    op.create_index("ix_place_parent_id", "place", ["parent_id"])
    op.bulk_insert(place, [{"kind": "establishment", "name": "Établissement"}])  # model.FIRST_PLACE
    op.create_table(
        "actor",
        sa.Column("id", key, primary_key=True),
        sa.Column("kind", word, nullable=False),
        sa.Column("login", word, nullable=False),
        sa.Column("name", word, nullable=False, server_default=""),
        sa.Column("email", word, nullable=False, server_default=""),
        sa.Column("rpps", word, nullable=False, server_default=""),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_actor"),
        sa.UniqueConstraint("login", name="uq_actor_login"),
    )
    op.create_index("ix_actor_rpps", "actor", ["rpps"])
    op.create_table(
        "membership",
        sa.Column("id", key, primary_key=True),
        sa.Column("actor_id", key, nullable=False),
        sa.Column("role", word, nullable=False),
        sa.Column("place_id", key),
        sa.Column("until", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_membership"),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_membership_actor_id"),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name="fk_membership_place_id"),
    )
    op.create_index("ix_membership_actor_id", "membership", ["actor_id"])
    op.create_table(
        "share",
        sa.Column("id", key, primary_key=True),
        sa.Column("study_uid", word, nullable=False),
        sa.Column("guest_kind", word, nullable=False),
        sa.Column("guest_id", key, nullable=False),
        sa.Column("purpose", word, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("granted_by", key, nullable=False),
        sa.Column("granted_at", sa.BigInteger, nullable=False),
        sa.Column("reason", word, nullable=False, server_default=""),
        sa.Column("emergency", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_share"),
    )
    op.create_index("ix_share_study_uid", "share", ["study_uid"])
    op.create_index("ix_share_guest", "share", ["guest_kind", "guest_id", "purpose", "study_uid"])
