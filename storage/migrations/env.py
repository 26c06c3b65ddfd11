"""What Alembic runs for each command: the caller's connection and transaction are used as they are."""

from __future__ import annotations

from alembic import context

from storage.schema import metadata

# SQLite cannot alter most things in place; Alembic then copies the table.
context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
