"""The index from the items in the database: built, verified, switched to, gone back from, and followed by readers.

Which version is active stands in SQL, and every process follows it; what a version holds, in LanceDB.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import numpy as np

from data.item import Item
from engine.document import embedded_text
from engine.embedder import Embedder, Vectors, cache_key, shipped_vectors
from engine.errors import EngineError
from engine.index import Index
from engine.tables import FORMAT
from storage import items
from storage.database import Database, StorageError, chunks

logger = logging.getLogger(__name__)

GRACE_SECONDS = 600.0
"""How long the tables of a former index stay for whoever still searches them."""
LOOK_SECONDS = 0.5
"""How often a process looks which version is active."""
ALIVE_SECONDS = 10.0
"""How often whoever builds says so."""
DESERTED_SECONDS = 120.0
"""What was not said to be built for so long was left behind by a killed process."""
BATCH = 64
"""Texts embedded at once, and stored before the next."""
PAGE = 2_000
"""Items read, and rows written, at once: what a build holds in memory."""
SAMPLED = 3
"""Items of each page that a new version must find before it is searched."""
_KEPT = "index_kept"
"""The version that was gone back to, and the hash of the items then: it stays for as long as they do."""

Progress = Callable[[str, int, int], None]
"""Hears the stage (a key of the phrases), how much of it is done, and of how much."""


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


async def items_hash(database: Database, embedder: Embedder) -> str:
    """Tells whether an index still holds what it would be built from now."""
    async with database.reading() as connection:
        return _fingerprint(await items.shown_hashes(connection), embedder)


def _fingerprint(hashes: Sequence[str], embedder: Embedder) -> str:
    return hashlib.sha256(f"{FORMAT} {embedder.name} {' '.join(hashes)}".encode()).hexdigest()


async def stale(database: Database, embedder: Embedder) -> str | None:
    """Why the index should be built, as a key of the phrases (missing, changed), or None when it is fresh.

    One that was gone back to is fresh until the items change again.
    """
    async with database.reading() as connection:
        active = await items.active_index(connection)
        kept = await items.value(connection, _KEPT)
    if active is None:
        return "missing"
    now = await items_hash(database, embedder)
    fresh = now == active.items_hash or kept == f"{active.version} {now}"
    return None if fresh and active.embedder == embedder.name else "changed"


async def build_index(
    database: Database, index: Index, embedder: Embedder, progress: Progress = silent
) -> int:
    """Build a new version beside the active one, verify it, switch to it; the version.

    Vectors that were made before are not made again. The active version and the one before it stay; older
    ones are dropped when they have been retired for longer than the grace period. Whoever cancels the task
    is heeded between two steps: then, as after an error, the active version stays and nothing of the new
    one does.

    Raises:
        EngineError: it could not be written, does not hold what it should, or the embedder gives no vectors.
    """
    await _sweep_deserted(database, index)
    await embedder.prepare()
    async with database.writing() as connection:
        version = (await items.start_index(connection, embedder=embedder.name)).version
    try:
        async with _said_to_live(database, version):
            await _embed_missing(database, embedder, progress)
            await _write_and_switch(database, index, embedder, version, progress)
    except BaseException as error:
        await _finish(_forget(database, index, version))
        if isinstance(error, StorageError):
            raise EngineError(str(error)) from error
        raise
    await sweep(database, index)
    progress("done", 1, 1)
    return version


async def _write_and_switch(
    database: Database, index: Index, embedder: Embedder, version: int, progress: Progress
) -> None:
    stages = ("table", "words", "fields", "names")
    async with database.reading() as connection:  # one state of the items, whoever changes them meanwhile
        hashes = await items.shown_hashes(connection)
        sample: dict[str, Vectors] = {}

        async def batches() -> AsyncIterator[tuple[Sequence[Item], Vectors]]:
            done = 0
            async for bodies in items.shown_pages(connection, PAGE):
                every, _, texts = await asyncio.to_thread(_read, bodies, embedder.name)
                vectors = await vectors_of(database, texts, embedder)
                for place in range(0, len(every), 1 + len(every) // SAMPLED):
                    sample[every[place].id] = vectors[place]
                yield every, vectors
                done += len(every)
                progress("table", done, len(hashes))

        rows = await index.write(
            version,
            batches(),
            len(hashes),
            embedder.dimensions,
            lambda stage: progress(stage, stages.index(stage) if stage in stages else 2, len(stages)),
        )
    progress("verify", 0, 1)
    opened = await index.open(version)
    await opened.check(rows, sample)

    async def switch() -> None:
        async with database.writing() as connection:
            await items.activate_index(
                connection, version, items_hash=_fingerprint(hashes, embedder), rows=rows
            )
        index.switch(opened)

    await _finish(switch())


async def _embed_missing(database: Database, embedder: Embedder, progress: Progress) -> None:
    """Make and keep the vectors that no item of the same text had before."""
    shipped = _shipped()
    async with database.reading() as connection:
        total = len(await items.shown_hashes(connection))
    progress("vectors", 0, total)
    done, last = 0, ""
    while True:
        async with database.reading() as connection:
            bodies = await items.shown_after(connection, last, PAGE)
        if not bodies:
            return
        every, keys, texts = await asyncio.to_thread(_read, bodies, embedder.name)
        async with database.reading() as connection:
            known = await items.known_vectors(connection, keys)
        known |= shipped.keys() & set(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        done += len(every) - len(missing)
        for part in chunks(missing.items(), BATCH):
            await _embed(database, dict(part), embedder)
            done += len(part)
            progress("vectors", done, total)
        progress("vectors", done, total)
        last = every[-1].id


async def vectors_of(database: Database, texts: Sequence[str], embedder: Embedder) -> Vectors:
    """The vectors of texts, shape (n, dimensions): shipped, remembered, or made now and remembered."""
    if not texts:
        return np.zeros((0, embedder.dimensions), dtype=np.float32)
    keys = [cache_key(embedder.name, text) for text in texts]
    async with database.reading() as connection:
        remembered = await items.vectors(connection, keys)
    read = {key: np.frombuffer(blob, dtype=np.float32) for key, blob in remembered.items()}
    # another model may have served under the same name
    known = {key: vector for key, vector in read.items() if len(vector) == embedder.dimensions}
    known = {key: vector for key in keys if (vector := _shipped().get(key)) is not None} | known
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        known |= await _embed(database, missing, embedder)
    return np.stack([known[key] for key in keys])


async def _embed(database: Database, texts: dict[str, str], embedder: Embedder) -> dict[str, Vectors]:
    made = await embedder.passages(list(texts.values()))
    new = {key: vector.astype(np.float32) for key, vector in zip(texts, made, strict=True)}
    async with database.writing() as connection:
        await items.keep_vectors(connection, {key: vector.tobytes() for key, vector in new.items()})
    return new


def _read(bodies: Sequence[str], model: str) -> tuple[list[Item], list[str], list[str]]:
    """Items, the keys of their vectors, and the texts that are embedded."""
    every = [Item.model_validate_json(body) for body in bodies]
    texts = [embedded_text(item) for item in every]
    return every, [cache_key(model, text) for text in texts], texts


_shipped = cache(shipped_vectors)


@asynccontextmanager
async def _said_to_live(database: Database, version: int) -> AsyncIterator[None]:
    """Let other builders know, as long as this lasts, that a version is being built."""

    async def say() -> None:
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            try:
                async with database.writing() as connection:
                    await items.still_building(connection, version)
            except Exception:  # a locked database must not end a build; the next sign may get through
                logger.warning("index version %d: no sign of life could be given", version, exc_info=True)

    saying = asyncio.create_task(say())
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.wait({saying})


async def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, though whoever waits is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.result()
        raise


async def sweep(database: Database, index: Index) -> None:
    """Drop what no search can be using any more: all but the active version, the former, and those in their grace."""
    async with database.reading() as connection:
        spent = await items.spent_indexes(connection, time.time() - GRACE_SECONDS)
    for each in spent:
        await _forget(database, index, each.version)
    await _sweep_deserted(database, index)


async def _sweep_deserted(database: Database, index: Index) -> None:
    async with database.reading() as connection:
        deserted = await items.deserted_indexes(connection, time.time() - DESERTED_SECONDS)
    for each in deserted:
        await _forget(database, index, each.version)


async def _forget(database: Database, index: Index, version: int) -> None:
    """Remove tables and row of a version, unless it is the active one."""
    async with database.reading() as connection:
        if await items.active_version(connection) == version:
            return
    try:
        await index.drop(version)
    except (OSError, RuntimeError, EngineError):
        logger.warning(
            "index version %d: its tables could not be dropped; the next build tries again", version
        )
        return
    async with database.writing() as connection:
        await items.forget_index(connection, version)


async def roll_back(database: Database, index: Index, embedder: Embedder) -> items.IndexVersion:
    """Make the former version active again, and tell which; doing it twice comes back to where one was.

    It stays until an index is built on purpose, or the items change again.

    Raises:
        EngineError: there is none, or it cannot be searched any more; the active one stays.
    """
    async with database.reading() as connection:
        former = await items.former_index(connection)
    if former is None:
        raise EngineError("There is no former index to go back to: only one has been built.")
    if former.embedder != embedder.name:
        raise EngineError(
            f"The former index was made with the embedder {former.embedder}, not {embedder.name}: "
            "set ONEULMWO_EMBEDDER to it to go back."
        )
    opened = await index.open(former.version)
    await opened.check(former.rows, {})
    now = await items_hash(database, embedder)
    async with database.writing() as connection:
        await items.activate_index(connection, former.version)
        await items.set_value(connection, _KEPT, f"{former.version} {now}")
    index.switch(opened)
    return former


async def follow(database: Database, index: Index, embedder: Embedder) -> None:
    """Search the active version, whoever activates another, until cancelled; what is spent is swept now and then.

    Whatever goes wrong is told once, and tried again: until then the version at hand goes on answering. So it does
    when the active one was made with another embedder: questions of this process would mean nothing to it.
    """
    told, swept = "", time.monotonic()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if await _active(database) != index.version:
                await _pick_up(database, index, embedder)
            if time.monotonic() - swept > GRACE_SECONDS:
                swept = time.monotonic()
                await sweep(database, index)
            told = ""
        except Exception as error:
            if str(error) != told:
                told = str(error)
                logger.warning("the active index cannot be followed for now", exc_info=True)


async def _pick_up(database: Database, index: Index, embedder: Embedder) -> None:
    async with database.reading() as connection:
        newest = await items.active_index(connection)
    if newest is None:
        return
    if newest.embedder != embedder.name:
        raise EngineError(
            f"Index version {newest.version} was made with {newest.embedder}, and this process has {embedder.name}:"
            f" start it again with ONEULMWO_EMBEDDER={newest.embedder}."
        )
    active = newest.version
    # in a loop of its own: here each of its many steps would wait for whatever else the loop is busy with
    opened = await asyncio.to_thread(lambda: asyncio.run(index.open(active)))
    if await _active(database) == active:  # a build here may have switched to a newer one meanwhile
        index.switch(opened)
        logger.info("index version %d is searched from now on", active)


async def _active(database: Database) -> int | None:
    async with database.reading() as connection:
        return await items.active_version(connection)
