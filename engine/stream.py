"""A worker's answer as it is written: piece by piece, each within what is left of the budget.

Knows when an answer ends and what of it may be shown, not how a server is asked (`llm.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Protocol, Self

from engine.completion import Completion, Unavailable, thinks, used


class Asked(Protocol):
    """Whom a stream is of."""

    def admit(self) -> None:
        """Raises Unavailable while nothing is to be asked."""

    async def create(self, body: dict[str, Any]) -> Any:
        """Send a request; what comes back may be anything."""

    def lives(self) -> None:
        """Hear that there is an answer."""

    def failed(self, error: Exception, *, late: bool = False) -> Unavailable:
        """Hear that there is none, or no more of it (`late`)."""

    def completion(self, text: str, body: dict[str, Any], finish: str, spent: tuple[int, int]) -> Completion:
        """What a whole answer came to."""


class Stream:
    """One answer. Use it in `async with`, so that the server hears when nobody reads on; `completion` is the whole
    of it once it has ended, None before."""

    def __init__(self, asked: Asked, body: dict[str, Any], first: float, whole: float) -> None:
        """`first` and `whole` are seconds from the first time that it is read."""
        self.completion: Completion | None = None
        self._asked, self._body, self._first, self._whole = asked, body, first, whole
        self._source: Any = None
        self._began: float | None = None
        self._written = self._held = ""
        self._finish: str | None = None
        self._spent = 0, 0
        self._ended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if self._ended:
            raise StopAsyncIteration
        if self._began is None:
            self._asked.admit()
            self._began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self._began + (self._whole if self._written else self._first)):
                piece = await self._next()
        except Exception as error:  # noqa: BLE001 (of the client's versions each raises its transport's own)
            await self.aclose()
            raise self._asked.failed(error, late=bool(self._written)) from None
        except BaseException:
            await self.aclose()
            raise
        if piece is None:
            await self.aclose()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Read no further."""
        self._ended = True
        source, self._source = self._source, None
        if source is not None:
            with suppress(Exception):
                await source.close()

    async def _next(self) -> str | None:
        """The next words, None at the end."""
        if self._source is None:
            self._source = await self._asked.create(self._body)
        while (chunk := await anext(self._source, None)) is not None:
            if getattr(chunk, "usage", None) is not None:
                self._spent = used(chunk)
            for choice in chunk.choices[:1]:
                self._finish = choice.finish_reason or self._finish
                if words := self._shown(choice.delta.content or ""):
                    return words
        if self._finish is None:
            raise Unavailable("cut")
        if self._held:
            rest, self._held = self._held, ""
            self._written += rest
            return rest
        self._asked.lives()
        self.completion = self._asked.completion(self._written, self._body, self._finish, self._spent)
        return None

    def _shown(self, words: str) -> str:
        """What may be shown once some words have come: nothing while they may yet turn out to be thoughts."""
        if not self._written:
            words = self._held + words
            self._held = words if thinks(words) is None else ""
            if self._held:
                return ""
            if words:
                self._asked.lives()
        self._written += words
        return words
