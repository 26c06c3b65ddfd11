"""Vectors of texts by a sentence-transformers model, in one thread of its own; what waits together is embedded together.

Queries and passages of models such as e5 begin with prefixes ("query: ", "passage: "): those are the client's to write.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.worker.errors import WorkerError
from engine.worker.refusals import Full, OutOfMemory, Stopped, is_out_of_memory

BATCH: Final = 32
"""Texts in one forward pass."""
WAITING: Final = 8_192
"""Texts that may wait, over all requests."""
RETRY_SECONDS: Final = 5.0
"""When whoever was refused may ask again."""
MOST_TOKENS: Final = 32_768
"""Of a text, where the model itself knows no limit."""
CHARACTERS_A_TOKEN: Final = 32
"""No vocabulary has longer tokens on the average of a text: what is longer is too long without counting its tokens."""

Vectors = NDArray[np.float32]


class EmbeddingsError(WorkerError):
    """A model of embeddings, or texts, that cannot be used."""


@dataclass(eq=False, slots=True)
class _Request:
    texts: Sequence[str]
    done: asyncio.Future[tuple[Vectors, int]]


class Embeddings:
    """A loaded model; `encode` is called from the event loop, any number of times at once."""

    def __init__(self, path: str, device: str) -> None:
        """Load it, which takes a while.

        Raises:
            EmbeddingsError: there is no such model, or it is none of embeddings.
        """
        from sentence_transformers import SentenceTransformer  # two seconds that others need not wait

        self.name = Path(path).resolve().name if Path(path).is_dir() else path
        try:
            self._model = SentenceTransformer(path, device=device, trust_remote_code=False)
            self.dimensions = int(self._model.encode([" "], show_progress_bar=False).shape[1])
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise EmbeddingsError(f"The embeddings model {path} cannot be loaded: {reason}") from error
        self.max_tokens = int(min(self._model.max_seq_length or 512, MOST_TOKENS))
        self._waiting: deque[_Request] = deque()
        self._open: set[_Request] = set()
        self._closed = False
        self._thread = ThreadPoolExecutor(1, "embeddings")
        self._running: asyncio.Task[None] | None = None

    async def encode(self, texts: Sequence[str], dimensions: int | None = None) -> tuple[Vectors, int]:
        """Their vectors of length 1, in their order, and how many tokens they have.

        `dimensions` cuts the vectors to their first numbers, which is of use with models trained for that.

        Raises:
            EmbeddingsError: more dimensions than there are, or a text that is too long.
            Full: too many texts wait already.
            Stopped: the worker is ending.
        """
        if self._closed:
            raise Stopped
        if dimensions is not None and dimensions > self.dimensions:
            raise EmbeddingsError(f"{self.name} has {self.dimensions} dimensions.")
        if sum(len(each.texts) for each in self._waiting) + len(texts) > WAITING:
            raise Full(len(self._waiting), RETRY_SECONDS)
        request = _Request(texts, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._open.add(request)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._work())
        try:
            vectors, tokens = await request.done
        finally:
            self._open.discard(request)
        if dimensions is not None:
            vectors = vectors[:, :dimensions]
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors, tokens

    def close(self) -> None:
        """Take nothing more, and tell those who wait Stopped."""
        self._closed = True
        for request in self._open:
            if not request.done.done():
                request.done.set_exception(Stopped())
        self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        """Embed what waits, a few requests at a time, until nothing does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            taken = [self._waiting.popleft()]
            while self._waiting and sum(len(each.texts) for each in taken) < BATCH:
                taken.append(self._waiting.popleft())
            taken = [each for each in taken if not each.done.done()]  # whose client has gone is left out
            if not taken:
                continue
            results = await loop.run_in_executor(self._thread, self._embed, [each.texts for each in taken])
            for request, result in zip(taken, results, strict=True):
                if request.done.done():
                    continue
                if isinstance(result, Exception):
                    request.done.set_exception(result)
                else:
                    request.done.set_result(result)

    def _embed(self, requests: Sequence[Sequence[str]]) -> list[tuple[Vectors, int] | Exception]:
        """A result or an error for each request; one that cannot be embedded does not spoil the others."""
        counts = [self._counted(texts) for texts in requests]
        fit = [
            text
            for texts, count in zip(requests, counts, strict=True)
            if not isinstance(count, Exception)
            for text in texts
        ]
        try:
            whole = self._forward(fit) if fit else np.empty((0, self.dimensions), np.float32)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked
            if len(requests) > 1:
                return [result for texts in requests for result in self._embed([texts])]
            if is_out_of_memory(error):
                torch.cuda.empty_cache()
                return [OutOfMemory()]
            return [error]
        results: list[tuple[Vectors, int] | Exception] = []
        start = 0
        for texts, count in zip(requests, counts, strict=True):
            if isinstance(count, Exception):
                results.append(count)
                continue
            results.append((whole[start : start + len(texts)], count))
            start += len(texts)
        return results

    def _counted(self, texts: Sequence[str]) -> int | Exception:
        try:
            return self._count(texts)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked
            return error

    def _count(self, texts: Sequence[str]) -> int | EmbeddingsError:
        lengths = []
        for text in texts:
            long = len(text) > self.max_tokens * CHARACTERS_A_TOKEN
            lengths.append(self.max_tokens + 1 if long else self._length(text))
        for number, length in enumerate(lengths):
            if length > self.max_tokens:
                return EmbeddingsError(
                    f"input.{number} has more than {self.max_tokens:,} tokens, the limit of {self.name}."
                )
        return sum(lengths)

    def _length(self, text: str) -> int:
        ids = self._model.tokenizer.encode(text)
        return len(getattr(ids, "ids", ids))  # static models have a tokenizer of the tokenizers library

    def _forward(self, texts: list[str]) -> Vectors:
        vectors = self._model.encode(
            texts,
            batch_size=BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, np.float32)
