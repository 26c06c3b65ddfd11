"""One turn after another, text in and recommendation out, beside the baseline, and where the time goes.

    make bench

Baseline and turns take the same texts by turns, each with an embedder of its own. "Sent" is when the platform has
the answer, "stored" when the delivery has nothing left to do. Times are milliseconds.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot.app import App, opened
from bot.command import run
from bot.delivery import Delivery
from bot.outbox import Outbox
from bot.settings import Settings
from engine.recommendation import Recommendation
from handlers import memory
from handlers.turn import Chat, Person, Text, Turn
from tests.bench.baseline import Baseline, Silent, line, texts

TURNS = 200
PEOPLE = 20
"""Who ask by turns, so that most have a history."""
WARM_UP = 8
STAGES = (
    "take", "open room", "understand", "read taste", "gather", "rank", "write", "suggest", "commit", "send", "store id",
)  # fmt: skip


class Stopwatch:
    """Milliseconds of each stage, a list a turn."""

    def __init__(self) -> None:
        self.stages: dict[str, list[float]] = defaultdict(list)
        self.committed = 0.0

    def watch(self, owner: Any, name: str, stage: str) -> None:
        """Let every call of that coroutine function count for the stage."""
        work: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = await work(*args, **kwargs)
            ended = time.perf_counter()
            self.stages[stage].append((ended - began) * 1000)
            if stage == "commit":
                self.committed = ended
            if isinstance(result, Recommendation):
                for inner, spent in result.trace.stages.items():
                    self.stages[inner].append(spent)
            return result

        setattr(owner, name, timed)


def watched(app: App) -> Stopwatch:
    stopwatch = Stopwatch()
    for owner, name, stage in (
        (Delivery, "_take", "take"),
        (Delivery, "_enter", "open room"),
        (app.engine, "understand", "understand"),
        (memory, "known_taste", "read taste"),
        (app.engine, "recommend", "recommend"),
        (Delivery, "_commit", "commit"),
        (Outbox, "_settle", "store id"),
    ):
        stopwatch.watch(owner, name, stage)
    return stopwatch


async def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        async with opened(Settings(home=Path(home), turns_per_minute=0)) as app:
            stopwatch, platform, baseline = watched(app), Silent(), await Baseline.of(app)
            delivery = app.delivery(platform)
            base, sent, stored = [], [], []
            for number, text in zip(range(TURNS + WARM_UP), texts(), strict=False):
                began = time.perf_counter()
                await baseline.answer(text)
                base.append((time.perf_counter() - began) * 1000)
                began = time.perf_counter()
                turn = turn_of(number, text)
                await delivery.take(turn)
                await delivery.settle()
                stored.append((time.perf_counter() - began) * 1000)
                sent.append((platform.sent[turn.id] - began) * 1000)
                stopwatch.stages["send"].append((platform.sent[turn.id] - stopwatch.committed) * 1000)
    print(line("baseline: embed, cosine, print", base[WARM_UP:]))
    print(f"{len(platform.served)} of {len(sent)} turns were answered with picks")
    print(line("turn, until the answer is sent", sent[WARM_UP:]))
    print(line("turn, until all is stored", stored[WARM_UP:]))
    middle = statistics.median(base[WARM_UP:])
    print(
        f"a turn is sent after {statistics.median(sent[WARM_UP:]) / middle:.1f} baselines, "
        f"and stored after {statistics.median(stored[WARM_UP:]) / middle:.1f}"
    )
    for stage in STAGES:
        print(line(f"  {stage}", stopwatch.stages[stage][WARM_UP:]))
    known = sum(statistics.median(stopwatch.stages[stage][WARM_UP:]) for stage in STAGES)
    print(f"  {'everything between':<36} about  {statistics.median(stored[WARM_UP:]) - known:7.1f}")


def turn_of(number: int, text: str) -> Turn:
    person = Person(f"p{number % PEOPLE}")
    return Turn(f"bench|{number}", Chat("bench", f"c{number}"), person, Text(text), time.time())


if __name__ == "__main__":
    run(main())
