"""Rounds that run: the word that lets their members in by a link, one of them a chat, and when each is due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("rounds", sa.Column("token", sa.Text(), nullable=False, server_default=""))
    running = sa.text("state <> 'closed'")
    op.create_index(
        "ix_rounds_running", "rounds", ["platform", "chat_id"], unique=True, sqlite_where=running,
        postgresql_where=running,
    )  # fmt: skip
    op.create_index(
        "ix_rounds_due", "rounds", ["platform", "closes_at"], sqlite_where=running, postgresql_where=running
    )
