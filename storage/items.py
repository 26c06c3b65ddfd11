"""The items, the truth about them, and what is derived from them elsewhere: index versions and vectors.

An item's body is opaque text here, JSON of an Item. What a source said stays as it came; where `enriched.py` holds
an item that was joined or enriched, that is what is read here.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Literal

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import StorageError, chunks, upsert_rows
from storage.schema import enriched, indexes, inferred, item_redirects, items, meta
from storage.schema import vectors as vector_table

_ACTIVE_INDEX = "active_index"
_READ = items.outerjoin(enriched, enriched.c.id == items.c.id)
_BODY = func.coalesce(enriched.c.body, items.c.body)
_SHOWN = and_(
    func.coalesce(enriched.c.shown, items.c.shown), items.c.id.not_in(select(item_redirects.c.old_id))
)
"""What was joined into another item is shown as that one."""
_every_index = select(indexes)
_newest_first = indexes.c.version.desc()


@dataclass(frozen=True, slots=True)
class Counts:
    """What an upsert did, in items."""

    added: int = 0
    changed: int = 0
    same: int = 0


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One index: the names of its tables, what it was built from and with; times in Unix seconds.

    `created_at` of one that is being built is when its builder last gave a sign of life.
    """

    version: int
    items_table: str
    names_table: str
    embedder: str
    items_hash: str
    rows: int
    state: Literal["building", "active", "retired"]
    created_at: float
    retired_at: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """An item as it is stored: `origin` is where it came from, `shown` whether a card can be made of it."""

    id: str
    domain: str
    body: str
    origin: str
    shown: bool = True


async def upsert(connection: AsyncConnection, new: Iterable[Row], write: bool = True) -> Counts:
    """Write items; those that are the same already are left alone. Without `write` only count.

    What was made of those that change is forgotten: until they are enriched again they are what the source says.
    """
    added = changed = same = 0
    for chunk in chunks(new):
        rows = {row.id: (row, _digest(row.body)) for row in chunk}
        known_rows = await connection.execute(
            select(items.c.id, items.c.origin, items.c.hash).where(items.c.id.in_(rows))
        )
        known = {row.id: (row.origin, row.hash) for row in known_rows}
        fresh = {
            item_id: (row, digest)
            for item_id, (row, digest) in rows.items()
            if known.get(item_id) != (row.origin, digest)
        }
        added += len(fresh.keys() - known.keys())
        changed += len(fresh.keys() & known.keys())
        same += len(rows) - len(fresh)
        now = time.time()
        written = [
            {**asdict(row), "hash": digest, "updated_at": now} for row, digest in fresh.values() if write
        ]
        if stale := fresh.keys() & known.keys() if write else ():
            await _forget_enriched(connection, stale)
        await upsert_rows(connection, items, written)
    return Counts(added, changed, same)


async def get(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, str]:
    """Bodies by the id asked for, redirects followed; an id that is no item is left out."""
    bodies: dict[str, str] = {}
    for chunk in chunks(dict.fromkeys(ids)):
        moved_rows = await connection.execute(
            select(item_redirects.c.old_id, item_redirects.c.new_id).where(item_redirects.c.old_id.in_(chunk))
        )
        moved = {row.old_id: row.new_id for row in moved_rows}
        now_at = {asked: moved.get(asked, asked) for asked in chunk}
        rows = await connection.execute(
            select(items.c.id, _BODY.label("body"))
            .select_from(_READ)
            .where(items.c.id.in_(set(now_at.values())))
        )
        found = {row.id: row.body for row in rows}
        bodies.update({asked: found[item_id] for asked, item_id in now_at.items() if item_id in found})
    return bodies


async def shown_bodies(connection: AsyncConnection) -> AsyncIterator[str]:
    """The body of every item that can be shown, in order of id, without holding them all."""
    async for page in shown_pages(connection, 1_000):
        for body in page:
            yield body


async def shown_pages(connection: AsyncConnection, size: int) -> AsyncIterator[list[str]]:
    """The same, at most so many at a time."""
    shown = select(_BODY).select_from(_READ).where(_SHOWN).order_by(items.c.id)
    async with connection.stream(shown) as rows:
        async for page in rows.scalars().partitions(size):
            yield list(page)


