"""What a companion needs: who a reply is for, where an inquiry's answer goes, and personas."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("person_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("inquiries", sa.Column("platform", sa.Text(), nullable=False, server_default=""))
    op.add_column("inquiries", sa.Column("chat_id", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "personas",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("corrections", sa.Text(), nullable=False),
        sa.Column("frozen_at", sa.Double(), nullable=True),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_personas_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name="pk_personas"),
    )
