"""What was said so far: one JSON-able state a person and chat."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Double, Insert, Text, bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import insert
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
    """Let `state` be the state; an empty one leaves no row, and neither does that of a forgotten person."""
    of = {"user": user_id, "of_platform": platform, "chat": chat_id}
    if not state:
        await connection.execute(_DELETE, of)
        return
    new = {"new_state": dict(state), "now": time.time()}
    await connection.execute(_save(connection.dialect.name), of | new)


@cache
def _save(dialect: str) -> Insert:
    of_user = select(
        users.c.id,
        bindparam("of_platform", type_=Text),
        bindparam("chat", type_=Text),
        bindparam("new_state", type_=sessions.c.state.type),
        bindparam("now", type_=Double),
    ).where(users.c.id == bindparam("user"))
    statement = insert(dialect, sessions).from_select(sessions.c.keys(), of_user)
    given = {name: statement.excluded[name] for name in ("state", "updated_at")}
    return statement.on_conflict_do_update(index_elements=sessions.primary_key, set_=given)


async def purge_guests(connection: AsyncConnection, before: float) -> int:
    """Forget the talks of guests that ended before that time; the number gone."""
    guests = select(users.c.id).where(users.c.guest)
    gone = await connection.execute(
        delete(sessions).where(sessions.c.user_id.in_(guests), sessions.c.updated_at < before)
    )
    return gone.rowcount
