"""The audit ledger: what waits to be sealed, the chained entries, signed checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    key = sa.Integer() if sqlite else sa.BigInteger()
    word = sa.Text() if sqlite else sa.Text(collation="C")
    op.create_table(
        "audit_pending",
        sa.Column("id", key, primary_key=True),
        sa.Column("entry", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_pending"),
    )
    op.create_table(
        "audit_journal",
        sa.Column("name", word, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_audit_journal"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger",
        sa.Column("number", key, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, word, nullable=False)
            for name in ("actor", "action", "outcome", "patient_id", "issuer", "study_uid")
        ),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("hash", word, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_ledger"),
    )
    for name, column, where in (
        ("at", None, None),
        ("actor", "actor", None),
        ("action", "action", None),
        ("patient", "patient_id", "patient_id != ''"),
        ("study", "study_uid", "study_uid != ''"),
        ("not_well", None, "outcome != 'success'"),
    ):
        only = sa.text(where) if where else None
        columns = [column] if column else []
        op.create_index(
            f"ix_ledger_{name}", "ledger", [*columns, "at", "number"], sqlite_where=only, postgresql_where=only
        )
    op.create_table(
        "audit_checkpoint",
        sa.Column("serial", key, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", word, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("key", word, nullable=False),
        sa.Column("signature", word, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_audit_checkpoint"),
    )
    op.create_table(
        "audit_sent",
        sa.Column("receiver", word, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("receiver", name="pk_audit_sent"),
        sqlite_with_rowid=False,
    )