async def shown_after(connection: AsyncConnection, last: str, size: int) -> list[str]:
    """The bodies of at most so many items that can be shown, in order of id, of which the first follows `last`."""
    after = select(_BODY).select_from(_READ).where(_SHOWN, items.c.id > last)
    return list(await connection.scalars(after.order_by(items.c.id).limit(size)))


async def shown_hashes(connection: AsyncConnection) -> list[str]:
    """A digest of each of these, in the same order: what is to be searched has changed when they have."""
    digest = func.coalesce(enriched.c.hash, items.c.hash)
    return list(
        await connection.scalars(select(digest).select_from(_READ).where(_SHOWN).order_by(items.c.id))
    )


async def count(connection: AsyncConnection) -> int:
    """How many items there are, shown or not."""
    return await connection.scalar(select(func.count()).select_from(items)) or 0


async def origin_ids(connection: AsyncConnection, origin: str) -> set[str]:
    """Ids of the items that came from there."""
    return set(await connection.scalars(select(items.c.id).where(items.c.origin == origin)))


async def remove(connection: AsyncConnection, ids: Iterable[str]) -> int:
    """Forget items; how many there were. What people did with them stays, and what was joined into them is itself
    again."""
    gone = 0
    for chunk in chunks(ids):
        await _forget_enriched(connection, chunk)
        await connection.execute(
            delete(item_redirects).where(
                or_(item_redirects.c.old_id.in_(chunk), item_redirects.c.new_id.in_(chunk))
            )
        )
        gone += (await connection.execute(delete(items).where(items.c.id.in_(chunk)))).rowcount
    return gone


async def redirect(connection: AsyncConnection, old_id: str, new_id: str) -> None:
    """From now on whoever asks for `old_id` gets `new_id`, also by way of what led to `old_id` so far."""
    # Kept flat, so that following takes one step and no ring can arise.
    await connection.execute(delete(item_redirects).where(item_redirects.c.old_id == new_id))
    await connection.execute(
        update(item_redirects).where(item_redirects.c.new_id == old_id).values(new_id=new_id)
    )
    await upsert_rows(connection, item_redirects, [{"old_id": old_id, "new_id": new_id}])


async def value(connection: AsyncConnection, key: str) -> str | None:
    """A fact about the whole database, such as the hash of the catalog last loaded."""
    return await connection.scalar(select(meta.c.value).where(meta.c.key == key))


async def set_value(connection: AsyncConnection, key: str, value: str) -> None:
    await upsert_rows(connection, meta, [{"key": key, "value": value}])


async def active_index(connection: AsyncConnection) -> IndexVersion | None:
    """The index that searches use now."""
    version = await active_version(connection)
    if version is None:
        return None
    rows = await connection.execute(select(indexes).where(indexes.c.version == version))
    return IndexVersion(*rows.one())


async def active_version(connection: AsyncConnection) -> int | None:
    """Its number alone: one row read, for whoever asks again and again."""
    version = await value(connection, _ACTIVE_INDEX)
    return None if version is None else int(version)


async def index_versions(connection: AsyncConnection) -> list[IndexVersion]:
    """Every version there is, the newest first."""
    return [IndexVersion(*row) for row in await connection.execute(_every_index.order_by(_newest_first))]


async def former_index(connection: AsyncConnection) -> IndexVersion | None:
    """The one that searches used before the active one."""
    rows = await connection.execute(
        _every_index.where(indexes.c.state == "retired")
        .order_by(indexes.c.retired_at.desc(), _newest_first)
        .limit(1)
    )
    row = rows.one_or_none()
    return IndexVersion(*row) if row else None


async def start_index(connection: AsyncConnection, *, embedder: str) -> IndexVersion:
    """A new version with names for its tables, to be built beside the active one."""
    version = await connection.scalar(
        insert(indexes)
        .values(
            items_table="",
            names_table="",
            embedder=embedder,
            items_hash="",
            rows=0,
            state="building",
            created_at=time.time(),
        )
        .returning(indexes.c.version)
    )
    named = (
        update(indexes)
        .where(indexes.c.version == version)
        .values(items_table=f"items_v{version}", names_table=f"names_v{version}")
        .returning(*indexes.c)
    )
    return IndexVersion(*(await connection.execute(named)).one())


