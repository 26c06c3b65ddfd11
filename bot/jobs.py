"""What comes into the database: the shipped catalog and imported data sets; and the vectors to ship.

Knows nothing of the index (`indexing.py`).
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from data.item import BadRow, Interaction, Item, Mark, QuestionPair
from data.sources import Rows, catalog
from data.sources.files import SourceError
from engine import enrichment, feelings
from engine.document import embedded_text
from engine.embedder import Embedder, cache_key
from storage import imports, interactions, items, passages
from storage.database import Database

logger = logging.getLogger(__name__)

CATALOG_HASH = "catalog_hash"
SHIPPED = "catalog"
IMPORTED_AT_ONCE = 1_000
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*|(?<=: ).+$")
"""What in a reason is of one row only: reasons are counted without it."""

R = TypeVar("R")


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
    """What an import did, in rows of the data set; `stubs` are items of which no card can be made, `pairs` questions
    that were not known."""

    read: int = 0
    added: int = 0
    changed: int = 0
    same: int = 0
    stubs: int = 0
    interactions: int = 0
    questions: int = 0
    pairs: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


async def import_rows(
    database: Database,
    origin: str,
    rows: Rows,
    *,
    query: str | None = None,
    write: bool = True,
    skipped: Callable[[BadRow], None] = lambda row: None,
    progress: Callable[[int], None] = lambda read: None,
) -> Imported:
    """Store what a reader yields, a transaction a batch: what a kill cuts off is done by importing again.

    Of a web API the `query` is told (an empty one too): a Mark ends a batch and is stored with it, the next import
    goes on there, and one that came to its end is forgotten. Without `write` nothing is stored and all is counted.
    `skipped` hears of each row that was no item, `progress` how many rows were read.

    Raises:
        SourceError: the data set cannot be read, or no further; what came before is stored.
    """
    done = Imported()
    over = threading.Event()
    try:
        more = True
        while more:
            batch = await asyncio.to_thread(_batch, rows, over)
            more = batch.more
            for row in batch.of(BadRow):
                done.skipped[_PARTICULAR.sub("…", row.why)] += 1
                skipped(row)
            if batch.rows or batch.cursor is not None:
                async with database.writing() if write else database.reading() as connection:
                    await _store(connection, origin, batch, done, write)
                    if write and query is not None and batch.cursor is not None:
                        await imports.reach(connection, origin, query, batch.cursor)
            progress(done.read)
            if batch.error is not None:
                raise batch.error
        if write and query is not None:
            async with database.writing() as connection:
                await imports.finish(connection, origin, query)
    finally:
        over.set()
    return done


@dataclass(slots=True)
class _Batch:
    """Rows to be stored together; behind them a mark, an error, or the end (`more` is whether there is more)."""

    rows: list[Item | Interaction | QuestionPair | BadRow] = field(default_factory=list)
    cursor: str | None = None
    error: SourceError | None = None
    more: bool = True

    def of(self, kind: type[R]) -> list[R]:
        """The rows of a kind."""
        return [row for row in self.rows if isinstance(row, kind)]


def _batch(rows: Rows, over: threading.Event) -> _Batch:
    """The next rows, in a thread; it gives up when nobody waits for it any more."""
    batch = _Batch()
    try:
        for row in rows:
            if isinstance(row, Mark):
                batch.cursor = row.cursor
                return batch
            batch.rows.append(row)
            if len(batch.rows) == IMPORTED_AT_ONCE or over.is_set():
                return batch
    except SourceError as error:
        batch.error = error
    batch.more = False
    return batch


async def _store(
    connection: AsyncConnection, origin: str, batch: _Batch, done: Imported, write: bool
) -> None:
    found, rated, asked = batch.of(Item), batch.of(Interaction), batch.of(QuestionPair)
    counts = await items.upsert(connection, [_stored(item, origin) for item in found], write)
    if write:
        await interactions.keep(connection, [_done(row, origin) for row in rated])
    pairs = [passages.Pair(row.title, row.context, row.question, row.answer, row.start) for row in asked]
    done.pairs += await passages.keep(connection, origin, pairs, write)
    done.read += len(batch.rows)
    done.added += counts.added
    done.changed += counts.changed
    done.same += counts.same
    done.stubs += sum(not item.showable for item in found)
    done.interactions += len(rated)
    done.questions += len(asked)


def _done(row: Interaction, origin: str) -> interactions.Row:
    return interactions.Row(row.user, row.item_id, origin, row.rating, row.at, row.extra)


def _stored(item: Item, origin: str) -> items.Row:
    return items.Row(item.id, str(item.domain), item.to_json(), origin, item.showable)


async def all_items(database: Database) -> list[Item]:
    """Every item that can be shown, in order of id."""
    async with database.reading() as connection:
        return [Item.model_validate_json(body) async for body in items.shown_bodies(connection)]


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
