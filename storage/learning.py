"""What may be learnt from: answers that reached people who consented, with what these made of each pick."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import chunks
from storage.schema import exposure_items, exposures, taste_events, users

_MAY: Final = and_(users.c.consent, ~users.c.guest)
_LEARNT: Final = and_(exposures.c.delivered_at.is_not(None), _MAY)
_OF_PEOPLE: Final = exposures.join(users, users.c.id == exposures.c.user_id)

Known = tuple[int, float]
"""Who a person is: the id, and when they were met, which tells them from a later one of the same id."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One answer: `items` from position 1 on, and `feedback` as (position, kind), oldest first. `body` is the whole
    of the answer, as it is stored."""

    who: Known
    domain: str
    delivered_at: float
    body: dict[str, Any]
    items: tuple[str, ...]
    feedback: tuple[tuple[int, str], ...]


async def count(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.count()).select_from(_OF_PEOPLE).where(_LEARNT)) or 0


async def lessons(connection: AsyncConnection, size: int) -> AsyncIterator[list[Lesson]]:
    """All of them in the order in which they were made, at most so many at a time."""
    answers = (
        select(exposures, users.c.created_at.label("met_at"))
        .select_from(_OF_PEOPLE)
        .where(_LEARNT)
        .order_by(exposures.c.created_at, exposures.c.id)
    )
    async with connection.stream(answers) as rows:
        async for page in rows.partitions(size):
            ids = [row.id for row in page]
            items: dict[str, list[str]] = {each: [] for each in ids}
            shown = select(exposure_items).where(exposure_items.c.exposure_id.in_(ids))
            for each in await connection.execute(shown.order_by(exposure_items.c.position)):
                items[each.exposure_id].append(each.item_id)
            feedback: dict[str, list[tuple[int, str]]] = {each: [] for each in ids}
            said = await connection.execute(
                select(taste_events.c.exposure_id, taste_events.c.position, taste_events.c.kind)
                .where(taste_events.c.exposure_id.in_(ids), taste_events.c.position.is_not(None))
                .order_by(taste_events.c.at, taste_events.c.id)
            )
            for exposure_id, position, kind in said:
                feedback[exposure_id].append((position, kind))
            yield [
                Lesson(
                    (row.user_id, row.met_at), row.domain, row.delivered_at, row.body,
                    tuple(items[row.id]), tuple(feedback[row.id]),
                )
                for row in page
            ]  # fmt: skip


async def all_agree(connection: AsyncConnection, people: Collection[Known]) -> bool:
    """Whether all of them are still remembered and have not taken their consent back."""
    for part in chunks(people):
        still = await connection.execute(
            select(users.c.id, users.c.created_at).where(users.c.id.in_([who for who, _ in part]), _MAY)
        )
        if not {tuple(row) for row in still} >= set(part):
            return False
    return True
