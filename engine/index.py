"""The search index in LanceDB: built beside the old one, then searched by vector, by words and by rules.

Which version is active is not known here: whoever builds one tells the readers to `use` it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from data.item import Domain, Item
from engine.document import searched_text
from engine.embedder import Vectors
from engine.errors import EngineError
from engine.names import Name, Names

if TYPE_CHECKING:
    from lancedb import AsyncConnection, AsyncTable

os.environ.setdefault("LANCEDB_LOG", "error")  # it warns at every query otherwise

LIST_FIELDS = (
    "genres", "effects", "moods", "situations", "creators", "people", "allergens", "served", "diet",
    "meals", "body", "ingredients",
)  # fmt: skip
BITMAP_FIELDS = ("domain", "immersion", "cuisine", "country", "spicy", "soupy", "price", "age")
NUMBER_FIELDS = ("year", "length", "kcal")
FORMAT = 3
"""Raised whenever what is indexed of an item changes (rows, texts, names): then an older index is out of date."""
INDEX_FROM = 256
"""Rows from which scalar indexes pay; below, a scan is faster than reading them (`docs/log.md`)."""
EXACT_UP_TO = 20_000
"""Rows up to which all vectors are held in memory and compared; above, a vector index of LanceDB's searches."""
HELD = 20_000
"""Rows kept in memory once read: searches then answer with ids alone, in a third of the time (`docs/log.md`)."""
RULES_HELD = 256
"""Rules of which is remembered what keeps them: most requests of a day share a few."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found, with its vector."""

    item: Item
    vector: Vectors


class Index:
    """One folder (or object store) of LanceDB tables, and the version of them that is searched."""

    def __init__(self, uri: str, dimensions: int) -> None:
        self.uri = uri
        self.dimensions = dimensions
        self.version: int | None = None
        self.names = Names(())
        self._connection: AsyncConnection | None = None
        self._version: _Version | None = None

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            lancedb = await asyncio.to_thread(_prepared_lancedb, self.uri)
            self._connection = await lancedb.connect_async(self.uri)
        return self._connection

    async def build(
        self,
        version: int,
        items: Sequence[Item],
        vectors: Vectors,
        progress: Callable[[str], None] = lambda stage: None,
    ) -> None:
        """Write tables and indexes of a new version; whoever searches notices nothing.

        `vectors` has shape (len(items), dimensions). `progress` hears the stage that begins.

        Raises:
            EngineError: the folder cannot be written.
        """
        connection = await self._connected()
        names = Names.of(items)
        try:
            progress("table")
            table = await connection.create_table(
                _items_table(version), _rows(items, vectors, self.dimensions), mode="overwrite"
            )
            progress("words")
            await _index_words(table)
            progress("fields")
            if len(items) >= INDEX_FROM:
                await _index_fields(table)
            if len(items) > EXACT_UP_TO:
                progress("vectors")
                await _index_vectors(table)
            progress("names")
            await connection.create_table(_names_table(version), _name_rows(names), mode="overwrite")
        except (OSError, RuntimeError) as error:
            raise EngineError(
                f"The index in {self.uri} cannot be written: check that the folder is yours to write and the disk is not full."
            ) from error

    async def use(self, version: int) -> None:
        """Search this version from now on.

        Raises:
            EngineError: it is not there or cannot be read; build it anew.
        """
        if version == self.version:
            return
        connection = await self._connected()
        try:
            table = await connection.open_table(_items_table(version))
            # every way of searching once: a broken index often shows in one of them only
            await table.query().limit(1).to_list()
            await table.query().nearest_to_text(_match("확인")).limit(1).to_list()
            await table.query().nearest_to([0.0] * (self.dimensions - 1) + [1.0]).limit(1).to_list()
            opened = await _Version.open(table, self.dimensions)
            names = await (await connection.open_table(_names_table(version))).query().to_list()
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"The index version {version} in {self.uri} cannot be read: run `oneulmwo index`."
            ) from error
        self._version, self.names, self.version = opened, Names(map(_name, names)), version

    async def drop(self, version: int) -> None:
        """Remove a version that nobody searches any more; one that is not there is no error."""
        connection = await self._connected()
        for table in (_items_table(version), _names_table(version)):
            await connection.drop_table(table, ignore_missing=True)

    async def count(self) -> int:
        return await self._searched().table.count_rows()

    def scope(self, where: str, without: Collection[str] = ()) -> Scope:
        """The items that keep a rule, a condition of LanceDB's SQL, without those ids: to be searched."""
        return Scope(self._searched(), where, frozenset(without))

    async def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """These items by id, without those that the index does not hold."""
        return await self._searched().get(ids)

    def _searched(self) -> _Version:
        if self._version is None:
            raise EngineError("There is no index yet: run `oneulmwo index`.")
        return self._version


