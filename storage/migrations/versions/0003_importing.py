"""What importing needs: which items can be shown, and what people of other data sets did with items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("items", sa.Column("shown", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.create_table(
        "interactions",
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("rating", sa.Double(), nullable=True),
        sa.Column("at", sa.Double(), nullable=True),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("who", "item_id", name="pk_interactions"),
    )
    op.create_index("ix_interactions_item_id", "interactions", ["item_id"])
    op.create_index("ix_interactions_origin", "interactions", ["origin"])
