"""Jobs worked off: progress told, stopped where asked, taken up by another worker, an error in one line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from bot.runner import Runner, Told, Work
from storage import jobs
from storage.database import Database
from storage.jobs import Job


class Bench:
    """A runner over a database, and what it told."""

    def __init__(self, database: Database, **works: Work) -> None:
        self.database, self.told = database, list[Job]()
        self.runner = self.another(**works)

    def another(self, **works: Work) -> Runner:
        async def tell(job: Job) -> None:
            self.told.append(job)

        return Runner(self.database, works, tell, errors=(OSError,), beat=0.01)

    async def ask(self, kind: str = "long") -> int:
        async with self.database.writing() as connection:
            return await jobs.ask(connection, kind, at=time.time())

    async def get(self, number: int) -> Job:
        async with self.database.reading() as connection:
            job = await jobs.get(connection, number)
        assert job is not None
        return job


class Long:
    """Work that goes on until it is let go, and remembers how it ended."""

    def __init__(self) -> None:
        self.begun, self.go, self.broken_off = asyncio.Event(), asyncio.Event(), 0

    async def __call__(self, payload: Mapping[str, Any], told: Told) -> Mapping[str, Any]:
        told("vectors", 1, 4)
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.broken_off += 1
            raise
        return {"items": 7}


@pytest.fixture
async def long() -> AsyncIterator[Long]:
    made = Long()
    yield made
    made.go.set()


async def test_a_job_is_done_and_told_of_from_beginning_to_end(database: Database, long: Long) -> None:
    bench = Bench(database, long=long)
    number = await bench.ask()
    work = asyncio.create_task(bench.runner.work_one())
    await long.begun.wait()
    async with asyncio.timeout(20):
        while len(bench.told) < 2:  # noqa: ASYNC110 - told of from another task
            await asyncio.sleep(0.01)
    long.go.set()
    assert await work
    assert [(job.state, job.stage, job.progress) for job in bench.told] == [
        ("running", "", 0.0), ("running", "vectors", 0.25), ("done", "vectors", 1.0),
    ]  # fmt: skip
    assert (await bench.get(number)).result == {"items": 7}
    assert not await bench.runner.work_one(), "nothing is left"


async def test_a_stopped_job_is_broken_off_at_once(database: Database, long: Long) -> None:
    bench = Bench(database, long=long)
    number = await bench.ask()
    work = asyncio.create_task(bench.runner.work_one())
    await long.begun.wait()
    async with database.writing() as connection:
        await jobs.stop(connection, number, at=time.time())
    assert await work
    assert long.broken_off == 1
    assert (await bench.get(number)).state == "stopped"


async def test_kinds_run_side_by_side(database: Database, long: Long) -> None:
    other = Long()
    bench = Bench(database, long=long, other=other)
    await bench.ask("long")
    await bench.ask("other")
    running = asyncio.create_task(bench.runner.run())
    async with asyncio.timeout(20):
        await long.begun.wait()
        await other.begun.wait()
    await bench.runner.close(grace=0)
    await running


async def test_a_worker_that_ends_leaves_its_job_to_the_next(database: Database, long: Long) -> None:
    bench = Bench(database, long=long)
    number = await bench.ask()
    running = asyncio.create_task(bench.runner.run())
    await long.begun.wait()
    await bench.runner.close(grace=0)
    await running
    left = await bench.get(number)
    assert (left.state, left.attempts, long.broken_off) == ("waiting", 0, 1)
    long.go.set()
    assert await bench.another(long=long).work_one()
    assert (await bench.get(number)).state == "done"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("The disk is full: make room."), "The disk is full: make room."),
        (ValueError("a secret: hunter2"), "ValueError: see the logs of the process that ran it."),
        (asyncio.CancelledError(), "It was broken off; ask for it again."),
    ],
)
async def test_a_failed_job_says_why_in_one_line(database: Database, error: BaseException, said: str) -> None:
    async def fails(payload: Mapping[str, Any], told: Told) -> Mapping[str, Any]:
        raise error

    bench = Bench(database, long=fails)
    number = await bench.ask()
    await bench.runner.work_one()
    job = await bench.get(number)
    assert (job.state, job.error) == ("failed", said)


async def test_a_kind_that_nobody_knows_fails(database: Database) -> None:
    bench = Bench(database)
    number = await bench.ask("dance")
    await bench.runner.work_one()
    assert (await bench.get(number)).error == "This version knows no jobs of the kind dance."


async def test_that_nobody_can_be_told_stops_no_work(database: Database, long: Long) -> None:
    async def tell(job: Job) -> None:
        raise ConnectionError

    long.go.set()
    bench = Bench(database)
    number = await bench.ask()
    await Runner(database, {"long": long}, tell, beat=0.01).work_one()
    assert (await bench.get(number)).state == "done"


async def test_a_lease_that_was_lost_ends_the_work(database: Database, long: Long) -> None:
    """Two workers would write the same tables."""
    bench = Bench(database, long=long)
    number = await bench.ask()
    work = asyncio.create_task(bench.runner.work_one())
    await long.begun.wait()
    async with database.writing() as connection:
        other = await jobs.take(connection, "other", now=time.time() + 100, until=time.time() + 200)
    assert other is not None
    await work
    assert long.broken_off == 1
    assert (await bench.get(number)).state == "running", "it is the other one's"
