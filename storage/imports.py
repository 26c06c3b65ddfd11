"""How far the import of a source has come, so that the next one goes on there; knows no source."""

from __future__ import annotations

import time

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import upsert_rows
from storage.schema import imports


async def cursor(connection: AsyncConnection, source: str, query: str) -> str | None:
    """Where an import of the source with this query was cut off; None where none was."""
    asked = select(imports.c.cursor).where(imports.c.source == source, imports.c.query == query)
    found: str | None = await connection.scalar(asked)
    return found


async def reach(connection: AsyncConnection, source: str, query: str, cursor: str) -> None:
    """Remember that everything before `cursor` is stored; belongs in the transaction that stores it."""
    row = {"source": source, "query": query, "cursor": cursor, "at": time.time()}
    await upsert_rows(connection, imports, [row])


async def finish(connection: AsyncConnection, source: str, query: str) -> None:
    """Forget how far it came: the next import begins at the beginning."""
    await connection.execute(delete(imports).where(imports.c.source == source, imports.c.query == query))
