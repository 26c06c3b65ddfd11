"""One version of the index as it is searched: by vector, by words, by rules, by id.

Knows neither how it was written (`tables.py`) nor whether it is the active one (`index.py`).
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from threadpoolctl import ThreadpoolController

from data.item import Item
from engine import tables
from engine.embedder import Vectors
from engine.errors import EngineError
from engine.names import Names
from engine.nearness import Nearness, measured
from engine.text import normalize, squeeze

if TYPE_CHECKING:
    from lancedb import AsyncTable

EXACT_UP_TO = 200_000 * 384
"""Numbers of vectors (rows times dimensions) up to which all are held in memory, in 300 MB, and compared; above,
LanceDB's index searches."""
HELD = 20_000
"""Items kept once parsed, or read: searches then answer with ids alone (`docs/log.md`)."""
PARSED_UP_TO = 5_000
"""Rows up to which all are parsed when a version is opened, 0.1 ms each."""
MANY_ROWS = 10_000
"""From so many rows on, about two milliseconds' work, a product is worth more than one thread."""
RULES_HELD = 256
"""Conditions of which is remembered what keeps them: most requests of a day share a few."""
OVERASKED = 3
"""How many times more are looked for by words than would do if the words knew nothing of the rules."""
OVERASKED_UP_TO = 20_000
"""More than that is not looked for so: a rule that few keep is cheaper asked of LanceDB."""
SAMPLE, SLICES = 1_000, 20
"""Vectors by which is measured how near items are to each other; and in how many pieces they are read."""
FOUND_WITHIN = 10
"""An item's own vector must find it among so many before a version is searched."""

logger = logging.getLogger(__name__)

