"""Tasks that are waited for and stopped together, and work that is tried until it is done.

Knows neither what is worked on nor where it is kept.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

RETRY_FIRST = 1.0
"""Seconds before the second try of what failed; each further wait is twice as long."""
RETRY_MOST = 60.0
"""Seconds that no wait passes."""

logger = logging.getLogger(__name__)
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Tasks:
    """What is under way. `retry_first` is in seconds."""

    retry_first: float = RETRY_FIRST
    _running: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @property
    def stopping(self) -> bool:
        """Whether nothing new should be begun."""
        return self._stopping.is_set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin `work`, and keep hold of it to its end."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def settle(self) -> None:
        """Return when nothing is under way; raises what a task raised."""
        while self._running:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()

    async def stop(self, grace: float) -> None:
        """Wait at most `grace` seconds for what is under way, then cancel it."""
        self._stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._running:
                    await asyncio.wait(self._running)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def insist(
        self,
        work: Callable[[], Awaitable[R]],
        over: type[Exception] = Exception,
        tries: float = math.inf,
    ) -> R:
        """The result of `work`, tried until it succeeds.

        Its error is raised when it is not one to insist `over`, after so many `tries`, and when stopping.
        """
        failures = 0
        while True:
            try:
                return await work()
            except over:
                failures += 1
                if failures >= tries:
                    raise
                logger.exception("The database refused; it will be tried again")
                if not await self.pause(self.backoff(failures)):
                    raise

    def backoff(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row."""
        return min(self.retry_first * 2.0 ** min(failures - 1, 30), RETRY_MOST)

    async def pause(self, seconds: float) -> bool:
        """Wait; False, and at once, when it is time to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return not self.stopping


async def wholly(work: Coroutine[Any, Any, R]) -> R:
    """Await `work` to its end, even when whoever waits for it is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
