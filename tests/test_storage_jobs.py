"""The queue of long work: leases, one of a kind at a time, nothing done twice and nothing left for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import jobs, schema, users
from storage.account import forget
from storage.database import Database
from storage.jobs import HELD, TRIES, Job


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.writing() as writing:
        yield writing


async def taken(
    connection: AsyncConnection, owner: str = "a", now: float = 0.0, patience: float = 0.0
) -> Job | None:
    return await jobs.take(connection, owner, now=now, until=now + 30, patience=patience)


async def test_jobs_are_taken_in_the_order_asked_for(connection: AsyncConnection) -> None:
    first = await jobs.ask(connection, "index", at=0)
    second = await jobs.ask(connection, "enrich", at=0)
    assert [job.id for job in (await taken(connection), await taken(connection)) if job] == [first, second]
    assert await taken(connection) is None


async def test_one_that_waits_is_not_asked_for_twice(connection: AsyncConnection) -> None:
    """Two presses of a button built the index twice."""
    number = await jobs.ask(connection, "import", {"path": "a"}, at=0)
    assert await jobs.ask(connection, "import", {"path": "a"}, at=1) == number
    assert await jobs.ask(connection, "import", {"path": "b"}, at=1) != number
    await taken(connection)
    assert await jobs.ask(connection, "import", {"path": "a"}, at=2) != number, (
        "the running one may be too early"
    )


async def test_one_of_a_kind_runs_at_a_time(connection: AsyncConnection) -> None:
    for path in "ab":
        await jobs.ask(connection, "import", {"path": path}, at=0)
    assert (job := await taken(connection)) is not None
    assert await taken(connection, "b") is None
    assert await jobs.finish(connection, job.id, "a", "done", at=1)
    assert (following := await taken(connection, "b")) is not None
    assert following.payload == {"path": "b"}


async def test_a_lapsed_lease_lets_another_worker_go_on(connection: AsyncConnection) -> None:
    await jobs.ask(connection, "index", at=0)
    assert (job := await taken(connection, "a", now=0)) is not None
    assert await taken(connection, "b", now=29) is None
    assert await jobs.renew(connection, job.id, "a", stage="words", progress=0.5, until=59)
    assert await taken(connection, "b", now=31) is None
    assert (again := await taken(connection, "b", now=60)) is not None
    assert (again.id, again.attempts) == (job.id, 2)
    assert not await jobs.renew(connection, job.id, "a", stage="words", progress=0.6, until=99)
    assert not await jobs.finish(connection, job.id, "a", "done", at=61)


async def test_a_job_whose_workers_die_is_given_up(connection: AsyncConnection) -> None:
    """A job that kills its process would be begun for ever."""
    number = await jobs.ask(connection, "index", at=0)
    for attempt in range(TRIES):
        assert await taken(connection, now=attempt * 100) is not None
    assert await taken(connection, now=TRIES * 100) is None
    assert (job := await jobs.get(connection, number)) is not None
    assert job.state == "failed"
    assert "oneulmwo jobs" in (job.error or "")


async def test_what_is_given_back_counts_as_no_attempt(connection: AsyncConnection) -> None:
    number = await jobs.ask(connection, "index", at=0)
    for _ in range(TRIES + 1):
        assert await taken(connection) is not None
        await jobs.give_back(connection, number, "a")
    assert (job := await taken(connection)) is not None
    assert job.attempts == 1


async def test_the_patient_leave_jobs_to_others_for_a_while(connection: AsyncConnection) -> None:
    await jobs.ask(connection, "index", at=10)
    assert await taken(connection, now=12, patience=3) is None
    assert await taken(connection, now=13, patience=3) is not None


async def test_a_waiting_job_is_stopped_at_once_and_a_running_one_by_its_worker(
    connection: AsyncConnection,
) -> None:
    waiting = await jobs.ask(connection, "index", at=0)
    assert await jobs.stop(connection, waiting, at=1) == "stopped"
    running = await jobs.ask(connection, "index", at=0)
    await taken(connection)
    assert await jobs.stop(connection, running, at=1) == "stopping"
    assert not await jobs.renew(connection, running, "a", stage="", progress=0, until=99)
    assert await jobs.finish(connection, running, "a", "stopped", at=2)
    assert await jobs.stop(connection, running, at=3) == "stopped"
    assert await jobs.stop(connection, 999, at=3) is None


async def test_a_stop_holds_when_the_worker_dies(connection: AsyncConnection) -> None:
    number = await jobs.ask(connection, "index", at=0)
    await taken(connection)
    await jobs.stop(connection, number, at=1)
    assert await taken(connection, "b", now=60) is None
    assert (job := await jobs.get(connection, number)) is not None
    assert job.state == "stopped"


async def test_open_jobs_are_listed_first(connection: AsyncConnection) -> None:
    old = await jobs.ask(connection, "index", at=0)
    done = await jobs.ask(connection, "enrich", at=0)
    await taken(connection)
    await taken(connection)
    await jobs.finish(connection, done, "a", "done", at=1, result={"items": 3})
    assert [(job.id, job.over) for job in await jobs.recent(connection, 5)] == [(old, False), (done, True)]
    assert (await jobs.recent(connection, 5))[1].result == {"items": 3}


async def test_a_forgotten_operator_is_named_by_no_job(connection: AsyncConnection) -> None:
    user = await users.ensure(connection, platform="test", platform_id="p", name="", locale="")
    number = await jobs.ask(connection, "index", at=0, asked_by=user.id, platform="test", chat_id="p")
    await forget(connection, user.id, "t")
    assert (job := await jobs.get(connection, number)) is not None
    assert (job.asked_by, job.platform, job.chat_id, job.state) == (None, "", "", "waiting")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("ask", "take", "renew", "finish", "stop", "give back", "later")),
        st.sampled_from("ab"),
        st.integers(0, 5),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_no_order_of_events_runs_two_of_a_kind_or_loses_a_job(
    database: Database, steps: list[tuple[str, str, int]]
) -> None:
    now, asked, ended = 0.0, set[int](), set[int]()
    async with database.writing() as connection:
        await connection.execute(delete(schema.jobs))
        for step, name, number in steps:
            known = sorted(asked)
            job_id = known[number % len(known)] if known else 0
            match step:
                case "ask":
                    asked.add(await jobs.ask(connection, name, {"n": number}, at=now))
                case "take":
                    await taken(connection, name, now)
                case "renew":
                    await jobs.renew(connection, job_id, name, stage="s", progress=0.5, until=now + 30)
                case "finish":
                    if await jobs.finish(connection, job_id, name, "done", at=now):
                        assert job_id not in ended, "done twice"
                        ended.add(job_id)
                case "stop":
                    await jobs.stop(connection, job_id, at=now)
                case "give back":
                    await jobs.give_back(connection, job_id, name)
                case "later":
                    now += 20.0
            held = await connection.execute(
                select(schema.jobs.c.kind).where(
                    schema.jobs.c.state.in_(HELD), schema.jobs.c.lease_until >= now
                )
            )
            kinds = [row.kind for row in held]
            assert len(kinds) == len(set(kinds))
        for _ in range(len(asked) * (TRIES + 1)):
            now += 60.0
            while (job := await taken(connection, "last", now)) is not None:
                assert await jobs.finish(connection, job.id, "last", "done", at=now)
        assert all(job.over for job in await jobs.recent(connection, 100))
        assert len(await jobs.recent(connection, 100)) == len(asked)
