"""What goes on to other archives, and what was asked to be committed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    key = sa.Integer() if sqlite else sa.BigInteger()
    word = sa.Text() if sqlite else sa.Text(collation="C")
    op.create_table(
        "outgoing",
        sa.Column("id", key, primary_key=True),
        sa.Column("destination", word, nullable=False),
        sa.Column("sop_uid", word, nullable=False),
        sa.Column("state", word, nullable=False, server_default="todo"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text),
        sa.Column("run_at", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing"),
        sa.UniqueConstraint("destination", "sop_uid", name="uq_outgoing_destination_sop_uid"),
    )
    todo = sa.text("state = 'todo'")
    op.create_index("ix_outgoing_todo", "outgoing", ["destination", "id"], sqlite_where=todo, postgresql_where=todo)
    op.create_table(
        "commitment",
        sa.Column("id", key, primary_key=True),
        sa.Column("transaction_uid", word, nullable=False),
        sa.Column("requester", word, nullable=False),
        sa.Column("state", word, nullable=False),
        sa.Column("duplicate", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commitment"),
    )
    op.create_index("ix_commitment_asked_at", "commitment", ["asked_at"])
    op.create_index("ix_commitment_transaction", "commitment", ["transaction_uid", "requester"])
    op.create_table(
        "commitment_item",
        sa.Column("commitment_id", key, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("sop_class", word, nullable=False),
        sa.Column("sop_uid", word, nullable=False),
        sa.PrimaryKeyConstraint("commitment_id", "position", name="pk_commitment_item"),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name="fk_commitment_item_commitment_id", ondelete="CASCADE"
        ),
    )
