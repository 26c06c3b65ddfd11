"""What comes into the database: the shipped catalog and imported data sets; and the vectors to ship.

Knows nothing of the index (`indexing.py`).
"""

from __future__ import annotations

import asyncio
import io
import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from data.item import BadRow, Interaction, Item
from data.sources import Rows, catalog
from engine import feelings
from engine.document import embedded_text
from engine.embedder import Embedder, cache_key
from storage import interactions, items
from storage.database import Database

logger = logging.getLogger(__name__)

CATALOG_HASH = "catalog_hash"
SHIPPED = "catalog"
IMPORTED_AT_ONCE = 1_000
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*|(?<=: ).+$")
"""What in a reason is of one row only: reasons are counted without it."""


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


async def ship_vectors(embedder: Embedder) -> tuple[bytes, int]:
    """The archive of the vectors to ship, keys and float16, and how many it holds: items and feelings."""
    texts = [embedded_text(row) for row in catalog.shipped() if isinstance(row, Item)]
    texts += [sentence for _, sentence in feelings.examples()]
    vectors = await embedder.passages(texts)
    buffer = io.BytesIO()
    keys = np.array([cache_key(embedder.name, text) for text in texts])
    np.savez_compressed(buffer, keys=keys, vectors=vectors.astype(np.float16))
    return buffer.getvalue(), len(texts)
