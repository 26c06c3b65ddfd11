"""Twenty people at once, who do not wait for each other: how long an answer takes from when it was asked.

    make bench

Turns arrive by a schedule that was drawn before (Poisson, with a seed), whether or not earlier ones are answered,
and latency counts from the scheduled arrival to the send: time in a queue is in it. Every turn is in a chat of its
own, because a person's newer question would withdraw the older one, and withdrawn questions would not be counted.
The baseline meets the same schedule in the same run. Times are milliseconds.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bot.app import opened
from bot.command import run
from bot.delivery import Delivery
from bot.settings import Settings
from handlers.turn import Chat, Person, Text, Turn
from tests.bench.baseline import Baseline, Silent, percentile, texts

PEOPLE = 20
RATES = (2, 5, 10, 15)
"""Turns a second, of all people together."""
SECONDS = 15.0
"""How long each rate is kept up."""

ASKED = texts()


async def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        async with opened(Settings(home=Path(home), turns_per_minute=0)) as app:
            platform, baseline = Silent(), await Baseline.of(app)
            delivery = app.delivery(platform)
            await _bot(1, [0.0] * PEOPLE, delivery, platform)  # warms up: models, caches, connections
            print(f"{PEOPLE} people, {SECONDS:.0f} s a rate, latency from the scheduled arrival in ms")
            for rate in RATES:
                schedule = _arrivals(rate)
                _print("baseline", rate, *await _plain(schedule, baseline))
                _print("bot", rate, *await _bot(rate, schedule, delivery, platform))


def _arrivals(rate: int) -> list[float]:
    """Seconds from the start at which a turn arrives."""
    chance, at, every = random.Random(rate), 0.0, []
    while (at := at + chance.expovariate(rate)) < SECONDS:
        every.append(at)
    return every


async def _arrive(schedule: list[float], arrive: Callable[[int], Coroutine[Any, Any, None]]) -> float:
    """Let each arrive at its time, and return the start when all are done."""
    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, at in enumerate(schedule):
            await asyncio.sleep(start + at - time.perf_counter())
            tasks.create_task(arrive(number))
    return start


async def _plain(schedule: list[float], baseline: Baseline) -> tuple[list[float], float]:
    done: dict[int, float] = {}

    async def arrive(number: int) -> None:
        await baseline.answer(next(ASKED))
        done[number] = time.perf_counter()

    start = await _arrive(schedule, arrive)
    return _latencies(schedule, start, done)


async def _bot(
    rate: int, schedule: list[float], delivery: Delivery, platform: Silent
) -> tuple[list[float], float]:
    async def arrive(number: int) -> None:
        person = Person(f"p{number % PEOPLE}")
        turn_id = f"{rate}|{number}"
        chat = Chat("bench", f"{person.id}|{turn_id}")
        await delivery.take(Turn(turn_id, chat, person, Text(next(ASKED)), time.time()))

    start = await _arrive(schedule, arrive)
    await delivery.settle()
    done = {number: platform.sent[f"{rate}|{number}"] for number in range(len(schedule))}
    return _latencies(schedule, start, done)


def _latencies(schedule: list[float], start: float, done: dict[int, float]) -> tuple[list[float], float]:
    """Milliseconds from arrival to answer, and answers a second."""
    latencies = [(done[number] - start - at) * 1000 for number, at in enumerate(schedule)]
    return latencies, len(done) / (max(done.values()) - start)


def _print(name: str, rate: int, taken: list[float], throughput: float) -> None:
    print(
        f"{rate:>3} a second  {name:<9} answered {len(taken):>4} at {throughput:5.1f}/s   "
        f"median {statistics.median(taken):8.1f}  p95 {percentile(taken, 0.95):8.1f}  "
        f"p99 {percentile(taken, 0.99):8.1f}  max {max(taken):8.1f}"
    )


if __name__ == "__main__":
    run(main())