async def still_building(connection: AsyncConnection, version: int) -> None:
    """A sign of life of whoever builds a version: it is not to be taken for one that was left behind."""
    await connection.execute(
        update(indexes)
        .where(indexes.c.version == version, indexes.c.state == "building")
        .values(created_at=time.time())
    )


async def activate_index(
    connection: AsyncConnection, version: int, *, items_hash: str | None = None, rows: int | None = None
) -> None:
    """Let searches use `version`, and retire the one they used.

    Of one newly built, `items_hash` and `rows` tell what it holds.

    Raises:
        StorageError: there is no such version any more, or a newer one became active while it was built.
    """
    active = await active_version(connection)
    built = {} if items_hash is None else {"items_hash": items_hash, "rows": rows, "created_at": time.time()}
    if built and active is not None and active > version:
        raise StorageError(
            f"Index version {active} became active while version {version} was built, and is newer: it stays."
        )
    # The former goes first: activating the active one again changes nothing but its times.
    await connection.execute(
        update(indexes)
        .where(indexes.c.state == "active", indexes.c.version != version)
        .values(state="retired", retired_at=time.time())
    )
    activated = await connection.execute(
        update(indexes).where(indexes.c.version == version).values(state="active", retired_at=None, **built)
    )
    if not activated.rowcount:
        raise StorageError(f"Index version {version} is gone; build the index again with oneulmwo index.")
    await set_value(connection, _ACTIVE_INDEX, str(version))


async def spent_indexes(connection: AsyncConnection, before: float) -> list[IndexVersion]:
    """Versions whose tables may be dropped, the oldest first; times in Unix seconds.

    Those that no search has begun with since `before`, the former one excepted, which is kept to go back to.
    """
    former = await former_index(connection)
    rows = await connection.execute(
        _every_index.where(
            indexes.c.state == "retired",
            indexes.c.retired_at < before,
            indexes.c.version != (former.version if former else 0),
        ).order_by(indexes.c.version)
    )
    return [IndexVersion(*row) for row in rows]


async def deserted_indexes(connection: AsyncConnection, before: float) -> list[IndexVersion]:
    """Versions whose builder has given no sign of life since `before` (Unix seconds): it was killed."""
    rows = await connection.execute(
        _every_index.where(indexes.c.state == "building", indexes.c.created_at < before)
    )
    return [IndexVersion(*row) for row in rows]


async def forget_index(connection: AsyncConnection, version: int) -> None:
    """Forget a version whose tables are dropped; the active one stays."""
    await connection.execute(delete(indexes).where(indexes.c.version == version, indexes.c.state != "active"))


async def vectors(connection: AsyncConnection, keys: Iterable[str]) -> dict[str, bytes]:
    """The vectors kept under those keys; a key without one is left out."""
    found: dict[str, bytes] = {}
    for chunk in chunks(keys):
        rows = await connection.execute(
            select(vector_table.c.key, vector_table.c.vector).where(vector_table.c.key.in_(chunk))
        )
        found.update({row.key: row.vector for row in rows})
    return found


async def known_vectors(connection: AsyncConnection, keys: Iterable[str]) -> set[str]:
    """Those of the keys that a vector is kept under."""
    found: set[str] = set()
    for chunk in chunks(keys):
        found.update(
            await connection.scalars(select(vector_table.c.key).where(vector_table.c.key.in_(chunk)))
        )
    return found


async def keep_vectors(connection: AsyncConnection, new: Mapping[str, bytes]) -> None:
    for chunk in chunks(new.items()):
        await upsert_rows(connection, vector_table, [{"key": key, "vector": vector} for key, vector in chunk])


async def _forget_enriched(connection: AsyncConnection, ids: Iterable[str]) -> None:
    """Forget what was made of these, and of those that they were joined into."""
    joined = await connection.scalars(
        select(item_redirects.c.new_id).where(item_redirects.c.old_id.in_(changed := list(ids)))
    )
    for table, column in ((enriched, enriched.c.id), (inferred, inferred.c.item_id)):
        await connection.execute(delete(table).where(column.in_({*changed, *joined})))


def _digest(body: str) -> str:
    return blake2b(body.encode(), digest_size=16).hexdigest()
