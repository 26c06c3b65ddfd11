"""What operators have said to all, and where they are to be told of what goes wrong: facts in the table `meta`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import upsert_rows
from storage.schema import meta

_MAINTENANCE = "maintenance"
OPERATOR_CHAT = "operator_chat:"
"""Begins the key of an operator's chat; PLATFORM:ID follows."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What everybody but operators is told instead of an answer; `at` is Unix seconds, `by` PLATFORM:ID."""

    text: str
    by: str
    at: float


async def maintenance(connection: AsyncConnection) -> Maintenance | None:
    """What is told now, None while everybody is answered."""
    kept = await connection.scalar(select(meta.c.value).where(meta.c.key == _MAINTENANCE))
    return Maintenance(**json.loads(kept)) if kept else None


async def begin_maintenance(connection: AsyncConnection, told: Maintenance) -> None:
    value = json.dumps(asdict(told), ensure_ascii=False)
    await upsert_rows(connection, meta, [{"key": _MAINTENANCE, "value": value}])


async def end_maintenance(connection: AsyncConnection) -> None:
    await connection.execute(delete(meta).where(meta.c.key == _MAINTENANCE))


async def remember_chat(connection: AsyncConnection, platform: str, person_id: str, chat_id: str) -> None:
    """Let this be where the operator is to be told of what goes wrong."""
    await upsert_rows(connection, meta, [{"key": f"{OPERATOR_CHAT}{platform}:{person_id}", "value": chat_id}])


async def chats(connection: AsyncConnection) -> dict[tuple[str, str], str]:
    """Chats by (platform, id of the operator there)."""
    rows = await connection.execute(
        select(meta.c.key, meta.c.value).where(meta.c.key.startswith(OPERATOR_CHAT, autoescape=True))
    )
    found = {}
    for row in rows:
        platform, _, person_id = row.key.removeprefix(OPERATOR_CHAT).partition(":")
        found[platform, person_id] = row.value
    return found
