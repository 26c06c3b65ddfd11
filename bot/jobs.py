"""What needs both storage and engine: loading the catalog, importing data sets and building the index."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.item import BadRow, Interaction, Item
from data.sources import Rows, catalog
from engine import enrichment, feelings
from engine.document import embedded_text
from engine.embedder import Embedder, Vectors, cache_key, shipped_vectors
from engine.errors import EngineError
from engine.index import FORMAT, Index
from storage import interactions, items
from storage.database import Database

logger = logging.getLogger(__name__)

CATALOG_HASH = "catalog_hash"
SHIPPED = "catalog"
GRACE_SECONDS = 600.0
"""How long the tables of a former index stay for whoever still searches them."""
BATCH = 64
IMPORTED_AT_ONCE = 1_000
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*|(?<=: ).+$")
"""What in a reason is of one row only: reasons are counted without it."""

Progress = Callable[[str, int, int], None]
"""Hears the stage (a key of the phrases), how much of it is done, and of how much."""


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


async def load_catalog(database: Database) -> list[BadRow]:
    """Bring the shipped catalog into the database when it has changed; the lines that could not be read."""
    async with database.reading() as connection:
        if await items.value(connection, CATALOG_HASH) == catalog.shipped_hash():
            return []
    rows: list[items.Row] = []
    bad: list[BadRow] = []
    for row in catalog.shipped():
        if isinstance(row, BadRow):
            bad.append(row)
            logger.warning("catalog: %s", row)
        else:
            rows.append(_stored(row, SHIPPED))
    async with database.writing() as connection:
        await items.upsert(connection, rows)
        gone = await items.origin_ids(connection, SHIPPED) - {row.id for row in rows}
        await items.remove(connection, gone)
        await items.set_value(connection, CATALOG_HASH, catalog.shipped_hash())
    return bad


@dataclass(slots=True)
class Imported:
    """What an import did, in rows of the data set; `stubs` are items of which no card can be made."""

    read: int = 0
    added: int = 0
    changed: int = 0
    same: int = 0
    stubs: int = 0
    interactions: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


async def import_rows(
    database: Database,
    origin: str,
    rows: Rows,
    *,
    write: bool = True,
    skipped: Callable[[BadRow], None] = lambda row: None,
    progress: Callable[[int], None] = lambda read: None,
) -> Imported:
    """Store what a reader yields, a transaction a batch: what a kill cuts off is done by importing again.

    Without `write` nothing is stored and all is counted. `skipped` hears of each row that was no item,
    `progress` how many rows were read.

    Raises:
        SourceError: the data set cannot be read; what came before it is stored.
    """
    done = Imported()
    while batch := await asyncio.to_thread(list, itertools.islice(rows, IMPORTED_AT_ONCE)):
        found = [row for row in batch if isinstance(row, Item)]
        rated = [row for row in batch if isinstance(row, Interaction)]
        for row in batch:
            if isinstance(row, BadRow):
                done.skipped[_PARTICULAR.sub("…", row.why)] += 1
                skipped(row)
        if write:
            async with database.writing() as connection:
                counts = await items.upsert(connection, [_stored(item, origin) for item in found])
                await interactions.keep(connection, [_done(row, origin) for row in rated])
        else:
            async with database.reading() as connection:
                counts = await items.upsert(
                    connection, [_stored(item, origin) for item in found], write=False
                )
        done.read += len(batch)
        done.added += counts.added
        done.changed += counts.changed
        done.same += counts.same
        done.stubs += sum(not item.showable for item in found)
        done.interactions += len(rated)
        progress(done.read)
    return done


def _done(row: Interaction, origin: str) -> interactions.Row:
    return interactions.Row(row.user, row.item_id, origin, row.rating, row.at, row.extra)


def _stored(item: Item, origin: str) -> items.Row:
    return items.Row(item.id, str(item.domain), item.to_json(), origin, item.showable)


async def all_items(database: Database) -> list[Item]:
    """Every item that can be shown, in order of id."""
    async with database.reading() as connection:
        return [Item.model_validate_json(body) async for body in items.shown_bodies(connection)]


async def items_hash(database: Database, embedder: Embedder) -> str:
    """Tells whether an index still holds what it would be built from now."""
    async with database.reading() as connection:
        hashes = await items.shown_hashes(connection)
    return hashlib.sha256(f"{FORMAT} {embedder.name} {' '.join(hashes)}".encode()).hexdigest()


async def stale(database: Database, embedder: Embedder) -> str | None:
    """Why the index should be built, as a key of the phrases (missing, changed), or None when it is fresh."""
    async with database.reading() as connection:
        active = await items.active_index(connection)
    if active is None:
        return "missing"
    fresh = await items_hash(database, embedder) == active.items_hash
    return None if fresh and active.embedder == embedder.name else "changed"


async def build_index(
    database: Database, index: Index, embedder: Embedder, progress: Progress = silent
) -> int:
    """Build a new version beside the active one, check it, switch to it; the version.

    Vectors that were made before are not made again. The tables of versions retired for longer than the
    grace period are dropped.

    Raises:
        EngineError: it could not be written, or does not hold what it should; the active one stays.
    """
    fingerprint = await items_hash(database, embedder)
    every = await all_items(database)
    vectors = await vectors_of(database, [embedded_text(item) for item in every], embedder, progress)
    async with database.writing() as connection:
        started = await items.start_index(
            connection, embedder=embedder.name, items_hash=fingerprint, rows=len(every)
        )
    stages = ("table", "words", "fields", "names")
    await index.build(
        started.version,
        every,
        vectors,
        lambda stage: progress(stage, stages.index(stage) if stage in stages else 2, len(stages)),
    )
    former = index.version
    await index.use(started.version)
    if await index.count() != len(every):
        if former is not None:
            await index.use(former)
        raise EngineError(
            "The new index does not hold every item, so the old one stays: run `oneulmwo index` again."
        )
    async with database.writing() as connection:
        await items.activate_index(connection, started.version)
    async with database.reading() as connection:
        retired = await items.retired_indexes(connection, time.time() - GRACE_SECONDS)
    for old in retired:
        await index.drop(old.version)
        async with database.writing() as connection:
            await items.forget_index(connection, old.version)
    progress("done", 1, 1)
    return started.version


async def vectors_of(
    database: Database, texts: Sequence[str], embedder: Embedder, progress: Progress = silent
) -> Vectors:
    """The vectors of texts, shape (n, dimensions): shipped, remembered, or made now and remembered."""
    keys = [cache_key(embedder.name, text) for text in texts]
    async with database.reading() as connection:
        remembered = await items.vectors(connection, keys)
    known = shipped_vectors() | {
        key: np.frombuffer(blob, dtype=np.float32) for key, blob in remembered.items()
    }
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    progress("vectors", len(keys) - len(missing), len(keys))
    queue = list(missing.items())
    for start in range(0, len(queue), BATCH):
        part = queue[start : start + BATCH]
        made = await embedder.passages([text for _, text in part])
        new = {key: vector for (key, _), vector in zip(part, made, strict=True)}
        known |= new
        async with database.writing() as connection:
            await items.keep_vectors(
                connection, {key: v.astype(np.float32).tobytes() for key, v in new.items()}
            )
        progress("vectors", len(keys) - len(missing) + start + len(part), len(keys))
    if not keys:
        return np.zeros((0, embedder.dimensions), dtype=np.float32)
    return np.stack([known[key] for key in keys])


async def ship_vectors(embedder: Embedder) -> tuple[bytes, int]:
    """The archive of the vectors to ship, keys and float16, and how many it holds: items and the lexicon's sentences."""
    texts = [embedded_text(row) for row in catalog.shipped() if isinstance(row, Item)]
    texts += [sentence for _, sentence in feelings.examples()]
    texts += enrichment.examples()
    vectors = await embedder.passages(texts)
    buffer = io.BytesIO()
    keys = np.array([cache_key(embedder.name, text) for text in texts])
    np.savez_compressed(buffer, keys=keys, vectors=vectors.astype(np.float16))
    return buffer.getvalue(), len(texts)
