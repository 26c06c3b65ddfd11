"""Whom operators do not want to hear from, until they lift it. A block outlives what is remembered of the person."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import upsert_rows
from storage.schema import blocks, meta

_CHANGED = "blocks_changed"


@dataclass(frozen=True, slots=True)
class Block:
    """`platform_id` is the person's id there, `blocked_by` PLATFORM:ID of an operator; `at` is Unix seconds."""

    platform: str
    platform_id: str
    reason: str
    blocked_by: str
    at: float

    @property
    def who(self) -> str:
        return f"{self.platform}:{self.platform_id}"

    @property
    def key(self) -> str:
        """A short name of the block for a button: an id may be longer than one can carry."""
        return blake2b(self.who.encode(), digest_size=6).hexdigest()


async def block(connection: AsyncConnection, each: Block) -> None:
    """Hear no more of a person; blocking again changes the reason."""
    row = {name: getattr(each, name) for name in Block.__dataclass_fields__}
    await upsert_rows(connection, blocks, [row])
    await _change(connection)


async def unblock(connection: AsyncConnection, platform: str, platform_id: str) -> bool:
    """Hear a person again; whether they were blocked."""
    gone = await connection.execute(
        delete(blocks).where(blocks.c.platform == platform, blocks.c.platform_id == platform_id)
    )
    await _change(connection)
    return gone.rowcount > 0


async def get(connection: AsyncConnection, platform: str, platform_id: str) -> Block | None:
    found = await connection.execute(
        _WHOLE.where(blocks.c.platform == platform, blocks.c.platform_id == platform_id)
    )
    row = found.one_or_none()
    return Block(*row) if row else None


async def every(connection: AsyncConnection) -> list[Block]:
    """All blocks, newest first."""
    rows = await connection.execute(_WHOLE.order_by(blocks.c.at.desc(), blocks.c.platform_id))
    return [Block(*row) for row in rows]


async def page(connection: AsyncConnection, limit: int, offset: int) -> list[Block]:
    """Some of them, newest first."""
    newest = _WHOLE.order_by(blocks.c.at.desc(), blocks.c.platform_id)
    return [Block(*row) for row in await connection.execute(newest.limit(limit).offset(offset))]


async def count(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.count()).select_from(blocks)) or 0


async def mark(connection: AsyncConnection) -> str:
    """Changes whenever the blocks do."""
    return await connection.scalar(select(meta.c.value).where(meta.c.key == _CHANGED)) or ""


async def _change(connection: AsyncConnection) -> None:
    await upsert_rows(connection, meta, [{"key": _CHANGED, "value": uuid.uuid4().hex}])


_WHOLE = select(*(blocks.c[name] for name in Block.__dataclass_fields__))
