"""Searches without a pause while another process reindexes again and again: what fails, what mixes, when it is seen.

    make bench

Every item of a version bears its mark. A search, the candidates of a request or a whole recommendation, is mixed when
what it found bears several marks, or another than that of the version it was made with. The first words of a text are embedded once and then
remembered, so that searching and not embedding is what keeps both cores busy. Pick-up is from the moment a version is
made active until the searching process searches it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bot import indexing
from bot.app import App, opened
from bot.settings import Settings
from data.item import Domain, Item
from engine.candidates import gather
from engine.embedder import embedder
from engine.index import Index
from engine.request import Request
from engine.taste import Taste
from storage import items
from storage.database import Database
from tests.bench.baseline import line, texts
from tests.bench.scale import stocked
from tests.bench.shelves import shelf

ITEMS = 1_500
SEARCHES = 5_000
AT_ONCE = 4
WHOLE = 4
"""Every so manieth search is a whole recommendation, the others gather candidates."""
REINDEXES = 3
"""At least; it goes on until the searches are done, so that nearly all of them run beside one."""
CALM = 50
"""Searches before the first reindexing begins."""
ENOUGH = "enough"
"""The file whose presence ends it."""


def _marked(version: int) -> str:
    return f"https://example.org/{version}"


async def reindex(home: Path) -> None:
    """In a process of its own: every item changed, then what `oneulmwo index` does, over and over."""
    settings = Settings(home=home)
    database, made = await Database.open(settings.database), embedder(settings.embedder)
    for done in itertools.count():
        if done >= REINDEXES and (home / ENOUGH).exists():
            break
        async with database.reading() as connection:
            every = [Item.model_validate_json(body) async for body in items.shown_bodies(connection)]
            coming = (await items.index_versions(connection))[0].version + 1
        async with database.writing() as connection:
            rows = (item.model_copy(update={"url": _marked(coming)}) for item in every)
            await items.upsert(
                connection, [items.Row(item.id, str(item.domain), item.to_json(), "bench") for item in rows]
            )
        index = Index(settings.index)
        version = await indexing.build_index(database, index, made)
        assert version == coming
        async with database.reading() as connection:
            active = await items.active_index(connection)
        assert active is not None
        print(json.dumps([version, active.created_at]), flush=True)
    await database.close()


async def _prepared(home: Path) -> None:
    settings = Settings(home=home)
    database = await Database.open(settings.database)
    await stocked(database, ITEMS)
    async with database.writing() as connection:
        rows = [item.model_copy(update={"url": _marked(1)}) for item in shelf(ITEMS)]
        await items.upsert(
            connection, [items.Row(item.id, str(item.domain), item.to_json(), "bench") for item in rows]
        )
    await database.close()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        await _prepared(home)
        async with opened(Settings(home=home)) as app:
            await _storm(app, home)


async def _storm(app: App, home: Path) -> None:
    every = [item.id for item in shelf(ITEMS)]
    asked = list(itertools.islice(texts(), 46))
    for text in asked:
        await app.embedder.query(text)
    taken: list[float] = []
    failed: Counter[str] = Counter()
    versions: Counter[int] = Counter()
    mixed = empty = 0
    done = asyncio.Event()
    # what ships has no mark of a version: only what was made for the storm is asked for
    shipped = tuple(
        item for item in [hit.item.id for hit in await app.index.scope("").all(10_000)] if "made-" not in item
    )

    async def search(number: int) -> None:
        nonlocal mixed, empty
        for turn in itertools.count(number, AT_ONCE):
            if done.is_set():
                return
            domain = tuple(Domain)[turn % 3]
            liked = tuple(every[turn * k % ITEMS] for k in (3, 7, 11))
            request = Request(
                text=asked[turn % len(asked)], domain=domain, like=liked[:1] if turn % 5 == 0 else ()
            )
            began = time.perf_counter()
            taste, now = Taste(liked=liked, never=shipped), app.index.now()
            try:
                if turn % WHOLE:
                    gathered = await gather(now, app.embedder, request, taste, 1)
                    number_, marks = now.number, {candidate.item.url for candidate in gathered}
                else:
                    found = await app.engine.recommend(request, taste, seed=turn)
                    number_, marks = found.trace.index_version or 0, {pick.url for pick in found.picks}
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                failed[f"{type(error).__name__}: {error}"[:100]] += 1
                await asyncio.sleep(0.01)
                continue
            taken.append((time.perf_counter() - began) * 1000)
            versions[number_] += 1
            empty += not marks
            mixed += marks != {_marked(number_)}

    seen: dict[int, float] = {}

    async def watch() -> None:
        while not done.is_set():
            seen.setdefault(app.index.version or 0, time.time())
            await asyncio.sleep(0.005)

    made_active: dict[int, float] = {}
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        for number in range(AT_ONCE):
            tasks.create_task(search(number))
        await _until(lambda: len(taken) >= CALM)
        began = time.perf_counter()
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.storm", str(home), stdout=asyncio.subprocess.PIPE
        )
        assert writer.stdout is not None
        async for told in writer.stdout:
            version, at = json.loads(told)
            made_active[version] = at
            if len(taken) >= SEARCHES + CALM:
                (home / ENOUGH).touch()
        assert await writer.wait() == 0
        seconds, during = time.perf_counter() - began, len(taken) - CALM
        await _until(lambda: made_active.keys() <= seen.keys())
        done.set()
    waits = [seen[version] - at for version, at in made_active.items()]
    print(line(f"{len(taken)} searches, {AT_ONCE} at once, {ITEMS} items", taken))
    print(
        f"{during} of them in the {seconds:.0f} s in which another process reindexed {len(made_active)} times"
    )
    print(f"failed {sum(failed.values())} {dict(failed) or ''}  mixed {mixed}  without picks {empty}")
    print(
        "by version: "
        + ", ".join(f"{number}: {count}" for number, count in sorted(versions.items(), key=str))
    )
    print(f"picked up after {statistics.median(waits):.2f} s in the middle, {max(waits):.2f} s at most")


async def _until(met: Callable[[], bool]) -> None:
    while not met():  # noqa: ASYNC110 - counts of many tasks
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(reindex(Path(sys.argv[1])) if len(sys.argv) > 1 else main())
