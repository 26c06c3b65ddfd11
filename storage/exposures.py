"""What was shown to whom, with everything that led to it: feedback and learning point here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import exposure_items, exposures

_RECENT: Final = (
    select(exposure_items.c.item_id, exposures.c.created_at)
    .join(exposures, exposures.c.id == exposure_items.c.exposure_id)
    .where(exposures.c.user_id == bindparam("user_id"))
    .order_by(exposures.c.created_at.desc(), exposures.c.id, exposure_items.c.position)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """One recommendation. `item_ids` are in the order shown, position 1 first; `body` is the whole of it,
    trace included; `delivered_at` (Unix seconds) is None while it has not reached the person."""

    id: str
    user_id: int
    platform: str
    chat_id: str
    domain: str
    item_ids: tuple[str, ...]
    body: dict[str, Any]
    delivered_at: float | None
    created_at: float


async def add(
    connection: AsyncConnection,
    *,
    exposure_id: str,
    user_id: int,
    platform: str,
    chat_id: str,
    domain: str,
    item_ids: Sequence[str],
    body: Mapping[str, Any],
) -> None:
    whole = {
        "id": exposure_id,
        "user_id": user_id,
        "platform": platform,
        "chat_id": chat_id,
        "domain": domain,
        "body": dict(body),
        "created_at": time.time(),
    }
    await connection.execute(insert(exposures), whole)
    shown = [
        {"exposure_id": exposure_id, "position": position, "item_id": item_id}
        for position, item_id in enumerate(item_ids, start=1)
    ]
    if shown:
        await connection.execute(insert(exposure_items), shown)


async def get(connection: AsyncConnection, exposure_id: str) -> Exposure | None:
    found = await _whole(connection, select(exposures).where(exposures.c.id == exposure_id))
    return found[0] if found else None


async def latest(
    connection: AsyncConnection, user_id: int, *, chat_id: str | None = None, limit: int
) -> list[Exposure]:
    """The person's last recommendations, newest first; those of one chat, if one is named."""
    query = select(exposures).where(exposures.c.user_id == user_id)
    if chat_id is not None:
        query = query.where(exposures.c.chat_id == chat_id)
    return await _whole(connection, query.order_by(exposures.c.created_at.desc()).limit(limit))


async def recent(connection: AsyncConnection, user_id: int, limit: int = 200) -> list[tuple[str, float]]:
    """(item id, Unix seconds) of what the person was recommended, newest first, in any chat.

    What is still on its way counts: a second request must not repeat it.
    """
    rows = await connection.execute(_RECENT, {"user_id": user_id, "most": limit})
    return [(row.item_id, row.created_at) for row in rows]


async def _whole(connection: AsyncConnection, query: Select[Any]) -> list[Exposure]:
    """The recommendations that a query of their rows finds, in its order, with their items."""
    rows = (await connection.execute(query)).all()
    items: dict[str, list[str]] = {row.id: [] for row in rows}
    shown = await connection.execute(
        select(exposure_items.c.exposure_id, exposure_items.c.item_id)
        .where(exposure_items.c.exposure_id.in_(items))
        .order_by(exposure_items.c.position)
    )
    for exposure_id, item_id in shown:
        items[exposure_id].append(item_id)
    return [
        Exposure(
            id=row.id,
            user_id=row.user_id,
            platform=row.platform,
            chat_id=row.chat_id,
            domain=row.domain,
            item_ids=tuple(items[row.id]),
            body=row.body,
            delivered_at=row.delivered_at,
            created_at=row.created_at,
        )
        for row in rows
    ]
