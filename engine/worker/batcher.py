"""The worker's heart as the event loop sees it: requests go in, pieces of answers come out as the model makes them.

The model runs in one thread of its own, which takes requests in between steps (iteration-level batching), so that one
may join or leave at any time. Knows no HTTP. Nobody who reads waits for ever: whatever ends the thread is told to all.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

import torch
from transformers import PreTrainedTokenizerBase

from engine.worker.adapters import Adapters
from engine.worker.answer import Answer
from engine.worker.grammar import Grammars
from engine.worker.observer import Observer, Outcome, silent
from engine.worker.refusals import (
    BadSchema,
    Failed,
    Full,
    NoAdapter,
    OutOfMemory,
    Stopped,
    TimedOut,
    TooLong,
)
from engine.worker.sequence import Piece, Sampling
from engine.worker.sequence import Sequence as Request
from engine.worker.stepper import Limits, Stepper
from engine.worker.transcript import Transcript
from engine.worker.vocabulary import Vocabulary

__all__ = [
    "BadSchema",
    "Batcher",
    "Failed",
    "Full",
    "Limits",
    "NoAdapter",
    "Observer",
    "OutOfMemory",
    "Stopped",
    "TimedOut",
    "TooLong",
    "silent",
]

RETRY_SECONDS = (1.0, 60.0)
"""The least and the most that a refused request is told to wait."""
PACE = 32
"""Requests by which it is measured how fast places come free."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class _Change:
    """Something to be done in the model's thread between two steps."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def settle(self, result: Any, error: Exception | None) -> None:
        """In the event loop."""
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(result)


class Batcher:
    """One model with its adapters, answering many at once. All methods are the event loop's."""

    def __init__(
        self,
        adapters: Adapters,
        tokenizer: PreTrainedTokenizerBase,
        limits: Limits,
        observe: Observer = silent,
    ) -> None:
        positions = getattr(adapters.model.config.get_text_config(), "max_position_embeddings", None)
        self._most = min(limits.context, positions or limits.context)
        self._adapters, self._limits, self._observe = adapters, limits, observe
        self._vocabulary = Vocabulary(tokenizer, adapters.model)
        self._grammars = Grammars(tokenizer, self._vocabulary.ends)
        self._waiting: deque[Request] = deque()
        self._changes: deque[_Change] = deque()
        self._wake = threading.Condition()  # guards what stands above and below, up to `_stepper`
        self._closing = self._ending = False
        self._stepper: Stepper | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._leaves: deque[float] = deque(maxlen=PACE)

    @property
    def context(self) -> int:
        """Tokens of the longest request that is taken, its answer included."""
        if self._stepper is None:
            return self._most
        return min(self._most, self._stepper.longest)

    async def start(self) -> None:
        """Begin to serve. Raises WorkerError for a model that cannot be served so."""
        assert self._thread is None, "a batcher starts once"
        self._loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="model", daemon=True)
        self._thread.start()
        await ready

    @property
    def alive(self) -> bool:
        """Whether the model's thread runs; it ends by `close`, or by a fault that the log tells."""
        return not self._ended.is_set()

    async def ended(self) -> None:
        """Wait until the model's thread has ended."""
        await self._ended.wait()

    async def close(self, grace: float) -> None:
        """Take nothing more; finish what was taken within `grace` seconds, and tell the rest Stopped."""
        if self._thread is None:
            return
        with self._wake:
            self._closing = True
            self._wake.notify()
        try:
            await asyncio.wait_for(self._ended.wait(), grace)
        except TimeoutError:
            with self._wake:
                self._ending = True
                self._wake.notify()
            await self._ended.wait()
        self._grammars.close()

    def submit(
        self, prompt: Sequence[int], sampling: Sampling, adapter: str | None
    ) -> AsyncGenerator[Piece, None]:
        """Takes a request in, or refuses it at once: Full, TooLong, NoAdapter, BadSchema, Stopped.

        While it is read it may still raise OutOfMemory, TimedOut, Stopped, NoAdapter and Failed.
        """
        if self._stepper is None or self._closing:
            raise Stopped
        if not prompt:
            raise ValueError("a prompt has at least one token")
        if adapter is not None and adapter not in self._adapters.names:
            raise NoAdapter(adapter)
        room = self._most - len(prompt)
        if room < 1:
            raise TooLong(len(prompt) + 1, self.context)
        limit = min(sampling.max_tokens, room)
        if len(prompt) + limit > self.context:
            raise TooLong(len(prompt) + limit, self.context)
        free = max(0, self._limits.rows - len(self._stepper.rows))
        if len(self._waiting) >= self._limits.queue + free:
            raise Full(len(self._waiting), self._retry_after())
        request = Request(
            prompt=list(prompt),
            sampling=sampling,
            adapter=adapter,
            limit=limit,
            deadline=time.monotonic() + self._limits.seconds,
            transcript=Transcript(sampling.stop),
            constraint=self._grammars.constraint(sampling.schema) if sampling.schema is not None else None,
        )
        with self._wake:
            if self._closing:
                raise Stopped
            self._waiting.append(request)
            self._wake.notify()
        self._observe.queued(len(self._waiting))
        return Answer(request, self._leave)

    async def between_steps(self, change: Callable[[], T]) -> T:
        """Do something in the model's thread while no step runs, and return what it returns or raises.

        Requests for an adapter that is gone afterwards are refused.
        """
        todo = _Change(change)
        with self._wake:
            if self._stepper is None or self._closing:
                raise Stopped
            self._changes.append(todo)
            self._wake.notify()
        result: T = await todo.done
        return result

    def _leave(self, request: Request) -> None:
        request.cancelled = True
        with self._wake:
            waited = request in self._waiting
            if waited:
                self._waiting.remove(request)
        if waited:
            self._observe.queued(len(self._waiting))
            self._observe.left("cancelled", len(request.prompt), 0, 0, time.monotonic() - request.born)

    def _retry_after(self) -> float:
        """Seconds until half of those who wait will have gone, as fast as requests left lately."""
        least, most = RETRY_SECONDS
        if len(self._leaves) < 2:
            return least
        interval = (time.monotonic() - self._leaves[0]) / len(self._leaves)
        return float(round(min(most, max(least, interval * len(self._waiting) / 2))))

    # What follows runs in the model's thread.

    def _run(self, ready: "asyncio.Future[None]") -> None:
        with torch.inference_mode():
            self._serve(ready)

    def _serve(self, ready: "asyncio.Future[None]") -> None:
        stepper: Stepper | None = None
        error: Exception = Stopped()
        try:
            stepper = Stepper(self._adapters, self._vocabulary, self._limits, self._observe)
            self._grammars.prepare()
            self._stepper = stepper
            self._tell(_settle, ready, None)
            while self._lives(stepper):
                pass
        except Exception as fault:
            logger.exception("The model's thread ended")
            self._tell(_settle, ready, fault)
            error = Failed()
        finally:
            self._end(stepper, error)

    def _lives(self, stepper: Stepper) -> bool:
        """A turn, and if it fails as none should, its requests ended and the next turn."""
        try:
            return self._turn(stepper)
        except Exception:
            logger.exception("A turn of the model's thread failed; all requests are ended")
            with self._wake:
                waiting = list(self._waiting)
                self._waiting.clear()
            stepper.abandon(waiting, Failed(), "error")
            self._pass_on(stepper)
            return True

    def _turn(self, stepper: Stepper) -> bool:
        """Changes, newcomers, one step; false when it is to end."""
        with self._wake:
            while not (self._waiting or self._changes or stepper.rows or self._closing):
                self._wake.wait()
            idle = not (self._waiting or self._changes or stepper.rows)
            if self._ending or (self._closing and idle):
                return False
        self._change(stepper)
        self._admit(stepper)
        stepper.step()
        self._pass_on(stepper)
        return True

    def _change(self, stepper: Stepper) -> None:
        while self._changes:
            change = self._changes.popleft()
            if change.done.cancelled():
                continue
            result, error = None, None
            try:
                with torch.inference_mode(False):
                    result = change.work()
            except Exception as fault:  # noqa: BLE001 - it is raised where somebody waits for it
                error = fault
            try:
                stepper.changed()
            finally:
                self._tell(change.settle, result, error)

    def _admit(self, stepper: Stepper) -> None:
        """First come, first served: one that does not fit yet keeps its turn, or a long one would starve."""
        now = time.monotonic()
        with self._wake:
            gone = [request for request in self._waiting if request.cancelled or now > request.deadline]
            for request in gone:
                self._waiting.remove(request)
        for request in gone:
            if request.cancelled:
                stepper.drop(request, None, "cancelled")
            else:
                stepper.drop(request, TimedOut(self._limits.seconds), "timeout")
        if gone:
            self._observe.queued(len(self._waiting))
        while True:
            with self._wake:
                if not self._waiting or not stepper.can_join(self._waiting[0]):
                    break
                request = self._waiting.popleft()
                waiting = len(self._waiting)
            try:
                self._observe.queued(waiting)
                stepper.join(request)
            except Exception:
                logger.exception("A request failed to join")
                stepper.drop(request, Failed(), "error")

    def _pass_on(self, stepper: Stepper) -> None:
        if stepper.told:
            self._tell(self._deliver, stepper.told)
            stepper.told = []

    def _end(self, stepper: Stepper | None, error: Exception) -> None:
        outcome: Outcome = "stopped" if isinstance(error, Stopped) else "error"
        with self._wake:
            self._closing = True
            waiting, changes = list(self._waiting), list(self._changes)
            self._waiting.clear()
            self._changes.clear()
        if stepper is not None:
            stepper.abandon(waiting, error, outcome)
            self._pass_on(stepper)
        for change in changes:
            self._tell(change.settle, None, error)
        self._tell(self._ended.set)

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:  # the loop is closed: nobody reads any more
            self._closing = self._ending = True

    def _deliver(self, told: Sequence[tuple[Request, Piece | Exception]]) -> None:
        """In the event loop."""
        for request, piece in told:
            request.inbox.put_nowait(piece)
            if isinstance(piece, Exception) or piece.finish is not None:
                self._leaves.append(time.monotonic())


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(None)