class Scope:
    """The items of one version that keep a rule: whoever begins a search with a version ends it with that version."""

    def __init__(self, version: _Version, where: str, without: frozenset[str]) -> None:
        self._version, self._where, self._without = version, where, without

    async def look_up(self) -> None:
        """Find out what keeps the rule, so that `nearest` need not wait for it."""
        await self._version.keeping(self._where)

    async def nearest(self, vector: Vectors, limit: int) -> list[Hit]:
        """The items nearest to a vector by cosine, nearest first; none to one that points nowhere."""
        if not vector.any():
            return []
        if self._version.vectors is None:
            query = self._version.table.query().nearest_to(vector).distance_type("cosine")
            return await self._found(query, limit, "_distance")
        places = await self._places()
        best = np.argsort(-(self._version.vectors[places] @ vector), kind="stable")[:limit]
        return await self._version.hits([self._version.ids[places[n]] for n in best])

    async def worded(self, text: str, limit: int) -> list[Hit]:
        """The items whose words match a text best, best first."""
        if len(text) < 2:
            return []  # n-grams of two or more find nothing for a single syllable
        return await self._found(self._version.table.query().nearest_to_text(_match(text)), limit, "_score")

    async def all(self, limit: int) -> list[Hit]:
        """The items, in no order."""
        if self._version.vectors is None:
            return await self._found(self._version.table.query(), limit)
        return await self._version.hits([self._version.ids[n] for n in (await self._places())[:limit]])

    async def _places(self) -> list[int]:
        version = self._version
        return [n for n in await version.keeping(self._where) if version.ids[n] not in self._without]

    async def _found(self, query: Any, limit: int, *scores: str) -> list[Hit]:
        """What a query finds, in its order. `scores` are the columns that it orders by."""
        clauses = [self._where] if self._where else []
        if self._without:
            clauses.append(f"id NOT IN ({', '.join(map(quoted, sorted(self._without)))})")
        query = query.where(" AND ".join(clauses)) if clauses else query
        rows = await query.select(["id", *scores]).limit(limit).to_arrow()
        return await self._version.hits(rows.column("id").to_pylist())


class _Version:
    """One version's rows, which never change: those read before are held in memory, and a search brings ids.

    Of one with at most `EXACT_UP_TO` rows all vectors are held from the beginning, shape (rows, dimensions),
    that of `ids[n]` in row n, and so is what keeps the rules that were asked lately; of a larger one they
    are None.
    """

    def __init__(self, table: AsyncTable, ids: Sequence[str], vectors: Vectors | None) -> None:
        self.table = table
        self.ids = ids
        self.vectors = vectors
        self._places = {item: place for place, item in enumerate(ids)}
        self._keeping: OrderedDict[str, list[int]] = OrderedDict()
        self._held: OrderedDict[str, Hit] = OrderedDict()

    @classmethod
    async def open(cls, table: AsyncTable, dimensions: int) -> _Version:
        if await table.count_rows() > EXACT_UP_TO:
            return cls(table, (), None)
        rows = await table.query().select(["id", "vector"]).to_arrow()
        flat = rows.column("vector").combine_chunks().flatten().to_numpy()
        return cls(table, rows.column("id").to_pylist(), flat.reshape(-1, dimensions))

    async def keeping(self, where: str) -> Sequence[int]:
        """The rows of `vectors` that keep a rule."""
        if not where or not self.ids:
            return range(len(self.ids))
        places = self._keeping.get(where)
        if places is None:
            query = self.table.query().where(where).select(["id"]).limit(len(self.ids))
            places = [self._places[item] for item in (await query.to_arrow()).column("id").to_pylist()]
        self._keeping[where] = places
        self._keeping.move_to_end(where)
        if len(self._keeping) > RULES_HELD:
            self._keeping.popitem(last=False)
        return places

    async def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        wanted = list(dict.fromkeys(ids))
        read: dict[str, Hit] = {}
        if missing := [item for item in wanted if item not in self._held]:
            where = f"id IN ({', '.join(map(quoted, missing))})"
            rows = await self.table.query().where(where).limit(len(missing)).to_list()
            read = {row["id"]: _hit(row) for row in rows}
        found = {item: hit for item in wanted if (hit := self._held.get(item) or read.get(item))}
        for item, hit in found.items():
            self._held[item] = hit
            self._held.move_to_end(item)
        while len(self._held) > HELD:
            self._held.popitem(last=False)
        return found

    async def hits(self, ids: Sequence[str]) -> list[Hit]:
        return list((await self.get(ids)).values())


