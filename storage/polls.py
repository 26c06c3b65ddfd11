"""Polls that a platform shows, by its own ids: votes come with those, long after the poll was sent."""

from __future__ import annotations

import time

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import upsert_rows
from storage.schema import polls


async def keep(connection: AsyncConnection, platform: str, poll_id: str, chat_id: str, slot: str) -> None:
    """That poll shows the slot of a chat."""
    row = {"platform": platform, "poll_id": poll_id, "chat_id": chat_id, "slot": slot, "at": time.time()}
    await upsert_rows(connection, polls, [row])


async def find(connection: AsyncConnection, platform: str, poll_id: str) -> tuple[str, str] | None:
    """(chat id, slot) that the poll shows; None where it shows none, as one of somebody else's."""
    query = select(polls.c.chat_id, polls.c.slot).where(
        polls.c.platform == platform, polls.c.poll_id == poll_id
    )
    row = (await connection.execute(query)).one_or_none()
    return (row.chat_id, row.slot) if row else None


async def purge(connection: AsyncConnection, before: float) -> int:
    """Forget polls sent before that time; the number gone."""
    gone = await connection.execute(delete(polls).where(polls.c.at < before))
    return gone.rowcount
