"""What a person told and did: survey answers, and what they made of each item."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import upsert_rows
from storage.schema import item_redirects, surveys, taste_events

_EVENTS: Final = (
    select(
        func.coalesce(item_redirects.c.new_id, taste_events.c.item_id).label("item_id"),
        taste_events.c.kind,
        taste_events.c.exposure_id,
        taste_events.c.position,
        taste_events.c.at,
    )
    .select_from(taste_events.outerjoin(item_redirects, item_redirects.c.old_id == taste_events.c.item_id))
    .where(taste_events.c.user_id == bindparam("user_id"))
    .order_by(taste_events.c.at, taste_events.c.id)
)
_ANSWERS: Final = select(surveys.c.domain, surveys.c.answers).where(surveys.c.user_id == bindparam("user_id"))


@dataclass(frozen=True, slots=True)
class Event:
    """One thing done with an item: like, dislike, seen, save, never, shown_detail and the like.

    `exposure_id` and `position` (from 1) say which recommendation it answers, if one; `at` is Unix seconds.
    """

    item_id: str
    kind: str
    exposure_id: str | None
    position: int | None
    at: float


async def record(
    connection: AsyncConnection,
    user_id: int,
    item_id: str,
    kind: str,
    *,
    exposure_id: str | None = None,
    position: int | None = None,
    at: float | None = None,
) -> None:
    """Add an event, at the present time unless told."""
    await connection.execute(
        insert(taste_events).values(
            user_id=user_id,
            item_id=item_id,
            kind=kind,
            exposure_id=exposure_id,
            position=position,
            at=time.time() if at is None else at,
        )
    )


async def events(connection: AsyncConnection, user_id: int) -> list[Event]:
    """All that the person did, oldest first; what was done with an item that was joined into another, with that one."""
    return [Event(*row) for row in await connection.execute(_EVENTS, {"user_id": user_id})]


async def withdraw(connection: AsyncConnection, user_id: int, item_id: str, kind: str) -> bool:
    """Take back the latest such event; whether there was one."""
    latest = (
        select(taste_events.c.id)
        .where(
            taste_events.c.user_id == user_id,
            or_(
                taste_events.c.item_id == item_id,
                taste_events.c.item_id.in_(
                    select(item_redirects.c.old_id).where(item_redirects.c.new_id == item_id)
                ),
            ),
            taste_events.c.kind == kind,
        )
        .order_by(taste_events.c.at.desc(), taste_events.c.id.desc())
        .limit(1)
    )
    gone = await connection.execute(delete(taste_events).where(taste_events.c.id == latest.scalar_subquery()))
    return gone.rowcount > 0


async def save_answers(
    connection: AsyncConnection, user_id: int, domain: str, answers: Mapping[str, Any]
) -> None:
    """Let `answers` be the person's whole survey of that domain."""
    row = {"user_id": user_id, "domain": domain, "answers": dict(answers), "updated_at": time.time()}
    await upsert_rows(connection, surveys, [row])


async def answers(connection: AsyncConnection, user_id: int) -> dict[str, dict[str, Any]]:
    """The surveys answered so far, by domain."""
    rows = await connection.execute(_ANSWERS, {"user_id": user_id})
    return {row.domain: row.answers for row in rows}
