"""That this process lives, told to the others of its platform by a beat, and which of them live no more.

Knows nothing of what a process owns.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from storage import processes
from storage.database import Database

BEAT_SECONDS: Final = 3.0
"""How often a process says that it lives."""
SURE_SECONDS: Final = 10.0
"""How old its last beat may be for a process to trust that what was its own still is."""
DEAD_SECONDS: Final = 15.0
"""How old the last beat is of a process that is taken to be dead; clocks of several hosts may differ by less
than what this is longer than SURE_SECONDS."""

logger = logging.getLogger(__name__)
R = TypeVar("R")


def new_name() -> str:
    """A name for a process that no other ever had: where it runs, its number there, and a random part."""
    return f"{_here()}|{os.getpid()}|{uuid.uuid4().hex[:8]}"


@cache
def _here() -> str:
    """The host, and a mark of the kernel and the container, in which alone a process number means something."""
    marks = [socket.gethostname()]
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    return f"{marks[0]}.{hashlib.sha256('|'.join(marks).encode()).hexdigest()[:8]}"


def gone(name: str) -> bool:
    """Whether the process of that name ran here and has ended, which makes waiting for its beat needless.

    One with the number of this process had it before.
    """
    where, _, number = name.rpartition("|")[0].rpartition("|")
    if where != _here() or not number.isdecimal() or os.name != "posix":
        return False
    if int(number) == os.getpid():
        return True
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


@dataclass(slots=True, eq=False)
class Presence:
    """The process `owner`, as the other processes of its platform see it."""

    database: Database
    platform: str
    owner: str
    beaten: float = 0.0
    """When the last beat was, in Unix seconds."""
    _left: bool = field(default=False, init=False)

    @property
    def sure(self) -> bool:
        """Whether nobody can have taken this process for dead since its last beat."""
        return 0 <= time.time() - self.beaten < SURE_SECONDS

    async def beat(self, then: Callable[[AsyncConnection], Awaitable[R]]) -> R:
        """Be alive from now on, and do something in the same transaction; what comes of it."""
        now = time.time()
        async with self.database.writing() as connection:
            if not self._left:
                await processes.beat(connection, self.owner, self.platform, now)
            result = await then(connection)
        self.beaten = now
        return result

    async def renew(self) -> None:
        """Beat, if it is time."""
        if not 0 <= time.time() - self.beaten < BEAT_SECONDS:
            await self.beat(_nothing)

    async def keep(self) -> None:
        """Beat in time, until cancelled."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.renew()
            except Exception:
                logger.exception("This process could not say that it lives, and will again")

    async def bury(self, connection: AsyncConnection) -> None:
        """Let all dead processes of the platform be known as such."""
        least = time.time() - DEAD_SECONDS
        beats = await processes.beats(connection, self.platform)
        ended = [each for each in beats if self._ended(each)]
        if ended or min(beats.values(), default=least) < least:
            await processes.bury(connection, self.platform, before=least, gone=ended)

    async def lacks(self, connection: AsyncConnection, owners: Iterable[str]) -> bool:
        """Whether one of these, this process apart, is dead."""
        others = [each for each in owners if each != self.owner]
        if not others:
            return False
        beats, least = await processes.beats(connection, self.platform), time.time() - DEAD_SECONDS
        return any(beats.get(each, 0.0) < least or self._ended(each) for each in others)

    async def leave(self) -> None:
        """End in good order: what this process leaves may be taken over at once."""
        self._left = True
        try:
            async with self.database.writing() as connection:
                await processes.leave(connection, self.owner)
        except Exception:
            logger.exception("The others will see only in a while that this process has ended")

    def _ended(self, owner: str) -> bool:
        return owner != self.owner and gone(owner)


async def _nothing(connection: AsyncConnection) -> None:
    """There is nothing to do besides."""