Places = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found, with its vector."""

    item: Item
    vector: Vectors


def held_whole(rows: int, dimensions: int) -> bool:
    """Whether vectors of so many rows are held in memory."""
    return rows * dimensions <= EXACT_UP_TO


class Version:
    """One version's rows, which never change, so that what was read once is held in memory.

    One of at most `EXACT_UP_TO` numbers is held whole: `vectors` has shape (rows, dimensions), that of `ids[n]`
    in row n, and what keeps the conditions that were asked lately is remembered. Of a larger one they are None.
    """

    def __init__(
        self, number: int, table: AsyncTable, names: Names, count: int, words: str, dimensions: int,
        held: _Rows | None = None,
    ) -> None:  # fmt: skip
        self.number, self.table, self.names, self.count = number, table, names, count
        self.words, self.dimensions = words, dimensions
        self.ids: Sequence[str] = held.ids if held else ()
        self.vectors = held.vectors if held else None
        self._rows = held
        self._places = {item: place for place, item in enumerate(self.ids)}
        self._keeping: OrderedDict[str, Mask] = OrderedDict()
        self._looked_up: dict[str, asyncio.Future[Mask]] = {}
        self._held: OrderedDict[str, Hit] = OrderedDict()
        self._nearness: Nearness | None = None
        self._strange = False

    @classmethod
    async def read(cls, number: int, table: AsyncTable, names: Names) -> Version:
        count, columns = await table.count_rows(), await table.schema()
        words, dimensions = tables.words_column(columns), tables.dimensions_of(columns)
        held = await _Rows.read(table, count, dimensions) if held_whole(count, dimensions) else None
        return cls(number, table, names, count, words, dimensions, held)

    async def try_out(self) -> None:
        """Every way of searching once: a broken index often shows in one of them only, and the first is slow."""
        await self.table.query().select(["item"]).limit(1).to_list()
        await self.table.query().nearest_to_text(self.match("확인")).limit(1).to_list()
        if self.count <= PARSED_UP_TO:
            await self.get(self.ids)
        elif self.vectors is not None:
            for clause in tables.COMMON:
                await self.keeping(clause)
        if self.vectors is None:
            anything = [0.0] * (self.dimensions - 1) + [1.0]
            await self.table.query().nearest_to(anything).limit(1).to_list()

    async def check(self, rows: int, sample: Mapping[str, Vectors]) -> None:
        """Look whether a version holds what was written, and finds a sample of it in each way.

        `sample` has vectors by the ids of their items, as they were written.

        Raises:
            EngineError: it does not.
        """
        if self.count != rows:
            raise EngineError(
                f"The new index holds {self.count} items instead of {rows}, so the old one stays: run `oneulmwo index` again."
            )
        found = await self.get(list(sample))
        worded = named = 0
        for item_id, vector in sample.items():
            hit = found.get(item_id)
            if hit is None or hit.item.id != item_id or not await self._finds(hit.item, vector):
                raise _unfound(item_id)
            title = normalize(hit.item.title)
            key = squeeze(title)[0]
            alone = self.scope(f"id = {quoted(item_id)}")
            worded += len(key) < 2 or bool(await alone.worded(title, 1))
            named += not key or any(item_id in name.items for name in self.names.spelt(key))
        # One odd title must not stand in the way of all others; what is broken finds none.
        if min(worded, named) < len(sample) / 2:
            raise _unfound("half of the titles")

    async def _finds(self, item: Item, vector: Vectors) -> bool:
        """Whether an item is found by its vector, or else only what is as near."""
        near = await self.scope("").nearest(vector, FOUND_WITHIN)
        as_near = all(float(hit.vector @ vector) > float(vector @ vector) - 1e-4 for hit in near)
        return as_near or any(hit.item.id == item.id for hit in near)

    def fitting(self, vectors: Vectors) -> Vectors:
        """Vectors of texts as they are held against those of this version: what has another length was made by
        another model than the items', and points nowhere here."""
        if vectors.shape[-1] == self.dimensions:
            return vectors
        if vectors.any() and not self._strange:
            self._strange = True
            logger.warning(
                "The embedder gives vectors of %d numbers, index version %d has %d:"
                " run `oneulmwo index`. Until then texts are matched by words and rules only.",
                vectors.shape[-1], self.number, self.dimensions,
            )  # fmt: skip
        return np.zeros((*vectors.shape[:-1], self.dimensions), dtype=np.float32)

    async def nearness(self) -> Nearness:
        """How near items of this version are to each other, by a sample of them."""
        if self._nearness is None:
            self._nearness = measured(await self._sample())
        return self._nearness

    async def _sample(self) -> Vectors:
        """The vectors of some items, from all over."""
        if self.vectors is not None:
            return self.vectors[:: 1 + len(self.vectors) // SAMPLE]
        slices = [
            await self.table.query().select(["vector"]).offset(first).limit(SAMPLE // SLICES).to_arrow()
            for first in range(0, self.count, 1 + self.count // SLICES)
        ]
        flat = pa.concat_tables(slices).column("vector").combine_chunks().flatten().to_numpy()
        return np.asarray(flat.reshape(-1, self.dimensions))

    def scope(self, where: str | Sequence[str], without: Collection[str] = ()) -> Scope:
        """The items that keep a condition of LanceDB's SQL, or several, without those ids: to be searched."""
        clauses = (where,) if isinstance(where, str) else where
        return Scope(self, tuple(filter(None, clauses)), frozenset(without))

    async def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """These items by id, without those that the version does not hold."""
        wanted = list(dict.fromkeys(ids))
        read = await self._read([item for item in wanted if item not in self._held])
        found = {item: hit for item in wanted if (hit := self._held.get(item) or read.get(item))}
        for item, hit in found.items():
            self._held[item] = hit
            self._held.move_to_end(item)
        while len(self._held) > HELD:
            self._held.popitem(last=False)
        return found

    async def items(self, ids: Sequence[str]) -> dict[str, Item]:
        """The same without vectors."""
        return {item: hit.item for item, hit in (await self.get(ids)).items()}

    async def at(self, places: Places) -> list[Hit]:
        """The items in those rows, in that order."""
        return list((await self.get([self.ids[place] for place in places])).values())

    async def keeping(self, clause: str) -> Mask:
        """Which rows keep a condition, where all vectors are held."""
        mask = self._keeping.get(clause)
        if mask is None:
            mask = await self._looking_up(clause)
        self._keeping[clause] = mask
        self._keeping.move_to_end(clause)
        if len(self._keeping) > RULES_HELD:
            self._keeping.popitem(last=False)
        return mask

    def _looking_up(self, clause: str) -> asyncio.Future[Mask]:
        """The one look at LanceDB that all wait for who ask at once; nobody who gives up takes it from the others."""
        looked_up = self._looked_up.get(clause)
        if looked_up is None:
            looked_up = self._looked_up[clause] = asyncio.ensure_future(self._look_up(clause))
            looked_up.add_done_callback(lambda _: self._looked_up.pop(clause))
        return asyncio.shield(looked_up)

    async def _look_up(self, clause: str) -> Mask:
        rows = await self.table.query().where(clause).select(["_rowid"]).with_row_id().to_arrow()
        mask = np.zeros(self.count, dtype=np.bool_)
        mask[self.places(rows)] = True
        return mask

    def places(self, found: Any) -> Places:
        """The rows of an answer of LanceDB's, where all vectors are held."""
        assert self._rows is not None
        numbers: npt.NDArray[np.uint64] = found.column("_rowid").to_numpy()
        return np.searchsorted(self._rows.numbers, numbers)

    def places_of(self, ids: Collection[str]) -> Places:
        """The rows of those items that this version holds, in ascending order."""
        held = sorted(self._places[item] for item in ids if item in self._places)
        return np.array(held, dtype=np.intp)

    def match(self, text: str) -> Any:
        """A query for words in the manner in which this version has them."""
        from lancedb import query

        match: Any = query.MatchQuery  # its defaults are missing in lancedb's annotation
        return match(tables.asked(text, self.words), self.words)

    async def _read(self, ids: Sequence[str]) -> dict[str, Hit]:
        if not ids:
            return {}
        if (rows := self._rows) is not None:
            return {
                rows.ids[place]: Hit(
                    Item.model_validate_json(rows.bodies[place].as_py()), rows.vectors[place]
                )
                for place in self.places_of(ids).tolist()
            }
        where = f"id IN ({', '.join(map(quoted, ids))})"
        found = (
            await self.table.query().where(where).select(["id", "item", "vector"]).limit(len(ids)).to_arrow()
        )
        vectors = found.column("vector").combine_chunks().flatten().to_numpy().reshape(len(found), -1)
        bodies = zip(found.column("id").to_pylist(), found.column("item").to_pylist(), vectors, strict=True)
        return {item: Hit(Item.model_validate_json(body), vector) for item, body, vector in bodies}


@dataclass(frozen=True, slots=True)
class _Rows:
    """All rows of a version in memory: what stands in row n stands at n, and LanceDB knows it by `numbers[n]`."""

    ids: list[str]
    bodies: pa.Array
    vectors: Vectors
    numbers: npt.NDArray[np.uint64]

    @classmethod
    async def read(cls, table: AsyncTable, count: int, dimensions: int) -> _Rows:
        ids: list[str] = []
        bodies: list[pa.Array] = []
        vectors = np.empty((count, dimensions), dtype=np.float32)
        numbers = np.empty(count, dtype=np.uint64)
        async for batch in await table.query().select(["id", "item", "vector"]).with_row_id().to_batches():
            part = slice(len(ids), len(ids) + batch.num_rows)
            vectors[part] = batch.column("vector").flatten().to_numpy().reshape(-1, dimensions)
            numbers[part] = batch.column("_rowid").to_numpy()
            ids += batch.column("id").to_pylist()
            bodies.append(batch.column("item"))
        texts = pa.chunked_array(bodies, pa.string()).combine_chunks()
        order = np.argsort(numbers)
        if (order[1:] < order[:-1]).any():
            ids, texts = [ids[n] for n in order], texts.take(pa.array(order))
            vectors, numbers = vectors[order], numbers[order]
        return cls(ids, texts, vectors, numbers)


def _unfound(what: str) -> EngineError:
    return EngineError(
        f"The new index does not find {what}, so the old one stays: run `oneulmwo index` again."
    )


class Scope:
    """The items of one version that keep a rule: whoever begins a search with a version ends it with that version."""

    def __init__(self, version: Version, clauses: tuple[str, ...], without: frozenset[str]) -> None:
        self._version, self._clauses, self._without = version, clauses, without

    async def look_up(self) -> None:
        """Find out what keeps the rule, so that `nearest` need not wait for it."""
        if self._version.vectors is not None:
            await asyncio.gather(*map(self._version.keeping, self._clauses))

    async def nearest(self, vector: Vectors, limit: int) -> list[Hit]:
        """The items nearest to a vector by cosine, nearest first; none to one that points nowhere."""
        if not vector.any():
            return []
        if self._version.vectors is None:
            query = self._version.table.query().nearest_to(vector).distance_type("cosine")
            return await self._found(query, limit, "_distance")
        places = await self._places()
        if not len(places):
            return []
        # rows are in order of id, which begins with the domain: what keeps a rule lies close together
        first, last = int(places[0]), int(places[-1]) + 1
        cosines = _product(self._version.vectors[first:last], vector)[places - first]
        return await self._version.at(places[_best(cosines, limit)])

    async def worded(self, text: str, limit: int) -> list[Hit]:
        """The items whose words match a text best, best first."""
        if len(text) < 2:
            return []  # n-grams of two or more find nothing for a single syllable
        version, query = self._version, self._version.table.query().nearest_to_text
        if version.vectors is not None:
            places = await self._places()
            asked = math.ceil(limit * OVERASKED * version.count / max(1, len(places)))
            if asked <= min(version.count, OVERASKED_UP_TO):
                rows = (
                    await query(version.match(text)).select(["_score"]).with_row_id().limit(asked).to_arrow()
                )
                kept = np.isin(found := version.places(rows), places)
                if len(found) < asked or kept.sum() >= limit:
                    return await version.at(found[kept][:limit])
        return await self._found(query(version.match(text)), limit, "_score")

    async def all(self, limit: int) -> list[Hit]:
        """The items, in no order."""
        if self._version.vectors is None:
            return await self._found(self._version.table.query(), limit)
        return await self._version.at((await self._places())[:limit])

    async def _places(self) -> Places:
        version = self._version
        mask = np.ones(version.count, dtype=np.bool_)
        for clause in self._clauses:
            mask &= await version.keeping(clause)
        mask[version.places_of(self._without)] = False
        return np.flatnonzero(mask)

    async def _found(self, query: Any, limit: int, *scores: str) -> list[Hit]:
        """What a query finds, in its order. `scores` are the columns that it orders by."""
        clauses = list(self._clauses)
        if self._without:
            clauses.append(f"id NOT IN ({', '.join(map(quoted, sorted(self._without)))})")
        query = query.where(" AND ".join(clauses)) if clauses else query
        rows = await query.select(["id", *scores]).limit(limit).to_arrow()
        return list((await self._version.get(rows.column("id").to_pylist())).values())


def _product(rows: Vectors, vector: Vectors) -> Vectors:
    """`rows @ vector`. Of many rows by all cores, though one of them is kept busy for a while afterwards
    (`bot/__init__.py`)."""
    if len(rows) < MANY_ROWS:
        return np.asarray(rows @ vector)
    with _blas().limit(limits=os.cpu_count() or 1):
        return np.asarray(rows @ vector)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def _best(scores: Vectors, limit: int) -> Places:
    """Places of the highest scores, the highest first, the first of equals first."""
    if len(scores) > limit:
        # whatever equals the last that is let in comes along, so that the order of equals does not depend on chance
        least = np.partition(scores, -limit)[-limit]
        let_in = np.flatnonzero(scores >= least)
        return let_in[np.argsort(-scores[let_in], kind="stable")][:limit]
    return np.argsort(-scores, kind="stable")


def quoted(value: str) -> str:
    """A string as a literal of LanceDB's SQL."""
    return "'" + value.replace("'", "''") + "'"
