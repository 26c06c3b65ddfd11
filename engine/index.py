"""The search index in LanceDB: versions of it, each built beside the one that is searched, then switched to.

Which version is active is not known here: whoever builds one tells the readers to `use` it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from data.item import Item
from engine import tables
from engine import version as versions
from engine.embedder import Vectors
from engine.errors import EngineError
from engine.names import Gathering, Names
from engine.version import Hit, Scope, Version

if TYPE_CHECKING:
    from lancedb import AsyncConnection

T = TypeVar("T")


class Index:
    """One folder (or object store) of LanceDB tables, and the version of them that is searched."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._connection: AsyncConnection | None = None
        self._now: Version | None = None

    @property
    def version(self) -> int | None:
        """The number of the version that is searched."""
        return self._now.number if self._now else None

    @property
    def names(self) -> Names:
        return self._now.names if self._now else Names(())

    def now(self) -> Version:
        """The version that is searched now; what holds it goes on with it, whatever is switched to.

        Raises:
            EngineError: there is none yet.
        """
        if self._now is None:
            raise EngineError("There is no index yet: run `oneulmwo index`.")
        return self._now

    async def build(
        self,
        version: int,
        items: Sequence[Item],
        vectors: Vectors,
        progress: Callable[[str], None] = lambda stage: None,
    ) -> int:
        """`write` of what is at hand as a whole; `vectors` has shape (len(items), dimensions)."""

        async def whole() -> AsyncIterable[tuple[Sequence[Item], Vectors]]:
            yield items, vectors

        return await self.write(version, whole(), len(items), np.shape(vectors)[1], progress)

    async def write(
        self,
        version: int,
        batches: AsyncIterable[tuple[Sequence[Item], Vectors]],
        expected: int,
        dimensions: int,
        progress: Callable[[str], None] = lambda stage: None,
    ) -> int:
        """Write tables and indexes of a new version, and return its rows; whoever searches notices nothing.

        Each batch is some items and their vectors, shape (n, `dimensions`); `expected` is about how many items
        all bring. `progress` hears the stage that begins. A cancellation is heeded when the step under way
        has ended, so that nothing is written after it.

        Raises:
            EngineError: the folder cannot be written.
        """
        connection = await self._connected()
        schema = tables.schema(dimensions, expected)
        gathered, rows = Gathering(), 0
        try:
            progress("table")
            table = await _whole(
                connection.create_table(tables.of_items(version), schema=schema, mode="overwrite")
            )
            async for items, vectors in batches:
                made = await _whole(asyncio.to_thread(tables.rows, items, vectors, schema))
                await _whole(table.add(made))
                await _whole(asyncio.to_thread(gathered.add, items))
                rows += len(items)
            progress("words")
            await _whole(tables.index_words(table, schema))
            progress("fields")
            if rows >= tables.INDEX_FROM:
                await _whole(tables.index_fields(table))
            if not versions.held_whole(rows, dimensions):
                progress("vectors")
                await _whole(tables.index_vectors(table))
            progress("names")
            named = await _whole(asyncio.to_thread(tables.name_rows, gathered))
            await _whole(connection.create_table(tables.of_names(version), named, mode="overwrite"))
        except (OSError, RuntimeError) as error:
            raise EngineError(
                f"The index in {self.uri} cannot be written: check that the folder is yours to write and the disk is not full."
            ) from error
        return rows

    async def open(self, version: int) -> Version:
        """A version read and warmed up, to be searched or looked at; what is searched now stays.

        Raises:
            EngineError: it is not there or cannot be read; build it anew.
        """
        connection = await self._connected()
        try:
            table = await connection.open_table(tables.of_items(version))
            named = await (await connection.open_table(tables.of_names(version))).query().to_arrow()
            names = Names(await asyncio.to_thread(tables.StoredNames, named))
            opened = await Version.read(version, table, names)
            await opened.try_out()
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise EngineError(
                f"The index version {version} in {self.uri} cannot be read: run `oneulmwo index`."
            ) from error
        return opened

    def switch(self, opened: Version) -> None:
        """Search this version from now on."""
        self._now = opened

    async def use(self, version: int) -> None:
        """`open` a version and `switch` to it."""
        if version != self.version:
            self.switch(await self.open(version))

    async def drop(self, version: int) -> None:
        """Remove a version that nobody searches any more; one that is not there is no error."""
        connection = await self._connected()
        for table in (tables.of_items(version), tables.of_names(version)):
            await connection.drop_table(table, ignore_missing=True)

    async def count(self) -> int:
        return self.now().count

    def scope(self, where: str | Sequence[str], without: Collection[str] = ()) -> Scope:
        """`Version.scope` of the one that is searched now."""
        return self.now().scope(where, without)

    async def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """These items by id, without those that the index does not hold."""
        return await self.now().get(ids)

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            lancedb = await asyncio.to_thread(tables.prepared_lancedb, self.uri)
            self._connection = await lancedb.connect_async(self.uri)
        return self._connection


async def _whole(step: Awaitable[T]) -> T:
    """A step that is not broken off half way: what it was writing would go on being written behind our back."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
