"""What buttons mean whose platform has no room for it; knows no platform, and not who was shown which."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import chunks, insert
from storage.schema import buttons


async def keep(connection: AsyncConnection, meanings: Mapping[str, str]) -> None:
    """Remember what keys stand for; a key is made of what it stands for, so that one kept before stays as it is."""
    statement = insert(connection.dialect.name, buttons).on_conflict_do_nothing(index_elements=["key"])
    for some in chunks(meanings.items()):
        await connection.execute(statement, [{"key": key, "data": data} for key, data in some])


async def meaning(connection: AsyncConnection, key: str) -> str | None:
    """What a key stands for, None for one that was never kept."""
    found: str | None = await connection.scalar(select(buttons.c.data).where(buttons.c.key == key))
    return found