def _match(text: str) -> Any:
    from lancedb import query

    match: Any = query.MatchQuery  # its defaults are missing in lancedb's annotation
    return match(text, "text")


def quoted(value: str) -> str:
    """A string as a literal of LanceDB's SQL."""
    return "'" + value.replace("'", "''") + "'"


def _prepared_lancedb(uri: str) -> Any:
    """The library, imported where it does not hold up the loop, and its folder made."""
    _skip_rest_client()
    import lancedb

    if "://" not in uri:
        try:
            Path(uri).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(
                f"The index folder {uri} cannot be made ({error.strerror}): set ONEULMWO_HOME to one you may write."
            ) from error
    return lancedb


def _skip_rest_client() -> None:
    """Spare the import of a REST client that LanceDB brings for remote catalogs and that a folder never needs.

    Its package imports every call of that interface, half of LanceDB's import time (`docs/log.md`). A bare
    package in its place lets LanceDB import the few models that it names, and nothing else.
    """
    name = "lance_namespace_urllib3_client"
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None or spec.submodule_search_locations is None:
        return
    package = types.ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    sys.modules[name] = package


def _items_table(version: int) -> str:
    return f"items_v{version}"


def _names_table(version: int) -> str:
    return f"names_v{version}"


def _schema(dimensions: int) -> pa.Schema:
    return pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("vector", pa.list_(pa.float32(), dimensions)),
            ("item", pa.string()),
            ("title", pa.string()),
            *((name, pa.list_(pa.string())) for name in LIST_FIELDS),
            *((name, pa.string()) for name in ("domain", "immersion", "cuisine", "country")),
            *((name, pa.int32()) for name in ("spicy", "price", "age", *NUMBER_FIELDS)),
            ("soupy", pa.bool_()),
        ]
    )


def _rows(items: Sequence[Item], vectors: Vectors, dimensions: int) -> pa.Table:
    schema = _schema(dimensions)
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for item, vector in zip(items, vectors, strict=True):
        columns["text"].append(searched_text(item))
        columns["vector"].append(np.asarray(vector, dtype=np.float32))
        columns["item"].append(item.to_json())
        for name in schema.names:
            if name not in ("text", "vector", "item"):
                value = getattr(item, name)
                columns[name].append(list(value) if isinstance(value, tuple) else value)
    return pa.table(
        {name: pa.array(columns[name], type=schema.field(name).type) for name in schema.names}, schema=schema
    )


def _name_rows(names: Names) -> pa.Table:
    rows = list(names.rows())
    return pa.table(
        {
            "key": pa.array([key for key, _ in rows], pa.string()),
            "kind": pa.array([name.kind for _, name in rows], pa.string()),
            "value": pa.array([name.value for _, name in rows], pa.string()),
            "domain": pa.array([str(name.domain) for _, name in rows], pa.string()),
            "items": pa.array([json.dumps(name.items) for _, name in rows], pa.string()),
            "sure": pa.array([name.sure for _, name in rows], pa.bool_()),
        }
    )


def _name(row: dict[str, Any]) -> tuple[str, Name]:
    return row["key"], Name(
        row["kind"], row["value"], Domain(row["domain"]), tuple(json.loads(row["items"])), row["sure"]
    )


def _hit(row: dict[str, Any]) -> Hit:
    return Hit(Item.model_validate_json(row["item"]), np.asarray(row["vector"], dtype=np.float32))


async def _index_words(table: AsyncTable) -> None:
    from lancedb.index import FTS

    await table.create_index(
        "text",
        config=FTS(
            base_tokenizer="ngram", ngram_min_length=2, ngram_max_length=3, stem=False,
            remove_stop_words=False, ascii_folding=False,
        ),
    )  # fmt: skip


async def _index_fields(table: AsyncTable) -> None:
    from lancedb.index import Bitmap, BTree, LabelList

    await table.create_index("id", config=BTree())
    for name in NUMBER_FIELDS:
        await table.create_index(name, config=BTree())
    for name in BITMAP_FIELDS:
        await table.create_index(name, config=Bitmap())
    for name in LIST_FIELDS:
        await table.create_index(name, config=LabelList())


async def _index_vectors(table: AsyncTable) -> None:
    from lancedb.index import IvfSq

    config: Any = IvfSq(distance_type="cosine")  # missing in lancedb's own annotation of create_index
    await table.create_index("vector", config=config)
