"""Several processes of one platform: which of them live, and whose each turn and each reply is.

What stood in the mail before is nobody's, and so taken up by whoever serves its platform first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_UNFINISHED = sa.text("outcome IS NULL")
_DUE = sa.text("sent_version < version")


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("beat_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_processes"),
    )
    for table in ("inbox", "outbox"):
        op.add_column(table, sa.Column("owner", sa.Text(), nullable=False, server_default=""))
    op.drop_index("ix_inbox_unfinished", "inbox")
    op.create_index(
        "ix_inbox_unfinished",
        "inbox",
        ["platform", "chat_id", "person_id", "id"],
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    )
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index(
        "ix_outbox_due", "outbox", ["platform", "chat_id", "seq"], sqlite_where=_DUE, postgresql_where=_DUE
    )
