"""Items after joining and inferring, beside what their sources said: which values were inferred, who was joined to whom.

Bodies are opaque text here. `items.py` reads what stands here in place of what a source said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import items
from storage.database import chunks, upsert_rows
from storage.schema import enriched, inferred, item_redirects
from storage.schema import items as item_table


@dataclass(frozen=True, slots=True)
class Mark:
    """One value of an item that was inferred, and how likely it is (0 to 1)."""

    item_id: str
    field: str
    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Made:
    """What became of an item: None where it is what its source said. `marks` are its inferred values."""

    id: str
    body: str | None
    shown: bool
    marks: tuple[Mark, ...] = ()


async def said(connection: AsyncConnection) -> AsyncIterator[tuple[str, str, str]]:
    """Id, origin and body of every item as its source told it, in order of id, without holding them all."""
    table = item_table.c
    query = select(table.id, table.origin, table.body).order_by(table.id)
    async with connection.stream(query) as rows:
        async for row in rows:
            yield row.id, row.origin, row.body


async def said_of(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, str]:
    """Bodies by id as the sources told them, redirects not followed."""
    found: dict[str, str] = {}
    for chunk in chunks(ids):
        rows = await connection.execute(
            select(item_table.c.id, item_table.c.body).where(item_table.c.id.in_(chunk))
        )
        found.update({row.id: row.body for row in rows})
    return found


async def keep(connection: AsyncConnection, made: Sequence[Made]) -> int:
    """Let items be what was made of them; how many changed by it."""
    changed = 0
    for chunk in chunks(made):
        ids = [each.id for each in chunk]
        rows = await connection.execute(
            select(enriched.c.id, enriched.c.hash, enriched.c.shown).where(enriched.c.id.in_(ids))
        )
        known = {row.id: (row.hash, row.shown) for row in rows}
        marked = await marks(connection, ids)
        fresh = [
            each
            for each in chunk
            if known.get(each.id) != _kept(each) or marked.get(each.id, ()) != _ordered(each.marks)
        ]
        changed += len(fresh)
        gone = [each.id for each in fresh]
        await connection.execute(delete(inferred).where(inferred.c.item_id.in_(gone)))
        await connection.execute(delete(enriched).where(enriched.c.id.in_(gone)))
        bodies = [
            {"id": each.id, "body": each.body, "hash": _digest(each.body), "shown": each.shown}
            for each in fresh
            if each.body is not None
        ]
        await upsert_rows(connection, enriched, bodies)
        await upsert_rows(connection, inferred, [asdict(mark) for each in fresh for mark in each.marks])
    return changed


async def marks(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, tuple[Mark, ...]]:
    """The inferred values of items, ordered; an item without any is left out."""
    found: dict[str, list[Mark]] = {}
    for chunk in chunks(ids):
        rows = await connection.execute(select(inferred).where(inferred.c.item_id.in_(chunk)))
        for row in rows:
            found.setdefault(row.item_id, []).append(Mark(*row))
    return {item_id: _ordered(each) for item_id, each in found.items()}


async def join(connection: AsyncConnection, into: Mapping[str, str]) -> int:
    """Let exactly these items, of all that a source told, be shown as others (old id to new id); how many changed.

    Redirects of ids that no source tells any more stay as they are.
    """
    rows = await connection.execute(
        select(item_redirects).where(item_redirects.c.old_id.in_(select(item_table.c.id)))
    )
    known = {row.old_id: row.new_id for row in rows}
    parted = known.keys() - into.keys()
    for chunk in chunks(parted):
        await connection.execute(delete(item_redirects).where(item_redirects.c.old_id.in_(chunk)))
    moved = {old: new for old, new in into.items() if known.get(old) != new}
    for old, new in moved.items():
        await items.redirect(connection, old, new)
    for chunk in chunks(moved):
        await connection.execute(delete(inferred).where(inferred.c.item_id.in_(chunk)))
        await connection.execute(delete(enriched).where(enriched.c.id.in_(chunk)))
    return len(parted) + len(moved)


def _kept(made: Made) -> tuple[str, bool] | None:
    return None if made.body is None else (_digest(made.body), made.shown)


def _ordered(marked: Iterable[Mark]) -> tuple[Mark, ...]:
    return tuple(sorted(marked, key=lambda mark: (mark.field, mark.value)))


def _digest(body: str) -> str:
    return blake2b(body.encode(), digest_size=16).hexdigest()
