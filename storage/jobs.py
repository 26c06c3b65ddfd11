"""Long work for whoever has the time: asked for once, worked off under a lease, watched by anyone.

A worker that dies leaves its lease to lapse, and another one takes the job up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import and_, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import jobs

State = Literal["waiting", "running", "stopping", "done", "failed", "stopped"]
OPEN: Final = ("waiting", "running", "stopping")
"""States of a job that is not over."""
HELD: Final = ("running", "stopping")
TRIES: Final = 3
"""How often a job is begun whose worker dies each time."""


@dataclass(frozen=True, slots=True)
class Job:
    """`progress` is a share of the `stage`, 0 to 1; times are Unix seconds; `platform` and `chat_id` are where
    it was asked for, empty where nobody waits for news of it."""

    id: int
    kind: str
    state: State
    stage: str
    progress: float
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    attempts: int
    created_at: float
    finished_at: float | None
    asked_by: int | None
    platform: str
    chat_id: str

    @property
    def over(self) -> bool:
        return self.state not in OPEN


async def ask(
    connection: AsyncConnection,
    kind: str,
    payload: Mapping[str, Any] | None = None,
    *,
    at: float,
    asked_by: int | None = None,
    platform: str = "",
    chat_id: str = "",
) -> int:
    """Have a job done; its id. One of that kind that still waits with the same payload is not asked for twice."""
    wanted = dict(payload or {})
    waiting = await connection.execute(
        select(jobs.c.id, jobs.c.payload).where(jobs.c.kind == kind, jobs.c.state == "waiting")
    )
    for row in waiting:
        if row.payload == wanted:
            return int(row.id)
    made = insert(jobs).values(
        kind=kind, state="waiting", stage="", progress=0.0, payload=wanted, attempts=0, created_at=at,
        asked_by=asked_by, platform=platform, chat_id=chat_id,
    )  # fmt: skip
    return int((await connection.execute(made.returning(jobs.c.id))).scalar_one())


async def take(
    connection: AsyncConnection, owner: str, *, now: float, until: float, patience: float = 0.0
) -> Job | None:
    """The next job to work off, leased to `owner` until then; None when there is none.

    Of each kind one runs at a time. Only jobs are taken that wait for longer than `patience` seconds, or whose
    worker's lease lapsed. One that was begun too often is given up.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer; here two could take two of a kind
        await connection.execute(text("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE"))
    lapsed = jobs.c.state.in_(HELD) & (jobs.c.lease_until < now)
    ending = {"finished_at": now, "lease_owner": None, "lease_until": None}
    await connection.execute(
        update(jobs).where(lapsed, jobs.c.state == "stopping").values(state="stopped", **ending)
    )
    given_up = (
        f"Given up: its worker ended {TRIES} times before the job was done; see the logs of `oneulmwo jobs`."
    )
    await connection.execute(
        update(jobs).where(lapsed, jobs.c.attempts >= TRIES).values(state="failed", error=given_up, **ending)
    )
    busy = select(jobs.c.kind).where(jobs.c.state.in_(HELD), jobs.c.lease_until >= now)
    waits = and_(jobs.c.state == "waiting", jobs.c.created_at <= now - patience)
    following = await connection.scalar(
        select(jobs.c.id).where(or_(waits, lapsed), jobs.c.kind.not_in(busy)).order_by(jobs.c.id).limit(1)
    )
    if following is None:
        return None
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == following)
        .values(
            state="running",
            attempts=jobs.c.attempts + 1,
            stage="",
            progress=0.0,
            lease_owner=owner,
            lease_until=until,
        )
    )
    return await get(connection, following)


async def renew(
    connection: AsyncConnection, job_id: int, owner: str, *, stage: str, progress: float, until: float
) -> bool:
    """Keep the lease and tell how far the job is; False when it is to be stopped, or is somebody else's by now."""
    renewed = await connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.lease_owner == owner, jobs.c.state == "running")
        .values(stage=stage, progress=progress, lease_until=until)
    )
    return bool(renewed.rowcount)


async def finish(
    connection: AsyncConnection,
    job_id: int,
    owner: str,
    state: Literal["done", "failed", "stopped"],
    *,
    at: float,
    result: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> bool:
    """End a job; False when it is somebody else's by now."""
    over = {"state": state, "finished_at": at, "lease_owner": None, "lease_until": None, "error": error}
    if state == "done":
        over["progress"] = 1.0
    ended = await connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.lease_owner == owner, jobs.c.state.in_(HELD))
        .values(**over, result=dict(result) if result is not None else None)
    )
    return bool(ended.rowcount)


async def give_back(connection: AsyncConnection, job_id: int, owner: str) -> None:
    """Let another worker have a job whose worker ends in good order: that is no failed attempt."""
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.lease_owner == owner, jobs.c.state == "running")
        .values(state="waiting", attempts=jobs.c.attempts - 1, lease_owner=None, lease_until=None)
    )


async def stop(connection: AsyncConnection, job_id: int, *, at: float) -> State | None:
    """Stop a job, or have its worker stop it; the state it is in then, None when there is no such job."""
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == "waiting")
        .values(state="stopped", finished_at=at)
    )
    await connection.execute(
        update(jobs).where(jobs.c.id == job_id, jobs.c.state == "running").values(state="stopping")
    )
    state: State | None = await connection.scalar(select(jobs.c.state).where(jobs.c.id == job_id))
    return state


async def get(connection: AsyncConnection, job_id: int) -> Job | None:
    found = (await connection.execute(_JOBS.where(jobs.c.id == job_id))).one_or_none()
    return Job(*found) if found else None


async def recent(connection: AsyncConnection, most: int) -> list[Job]:
    """The jobs asked for last, newest first, those that are not over before all others."""
    rows = await connection.execute(
        _JOBS.order_by(jobs.c.state.in_(OPEN).desc(), jobs.c.id.desc()).limit(most)
    )
    return [Job(*row) for row in rows]


async def count_open(connection: AsyncConnection) -> int:
    """How many are not over."""
    return await connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.state.in_(OPEN))) or 0


_JOBS: Final = select(*(jobs.c[name] for name in Job.__dataclass_fields__))
