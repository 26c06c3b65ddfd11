"""Which processes serve a platform, and when each was last heard of.

A process without a row is dead to all others: what it owns in the mail may be taken over.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import upsert_rows
from storage.schema import processes


async def beat(connection: AsyncConnection, owner: str, platform: str, at: float) -> None:
    """That process lives, at that Unix time."""
    await upsert_rows(connection, processes, [{"owner": owner, "platform": platform, "beat_at": at}])


async def beats(connection: AsyncConnection, platform: str) -> dict[str, float]:
    """When each process of a platform was last heard of, in Unix seconds."""
    rows = await connection.execute(
        select(processes.c.owner, processes.c.beat_at).where(processes.c.platform == platform)
    )
    return {row.owner: row.beat_at for row in rows}


async def bury(
    connection: AsyncConnection, platform: str, *, before: float, gone: Collection[str] = ()
) -> None:
    """Forget the processes of a platform that were last heard of before that time, and those known to be gone.

    One that beats at this very moment stays: what is looked at and what is deleted is one statement.
    """
    dead = or_(processes.c.beat_at < before, processes.c.owner.in_(gone))
    await connection.execute(delete(processes).where(processes.c.platform == platform, dead))


async def leave(connection: AsyncConnection, owner: str) -> None:
    """A process ends in good order; what it leaves may be taken over at once."""
    await connection.execute(delete(processes).where(processes.c.owner == owner))
