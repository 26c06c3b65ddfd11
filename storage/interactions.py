"""What people of other data sets did with items: ratings to learn from, never anybody who talks with the bot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import chunks, upsert_rows
from storage.schema import interactions, item_redirects


@dataclass(frozen=True, slots=True)
class Row:
    """One thing done: `who` names the data set and the person in it, `at` is in Unix seconds."""

    who: str
    item_id: str
    origin: str
    rating: float | None = None
    at: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)


async def keep(connection: AsyncConnection, new: Iterable[Row]) -> None:
    """Write what was done; of one person with one item the last counts."""
    for chunk in chunks(new):
        rows = {(row.who, row.item_id): asdict(row) for row in chunk}
        await upsert_rows(connection, interactions, list(rows.values()))


async def of_all(connection: AsyncConnection) -> AsyncIterator[Row]:
    """Everything done, a person after the other, in the order of time, without holding it all; what was done with an
    item that was joined into another was done with that one."""
    done = interactions.c
    query = (
        select(
            done.who,
            func.coalesce(item_redirects.c.new_id, done.item_id),
            done.origin,
            done.rating,
            done.at,
            done.extra,
        )
        .select_from(interactions.outerjoin(item_redirects, item_redirects.c.old_id == done.item_id))
        .order_by(done.who, done.at, done.item_id)
    )
    async with connection.stream(query) as rows:
        async for row in rows:
            yield Row(*row)


async def count(connection: AsyncConnection, origin: str | None = None) -> int:
    """How many there are, of one data set or of all."""
    query = select(func.count()).select_from(interactions)
    return (
        await connection.scalar(query if origin is None else query.where(interactions.c.origin == origin))
        or 0
    )
