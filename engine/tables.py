"""What stands in a version's tables in LanceDB, and the indexes over them: how it is written.

Knows neither which version is active nor how it is searched (`index.py`).
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import pyarrow as pa

from data.item import Age, Domain, Item
from engine.document import pairs, searched_text, stems, stems_of
from engine.embedder import Vectors
from engine.errors import EngineError
from engine.names import Gathering, Name

if TYPE_CHECKING:
    from lancedb import AsyncTable

os.environ.setdefault("LANCEDB_LOG", "error")  # it warns at every query otherwise

LIST_FIELDS = (
    "genres", "effects", "moods", "situations", "creators", "people", "allergens", "served", "diet",
    "meals", "body", "ingredients",
)  # fmt: skip
BITMAP_FIELDS = ("domain", "immersion", "cuisine", "country", "spicy", "soupy", "price", "age")
NUMBER_FIELDS = ("year", "length", "kcal")
FORMAT = 4
"""Raised whenever what is indexed of an item changes (rows, texts, names): then an older index is out of date."""
INDEX_FROM = 256
"""Rows from which scalar indexes pay; below, a scan is faster than reading them (`docs/log.md`)."""
STEMS_FROM = 2_000
"""Items from which words are searched by stems, not by n-grams, whose lists grow too long (`docs/log.md`)."""
GRAMS, STEMS = "text", "stems"
"""The column of words: a text cut into n-grams by LanceDB, or terms made here (`engine.document.stems_of`)."""


def of_items(version: int) -> str:
    """The name of the table that holds a version's items."""
    return f"items_v{version}"


def of_names(version: int) -> str:
    """The name of the table that holds a version's names."""
    return f"names_v{version}"


def schema(dimensions: int, rows: int) -> pa.Schema:
    """The columns of a table for about so many items."""
    return pa.schema(
        [
            ("id", pa.string()),
            (GRAMS if rows < STEMS_FROM else STEMS, pa.string()),
            ("vector", pa.list_(pa.float32(), dimensions)),
            ("item", pa.string()),
            ("title", pa.string()),
            *((name, pa.list_(pa.string())) for name in LIST_FIELDS),
            *((name, pa.string()) for name in ("domain", "immersion", "cuisine", "country")),
            *((name, pa.int32()) for name in ("spicy", "price", "age", *NUMBER_FIELDS)),
            ("soupy", pa.bool_()),
        ]
    )


def words_column(columns: pa.Schema) -> str:
    """The column that is searched by words; its name tells how (`GRAMS`, `STEMS`).

    Raises:
        ValueError: there is none.
    """
    return next(name for name in (GRAMS, STEMS) if columns.get_field_index(name) >= 0)


def dimensions_of(columns: pa.Schema) -> int:
    """The length of a vector."""
    return int(columns.field("vector").type.list_size)


def rows(items: Sequence[Item], vectors: Vectors, columns: pa.Schema) -> pa.Table:
    """Items as rows of these columns; `vectors` has shape (len(items), dimensions)."""
    words, dimensions = words_column(columns), dimensions_of(columns)
    if np.shape(vectors) != (len(items), dimensions):
        raise ValueError(f"{len(items)} items with vectors of shape {np.shape(vectors)}")
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    made: dict[str, pa.Array] = {"vector": pa.FixedSizeListArray.from_arrays(flat, dimensions)}
    made["item"] = pa.array([item.to_json() for item in items], pa.string())
    made[words] = pa.array([searched_text(item) if words == GRAMS else stems_of(item) for item in items])
    for field in columns:
        if field.name not in made:
            values = [getattr(item, field.name) for item in items]
            made[field.name] = pa.array(values, type=field.type)
    return pa.table([made[name] for name in columns.names], schema=columns)


def asked(text: str, words: str) -> str:
    """A text to be looked for in a column of words."""
    return text if words == GRAMS else " ".join(dict.fromkeys((*pairs(text), *stems(text))))


def name_rows(gathered: Gathering) -> pa.Table:
    """Names as rows of their table, in order of their spelling."""
    rows = sorted(gathered.rows(), key=lambda row: row[0])
    return pa.table(
        {
            "key": pa.array([key for key, _ in rows], pa.string()),
            "kind": pa.array([name.kind for _, name in rows], pa.string()),
            "value": pa.array([name.value for _, name in rows], pa.string()),
            "domain": pa.array([str(name.domain) for _, name in rows], pa.string()),
            "items": pa.array([name.items for _, name in rows], pa.list_(pa.string())),
            "sure": pa.array([name.sure for _, name in rows], pa.bool_()),
        }
    )


class StoredNames(Mapping[str, Sequence[Name]]):
    """The names of a table by their spelling, each made when it is asked for: most never are."""

    def __init__(self, rows: pa.Table) -> None:
        keys: list[str] = rows.column("key").to_pylist()
        order = sorted(range(len(keys)), key=keys.__getitem__)
        self._keys = [keys[row] for row in order]
        self._first = dict(zip(reversed(self._keys), range(len(keys) - 1, -1, -1), strict=True))
        self._rows = rows.take(pa.array(order, pa.int64())).combine_chunks()

    def __getitem__(self, key: str) -> Sequence[Name]:
        start = end = self._first[key]
        while end < len(self._keys) and self._keys[end] == key:
            end += 1
        return [
            Name(row["kind"], row["value"], Domain(row["domain"]), tuple(row["items"]), row["sure"])
            for row in self._rows.slice(start, end - start).to_pylist()
        ]

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)


async def index_words(table: AsyncTable, columns: pa.Schema) -> None:
    from lancedb.index import FTS

    words = words_column(columns)
    plain: dict[str, Any] = {"stem": False, "remove_stop_words": False, "ascii_folding": False}
    config = (
        FTS(base_tokenizer="ngram", ngram_min_length=2, ngram_max_length=3, **plain)
        if words == GRAMS
        else FTS(base_tokenizer="whitespace", **plain)
    )
    await table.create_index(words, config=config)


async def index_fields(table: AsyncTable) -> None:
    from lancedb.index import Bitmap, BTree, LabelList

    await table.create_index("id", config=BTree())
    for name in NUMBER_FIELDS:
        await table.create_index(name, config=BTree())
    for name in BITMAP_FIELDS:
        await table.create_index(name, config=Bitmap())
    for name in LIST_FIELDS:
        await table.create_index(name, config=LabelList())


async def index_vectors(table: AsyncTable) -> None:
    from lancedb.index import IvfSq

    config: Any = IvfSq(distance_type="cosine")  # missing in lancedb's own annotation of create_index
    await table.create_index("vector", config=config)


def prepared_lancedb(uri: str) -> Any:
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


def of_domain(domain: Domain) -> str:
    """The condition of a domain."""
    return f"domain = '{domain}'"


def up_to_age(age: int) -> str:
    """The condition of an age rating, which one that is not known does not keep."""
    return f"(age IS NOT NULL AND age <= {age})"


COMMON: Final = (*map(of_domain, Domain), *map(up_to_age, get_args(Age)[:-1]))
"""Conditions of nearly every request: of a large version they are looked up when it is opened."""
