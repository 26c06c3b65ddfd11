"""How the database is: what waits in it, since when, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.jobs import OPEN
from storage.schema import inbox, jobs, outbox


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many of something wait, and since when the oldest does (Unix seconds)."""

    count: int
    since: float | None


async def unfinished(connection: AsyncConnection, but: str = "") -> Waiting:
    """Turns without an outcome, of every platform, but for the one of that id."""
    query = select(func.count(), func.min(inbox.c.taken_at)).where(
        inbox.c.outcome.is_(None), inbox.c.turn_id != but
    )
    return Waiting(*(await connection.execute(query)).one())


async def due(connection: AsyncConnection) -> Waiting:
    """Replies that are not shown yet."""
    query = select(func.count(), func.min(outbox.c.posted_at)).where(outbox.c.sent_version < outbox.c.version)
    return Waiting(*(await connection.execute(query)).one())


async def undeliverable(connection: AsyncConnection, since: float) -> int:
    """Replies posted since then that no platform will ever show."""
    query = select(func.count()).where(outbox.c.problem.is_not(None), outbox.c.posted_at >= since)
    return (await connection.scalar(query.select_from(outbox))) or 0


async def open_jobs(connection: AsyncConnection) -> dict[str, int]:
    """How many jobs are in each state that is not over."""
    query = select(jobs.c.state, func.count()).where(jobs.c.state.in_(OPEN)).group_by(jobs.c.state)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def size(connection: AsyncConnection) -> int:
    """Bytes that the database takes."""
    if connection.dialect.name == "postgresql":
        return int(await connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    pages = await connection.scalar(text("PRAGMA page_count"))
    return int(pages or 0) * int(await connection.scalar(text("PRAGMA page_size")) or 0)
