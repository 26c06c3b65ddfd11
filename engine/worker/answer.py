"""A request's pieces as its reader takes them, and what becomes of the request when nobody reads any more.

Knows neither model nor batch.
"""

from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any

from engine.worker.sequence import Piece
from engine.worker.sequence import Sequence as Request


class Answer(AsyncGenerator[Piece, None]):
    """A request's pieces. Closing it, cancelling who reads it or forgetting it frees the request's place."""

    def __init__(self, request: Request, leave: Callable[[Request], None]) -> None:
        self._request, self._leave = request, leave
        self._over = False

    async def asend(self, value: None) -> Piece:
        if self._over:
            raise StopAsyncIteration
        try:
            piece = await self._request.inbox.get()
        except BaseException:
            self._end()
            raise
        if isinstance(piece, Exception):
            self._over = True
            raise piece
        self._over = piece.finish is not None
        return piece

    async def athrow(
        self, typ: Any, val: BaseException | object = None, tb: TracebackType | None = None
    ) -> Piece:
        self._end()
        return await super().athrow(typ, val, tb)

    async def aclose(self) -> None:
        self._end()

    def __del__(self) -> None:
        # Whichever thread this runs in, it may hold the lock: the model's thread looks for itself.
        self._request.cancelled = True

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._leave(self._request)
