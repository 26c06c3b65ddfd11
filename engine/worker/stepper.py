"""The batch: who is in it, and what one step of the model does for them.

Rows 0 to `running`-1 of the cache decode, one token a step in one forward pass, whichever adapters they have; the rows
behind them are having their prompts read, in chunks, so that the others go on between. Knows neither threads nor who
reads the answers: what there is to tell stands in `told` after each call.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from engine.worker.adapters import Adapters
from engine.worker.cache import KeyValues, shapes
from engine.worker.masks import Masks
from engine.worker.observer import Observer, Outcome
from engine.worker.prefixes import BLOCK, Prefixes
from engine.worker.refusals import Failed, NoAdapter, OutOfMemory, TimedOut, is_out_of_memory
from engine.worker.sampling import Pick, Wish, choose
from engine.worker.sequence import Piece, Token
from engine.worker.sequence import Sequence as Request
from engine.worker.vocabulary import Vocabulary

PREFIX_SHARE = 8
"""Shared beginnings have at most one part in so many of the cache's bytes."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batcher takes on."""

    context: int
    """Tokens of a request at most, its answer included."""
    cache_bytes: int
    """Keys and values: rows times the longest of them, and shared beginnings."""
    rows: int
    """Sequences at once."""
    queue: int
    """Requests that wait beyond those for which a row is free."""
    seconds: float
    """A request's time, its waiting included."""
    prefill_tokens: int = 512
    """Tokens of prompts, padding included, that a step reads beside decoding."""


