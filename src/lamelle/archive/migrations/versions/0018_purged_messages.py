"""Messages whose content was removed after its time."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute("ALTER TABLE message ADD COLUMN purged_at BIGINT")
    op.execute("CREATE INDEX ix_message_settled ON message (settled_at) WHERE purged_at IS NULL")
