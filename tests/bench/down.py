"""How long a person waits for the first visible words: without a worker, with one that is down, that hangs, that writes.

    python -m tests.bench.down

The same texts go to four programs by turns, in one run. "Hangs" takes connections and never answers; "writes" says a
reason of two sentences at once. Times are milliseconds from the turn to the first reply that the platform is given.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from bot.app import App, opened
from bot.command import run
from bot.delivery import Delivery
from bot.settings import Settings
from handlers.turn import Chat, Person, Reply, Text, Turn
from tests.bench.baseline import line, texts
from tests.openais import Answer, nowhere, serving

TURNS = 60
WARM_UP = 5
WRITTEN = "이유: 오늘 바란 것과 잘 어울려요. 부담 없이 즐기기 좋아요.\n도움: 기분이 한결 가벼워져요."


class First:
    """A platform that keeps when it was first given something for a turn. `name` is stored with the mail."""

    name = "bench"

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        self.last[turn_id] = time.perf_counter()
        self.first.setdefault(turn_id, self.last[turn_id])
        return message_id or turn_id


async def main() -> None:
    async with AsyncExitStack() as stack:
        hanging, writing = [await stack.enter_async_context(serving()) for _ in range(2)]
        hanging.otherwise = Answer(hold=asyncio.Event())
        writing.otherwise = Answer(text=WRITTEN, letters={"A": -0.1, "B": -2.5})
        urls = {"none": "", "down": nowhere(), "hangs": hanging.url, "writes": writing.url}
        programs: dict[str, tuple[Delivery, First]] = {}
        for name, url in urls.items():
            programs[name] = await _opened(stack, url)
        waits: dict[str, list[float]] = {name: [] for name in urls}
        wholes: dict[str, list[float]] = {name: [] for name in urls}
        for number, text in zip(range(TURNS + WARM_UP), texts(), strict=False):
            for name, (delivery, platform) in programs.items():
                turn = Turn(
                    f"{name}|{number}", Chat("bench", f"c{number}"), Person("p"), Text(text), time.time()
                )
                began = time.perf_counter()
                await delivery.take(turn)
                await delivery.settle()
                waits[name].append((platform.first[turn.id] - began) * 1000)
                wholes[name].append((platform.last[turn.id] - began) * 1000)
    for name in urls:
        print(line(f"first words, worker: {name}", waits[name][WARM_UP:]))
        print(line("  the whole answer", wholes[name][WARM_UP:]))
        print(f"  the first turn of all{'':<17}{waits[name][0]:8.1f}")
    none = statistics.median(waits["none"][WARM_UP:])
    for name in ("down", "hangs", "writes"):
        print(f"{name} / none at the median: {statistics.median(waits[name][WARM_UP:]) / none:.2f}")


async def _opened(stack: AsyncExitStack, url: str) -> tuple[Delivery, First]:
    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    settings = Settings.model_validate({"home": home, "turns_per_minute": 0, "llm_url": url or None})
    app: App = await stack.enter_async_context(opened(settings))
    await app.engine.korean.ready()
    platform = First()
    return app.delivery(platform), platform


if __name__ == "__main__":
    run(main())
