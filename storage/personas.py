"""What a person said of their taste in words, and whether their taste is to stay as it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import upsert_rows
from storage.schema import personas

_OF: Final = select(personas.c.corrections, personas.c.frozen_at).where(
    personas.c.user_id == bindparam("user_id")
)


@dataclass(frozen=True, slots=True)
class Persona:
    """`corrections` are requests as JSON by domain, which always hold; since `frozen_at` (Unix seconds), if
    it is set, nothing is learned from likes and dislikes."""

    corrections: dict[str, Any] = field(default_factory=dict)
    frozen_at: float | None = None


async def get(connection: AsyncConnection, user_id: int) -> Persona:
    row = (await connection.execute(_OF, {"user_id": user_id})).one_or_none()
    return Persona(row.corrections, row.frozen_at) if row else Persona()


async def save(
    connection: AsyncConnection, user_id: int, corrections: Mapping[str, Any], frozen_at: float | None
) -> None:
    """Let this be the persona; an empty one leaves no row."""
    if not corrections and frozen_at is None:
        await connection.execute(delete(personas).where(personas.c.user_id == user_id))
        return
    row = {"user_id": user_id, "corrections": dict(corrections), "frozen_at": frozen_at}
    await upsert_rows(connection, personas, [row | {"updated_at": time.time()}])
