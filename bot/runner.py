"""Works off the jobs that the database holds: under a lease, one of a kind at a time, told of as they go.

Knows neither what a job does (`works`) nor who is to hear of it how (`tell`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bot.tasks import Tasks, wholly
from storage import jobs
from storage.database import Database
from storage.jobs import Job

LEASE_SECONDS: Final = 30.0
"""How long a job whose worker is gone waits for another one."""
BEAT_SECONDS: Final = 1.0
"""How often a lease is renewed, progress stored, and the queue looked at."""

logger = logging.getLogger(__name__)

Told = Callable[[str, int, int], None]
"""Hears the stage of a job, how much of it is done, and of how much."""
Work = Callable[[Mapping[str, Any], Told], Awaitable[Mapping[str, Any]]]
"""Does a job of one kind with its payload; what came of it, JSON-able."""


class UnknownKind(Exception):
    """A job that this version cannot do; the message says so."""


@dataclass(slots=True)
class _Progress:
    stage: str = ""
    share: float = 0.0

    def tell(self, stage: str, done: int, total: int) -> None:
        self.stage, self.share = stage, min(done / total, 1.0) if total else 0.0


@dataclass(slots=True, eq=False)
class Runner:
    """`works` does the jobs of each kind, `tell` hears of each change of one. `errors` are those whose text is
    for operators; others are logged and told by their kind only. Jobs are left for `patience` seconds to
    whoever has nothing else to do. Times are in seconds."""

    database: Database
    works: Mapping[str, Work]
    tell: Callable[[Job], Awaitable[None]]
    errors: tuple[type[Exception], ...] = ()
    patience: float = 0.0
    lease: float = LEASE_SECONDS
    beat: float = BEAT_SECONDS
    owner: str = field(default_factory=lambda: f"{os.getpid()}-{uuid.uuid4().hex[:8]}")
    _tasks: Tasks = field(default_factory=Tasks, init=False)

    async def run(self) -> None:
        """Work until `close`; jobs of several kinds run side by side."""
        while True:
            while (job := await self._tasks.insist(self._take)) is not None:
                if self._tasks.stopping:
                    await self._give_back(job)
                    return
                self._tasks.spawn(self._work(job))
            if not await self._tasks.pause(self.beat):
                return

    async def close(self, grace: float) -> None:
        """Give what runs so many seconds, then leave it to another worker."""
        await self._tasks.stop(grace)

    async def work_one(self) -> bool:
        """Work off the next job, if there is one."""
        if (job := await self._take()) is None:
            return False
        await self._work(job)
        return True

    async def _take(self) -> Job | None:
        async with self.database.reading() as connection:
            if not await jobs.count_open(connection):
                return None  # without asking for the lock, which others wait for
        now = time.time()
        async with self.database.writing() as connection:
            return await jobs.take(
                connection, self.owner, now=now, until=now + self.lease, patience=self.patience
            )

    async def _work(self, job: Job) -> None:
        progress = _Progress()
        work = asyncio.create_task(self._done(job, progress))
        try:
            stopped = await self._watch(job, work, progress)
            if stopped:
                await self._finish(job, "stopped")
            elif work.cancelled():
                await self._finish(job, "failed", error="It was broken off; ask for it again.")
            elif (error := work.exception()) is not None:
                await self._finish(job, "failed", error=self._explained(job, error))
            else:
                await self._finish(job, "done", result=work.result())
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work})
            await wholly(self._give_back(job))
            raise

    async def _done(self, job: Job, progress: _Progress) -> Mapping[str, Any]:
        if (work := self.works.get(job.kind)) is None:
            raise UnknownKind(f"This version knows no jobs of the kind {job.kind}.")
        return await work(job.payload, progress.tell)

    async def _watch(self, job: Job, work: asyncio.Task[Mapping[str, Any]], progress: _Progress) -> bool:
        """Keep the lease until the work is over; whether it was stopped instead."""
        await self._hear(job)
        shown = ("", 0.0)
        while True:
            await asyncio.wait({work}, timeout=self.beat)
            if work.done():
                return False
            try:
                ours = await self._renew(job, progress)
            except Exception:
                logger.exception("The lease of job %d could not be renewed and will be again", job.id)
                continue
            if not ours:
                work.cancel()
                await asyncio.wait({work})
                return True
            if (now := (progress.stage, round(progress.share, 2))) != shown:
                shown = now
                await self._hear(job)

    async def _renew(self, job: Job, progress: _Progress) -> bool:
        async with self.database.writing() as connection:
            return await jobs.renew(
                connection, job.id, self.owner,
                stage=progress.stage, progress=progress.share, until=time.time() + self.lease,
            )  # fmt: skip

    async def _finish(
        self,
        job: Job,
        state: Literal["done", "failed", "stopped"],
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        async def finish() -> bool:
            async with self.database.writing() as connection:
                return await jobs.finish(
                    connection, job.id, self.owner, state, at=time.time(), result=result, error=error
                )

        if await self._tasks.insist(finish):
            await self._hear(job)
        else:
            logger.warning("Job %d was taken over by another worker", job.id)

    async def _give_back(self, job: Job) -> None:
        async with self.database.writing() as connection:
            await jobs.give_back(connection, job.id, self.owner)

    async def _hear(self, job: Job) -> None:
        """Let `tell` know how a job stands now; that nobody can be told stops no work."""
        try:
            async with self.database.reading() as connection:
                now = await jobs.get(connection, job.id)
            if now is not None:
                await self.tell(now)
        except Exception:
            logger.exception("Nobody could be told of job %d", job.id)

    def _explained(self, job: Job, error: BaseException) -> str:
        if isinstance(error, (UnknownKind, *self.errors)):
            return str(error)
        logger.error("Job %d (%s) failed", job.id, job.kind, exc_info=error)
        return f"{type(error).__name__}: see the logs of the process that ran it."