class Stepper:
    """A model with its cache, stepped by one thread."""

    def __init__(self, adapters: Adapters, vocabulary: Vocabulary, limits: Limits, observe: Observer) -> None:
        self.told: list[tuple[Request, Piece | Exception]] = []
        self.rows: list[Request] = []
        self.running = 0
        self.masks = Masks(adapters.model)
        self.cache = KeyValues(shapes(adapters.model))
        self.prefixes = Prefixes(self.cache.token_bytes, limits.cache_bytes // PREFIX_SHARE)
        self._adapters, self._vocabulary, self._limits, self._observe = adapters, vocabulary, limits, observe

    @property
    def longest(self) -> int:
        """Tokens of the longest request that fits alone."""
        return self._limits.cache_bytes // self.cache.token_bytes

    def can_join(self, request: Request) -> bool:
        """Whether there are a row and memory for it now."""
        rows, columns = self._needed([*self.rows, request])
        return rows <= self._limits.rows and self._fits(rows, columns)

    def join(self, request: Request) -> None:
        """Takes a request that can join into the batch; its prompt is read by the next steps."""
        assert self.can_join(request)
        if request.adapter is not None and request.adapter not in self._adapters.names:
            self.drop(request, NoAdapter(request.adapter), "error")
            return
        while not self._reserved(request):
            largest = max([*self.rows, request], key=lambda each: each.reserved)
            self.drop(largest, OutOfMemory(), "memory")
            if largest is request:
                return
        request.row = len(self.rows)
        self.rows.append(request)
        request.cached, columns = self.prefixes.find(request.adapter, request.prompt)
        if request.cached:
            self.cache.paste(request.row, columns)
        request.filled = request.cached
        self._observe.joined(time.monotonic() - request.born)
        self._observe_cache()

    def step(self) -> None:
        """Drops who is cancelled or late, reads a chunk of prompts, decodes one token for all that run."""
        now = time.monotonic()
        for request in list(self.rows):
            if request.cancelled:
                self.drop(request, None, "cancelled")
            elif now > request.deadline:
                self.drop(request, TimedOut(self._limits.seconds), "timeout")
        if chunk := self._chunk():
            self._guarded([request for request, _ in chunk], lambda: self._read(chunk))
        if running := self.rows[: self.running]:
            self._guarded(running, lambda: self._decode(running))

    def changed(self) -> None:
        """Adapters may be others now: nothing computed with them is used again."""
        self.prefixes.clear()
        for request in list(self.rows):
            if request.adapter is not None and request.adapter not in self._adapters.names:
                self.drop(request, NoAdapter(request.adapter), "error")

    def drop(self, request: Request, error: Exception | None, outcome: Outcome) -> None:
        """Lets a request go, whether it has a row or not; the row is filled from the end, so that all stay together."""
        if error is not None:
            self.told.append((request, error))
        hole, request.row = request.row, -1
        if hole >= 0:
            if request.left > 0:
                self.cache.wipe(hole)  # what was read may hold no numbers, and nobody has looked
            if hole < self.running:
                self.running -= 1
                hole = self._fill(hole, self.running)
            self._fill(hole, len(self.rows) - 1)
            self.rows.pop()
            self._observe_cache()
        usage = request.usage
        seconds = time.monotonic() - request.born
        self._observe.left(outcome, usage.prompt, usage.completion, usage.cached, seconds)

    def abandon(self, waiting: Sequence[Request], error: Exception, outcome: Outcome) -> None:
        """Lets everybody go and touches no row: the device may be what failed."""
        rows, self.rows, self.running = self.rows, [], 0
        for request in [*rows, *waiting]:
            request.row = -1
            self.drop(request, error, outcome)

    def _needed(self, requests: Sequence[Request]) -> tuple[int, int]:
        return len(requests), max(request.reserved for request in requests)

    def _fits(self, rows: int, columns: int) -> bool:
        return rows * columns * self.cache.token_bytes <= self._limits.cache_bytes

    def _reserved(self, request: Request) -> bool:
        """Room made for it, unless the device has none."""
        rows, columns = self._needed([*self.rows, request])
        exact = rows * columns * self.cache.token_bytes
        self.prefixes.shrink(self._limits.cache_bytes - exact)
        for most in (self._limits.cache_bytes - self.prefixes.bytes, exact):
            try:
                self.cache.reserve(rows, columns, [each.filled for each in self.rows], most)
            except torch.OutOfMemoryError:
                self._free_memory()
            else:
                return True
        return False

    def _chunk(self) -> list[tuple[Request, int]]:
        """Whose prompts are read next, and how many tokens of each: first come, first read, in a bounded area."""
        chunk: list[tuple[Request, int]] = []
        width = 0
        for request in sorted(self.rows[self.running :], key=lambda each: each.born):
            count = min(request.left, self._limits.prefill_tokens)
            if chunk and (len(chunk) + 1) * max(width, count) > self._limits.prefill_tokens:
                break
            chunk.append((request, count))
            width = max(width, count)
        return sorted(chunk, key=lambda each: each[0].row)

    def _read(self, chunk: Sequence[tuple[Request, int]]) -> None:
        requests, counts = [request for request, _ in chunk], [count for _, count in chunk]
        starts = [request.filled for request in requests]
        length = self.cache.reading([request.row for request in requests], starts, counts)
        width = max(counts)
        # Padding stands at the left of a line, so that the last token of each is the last; it looks at the same
        # columns as the first real token does and is stored nowhere.
        ids = [
            [0] * (width - count) + request.prompt[start : start + count]
            for request, start, count in zip(requests, starts, counts, strict=True)
        ]
        positions = [
            [start] * (width - count) + list(range(start, start + count))
            for start, count in zip(starts, counts, strict=True)
        ]
        logits = self._forward(requests, ids, positions, length)
        done = [place for place, (request, count) in enumerate(chunk) if request.left == count]
        for place in done:
            self._remember(requests[place])
        picks = self._choose([requests[place] for place in done], logits[done]) if done else []
        # Nothing above has moved a request on: should memory have run out, the pass is done again as it was.
        for request, count in chunk:
            request.filled += count
        self._advance([requests[place] for place in done], picks)

    def _decode(self, running: Sequence[Request]) -> None:
        length = self.cache.decoding([request.filled for request in running])
        ids = [[request.last] for request in running]
        logits = self._forward(running, ids, [[request.filled] for request in running], length)
        picks = self._choose(running, logits)
        for request in running:
            request.filled += 1
        self._advance(running, picks)

    def _forward(
        self, requests: Sequence[Request], ids: list[list[int]], positions: list[list[int]], length: int
    ) -> torch.Tensor:
        """Float32 logits of each row's last token."""
        began = time.monotonic()
        model = self._adapters.model
        places = torch.tensor(positions, device=model.device)
        with self._adapters.rows([request.adapter for request in requests]):
            logits = model(
                input_ids=torch.tensor(ids, device=model.device),
                position_ids=places,
                attention_mask=self.masks.of(places, length, self.cache.dtype),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
        if self.cache.on_gpu:  # which is only told what to do so far; whoever reads the logits waits anyway
            torch.cuda.synchronize(model.device)
        self._observe.step(len(ids), sum(map(len, ids)), time.monotonic() - began)
        return logits.float()

    def _choose(self, requests: Sequence[Request], logits: torch.Tensor) -> list[Pick]:
        size = logits.shape[1]
        wishes = [
            Wish(
                request.sampling.temperature,
                request.sampling.top_p,
                request.luck(),
                request.sampling.logprobs,
                request.constraint.allowed(size) if request.constraint else None,
            )
            for request in requests
        ]
        return choose(logits, wishes)

    def _advance(self, requests: Sequence[Request], picks: Sequence[Pick]) -> None:
        """Each request goes on by its token, and it is told."""
        for request, pick in zip(requests, picks, strict=True):
            try:
                self._go_on(request, pick)
            except Exception:
                logger.exception("A request failed")
                self.drop(request, Failed(), "error")

    def _go_on(self, request: Request, pick: Pick) -> None:
        if pick.token < 0:
            self.cache.wipe(request.row)
            self.prefixes.clear()
            raise ArithmeticError("the model's logits are no numbers")
        request.last = pick.token
        request.made += 1
        if request.made == 1:
            self._observe.first_token(time.monotonic() - request.born)
        stopped = pick.token in self._vocabulary.ends
        if request.constraint is not None:
            request.constraint.take(pick.token)
            stopped = stopped or request.constraint.ended
        text = request.transcript.feed(self._vocabulary.raw(pick.token))
        stopped = stopped or request.transcript.stopped
        tokens = (self._token(request, pick),)
        if stopped or request.made == request.limit:
            finish: Literal["stop", "length"] = "stop" if stopped else "length"
            self.told.append(
                (request, Piece(text + request.transcript.rest(), tokens, finish, request.usage))
            )
            self.drop(request, None, finish)
            return
        self.told.append((request, Piece(text, tokens)))
        if request.row >= self.running:
            self._run(request)

    def _token(self, request: Request, pick: Pick) -> Token:
        if request.sampling.logprobs is None:
            raw = self._vocabulary.raw(pick.token)
            return Token(pick.token, raw.decode(errors="replace"), raw)
        shown = self._vocabulary.shown
        top = tuple((token, *shown(token), logprob) for token, logprob in pick.top)
        return Token(pick.token, *shown(pick.token), pick.logprob, top)

    def _run(self, request: Request) -> None:
        """From those whose prompts are read to those that decode."""
        first = self.rows[self.running]
        if first is not request:
            self.cache.swap(request.row, first.row, max(request.filled, first.filled))
            self.rows[request.row], self.rows[first.row] = first, request
            request.row, first.row = first.row, request.row
        self.running += 1

    def _fill(self, hole: int, source: int) -> int:
        """Moves a row into a hole; returns where the hole is then."""
        if hole != source:
            moved = self.rows[source]
            self.cache.move(source, hole, moved.filled)
            self.rows[hole], moved.row = moved, hole
        return source

    def _remember(self, request: Request) -> None:
        """Keeps what of its beginning others had too."""
        most = self._limits.cache_bytes - self.cache.bytes
        for begin, name in self.prefixes.wanted(request.adapter, request.prompt):
            self.prefixes.keep(name, partial(self.cache.copied, request.row, begin, begin + BLOCK), most)

    def _guarded(self, requests: Sequence[Request], work: Callable[[], None]) -> None:
        """One forward pass. If memory runs out, the largest request of all goes and the pass is done again by the
        next step, from the same state; any other fault ends the pass's requests."""
        try:
            work()
        except Exception as error:
            if is_out_of_memory(error):
                logger.warning("Out of memory with %d rows; the largest request is refused", len(self.rows))
                self.drop(max(self.rows, key=lambda each: each.reserved), OutOfMemory(), "memory")
                self._free_memory()
                return
            logger.exception("A step failed with %d rows", len(requests))
            for request in requests:
                if request.row >= 0:
                    self.drop(request, Failed(), "error")

    def _free_memory(self) -> None:
        """Gives back all that nobody needs now."""
        self.prefixes.clear()
        rows, columns = self._needed(self.rows) if self.rows else (0, 0)
        filled = [each.filled for each in self.rows]
        with suppress(torch.OutOfMemoryError):
            self.cache.reserve(rows, columns, filled, rows * columns * self.cache.token_bytes)
        if self.cache.on_gpu:
            torch.cuda.empty_cache()

    def _observe_cache(self) -> None:
        used = self._needed(self.rows) if self.rows else (0, 0)
        self._observe.cache(
            used[0] * used[1] * self.cache.token_bytes + self.prefixes.bytes, self._limits.cache_bytes
        )
