"""What was said so far: one JSON-able state a person and chat."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import upsert_rows
from storage.schema import sessions, users

_OF: Final = (
    sessions.c.user_id == bindparam("user"),
    sessions.c.platform == bindparam("of_platform"),
    sessions.c.chat_id == bindparam("chat"),
)
_STATE: Final = select(sessions.c.state).where(*_OF)
_DELETE: Final = delete(sessions).where(*_OF)


async def load(connection: AsyncConnection, user_id: int, platform: str, chat_id: str) -> dict[str, Any]:
    """The state last saved, or an empty one."""
    of = {"user": user_id, "of_platform": platform, "chat": chat_id}
    state: dict[str, Any] | None = await connection.scalar(_STATE, of)
    return state or {}


async def save(
    connection: AsyncConnection, user_id: int, platform: str, chat_id: str, state: Mapping[str, Any]
) -> None:
    """Let `state` be the state; an empty one leaves no row, so that a forgotten person has none."""
    if not state:
        await connection.execute(_DELETE, {"user": user_id, "of_platform": platform, "chat": chat_id})
        return
    row = {"user_id": user_id, "platform": platform, "chat_id": chat_id}
    await upsert_rows(connection, sessions, [{**row, "state": dict(state), "updated_at": time.time()}])


async def purge_guests(connection: AsyncConnection, before: float) -> int:
    """Forget the talks of guests that ended before that time; the number gone."""
    guests = select(users.c.id).where(users.c.guest)
    gone = await connection.execute(
        delete(sessions).where(sessions.c.user_id.in_(guests), sessions.c.updated_at < before)
    )
    return gone.rowcount
