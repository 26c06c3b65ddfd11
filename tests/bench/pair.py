"""A turn in this checkout beside the same turn in another, one after the other: what a change gains where runs differ
from each other by more than that.

    git worktree add /tmp/before HEAD~1
    python -m tests.bench.pair /tmp/before [TURNS]

Each is a process of its own that waits while the other answers. Times are milliseconds; a median of the differences
counts for something where it is larger than twice what stands behind ±.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[2]
TURNS = 300
WARM_UP = 20
FIGURES = ("stored", "sent", "processor time of the loop", "processor time of all")


def main(other: Path, turns: int) -> None:
    answering = [_process(other), _process(HERE)]
    rows: list[list[list[float]]] = [[], []]
    try:
        for number in range(turns + WARM_UP):
            for at in (0, 1) if number % 2 else (1, 0):
                taken = _ask(answering[at])
                if number >= WARM_UP:
                    rows[at].append(taken)
    finally:
        for process in answering:
            process.kill()
    for at, name in enumerate(FIGURES):
        before, after = ([row[at] for row in each] for each in rows)
        gained = [new - old for old, new in zip(before, after, strict=True)]
        unsure = 1.25 * statistics.pstdev(gained) / turns**0.5  # the standard error of a median
        print(
            f"{name:<28} other {statistics.median(before):6.1f}   here {statistics.median(after):6.1f}   "
            f"difference {statistics.median(gained):+6.2f} ± {unsure:.2f}"
        )


def _process(checkout: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__],
        cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _ask(process: subprocess.Popen[str]) -> list[float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    taken: list[float] = json.loads(process.stdout.readline())
    return taken


async def answer() -> None:
    """Answer a turn for each line on standard input, and tell what it took; the first line tells that it may begin."""
    from bot.app import opened
    from bot.settings import Settings
    from tests.bench.baseline import Silent, texts
    from tests.bench.turn import turn_of

    with tempfile.TemporaryDirectory() as home:
        async with opened(Settings(home=Path(home), turns_per_minute=0)) as app:
            platform = Silent()
            delivery = app.delivery(platform)
            print(flush=True)
            for number, text in enumerate(texts()):
                if not await asyncio.to_thread(sys.stdin.readline):
                    return
                began, loop, every = time.perf_counter(), time.thread_time(), time.process_time()
                turn = turn_of(number, text)
                await delivery.take(turn)
                await delivery.settle()
                stored, sent = time.perf_counter() - began, platform.sent[turn.id] - began
                taken = stored, sent, time.thread_time() - loop, time.process_time() - every
                print(json.dumps([round(seconds * 1000, 3) for seconds in taken]), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else TURNS)
    else:
        from bot.command import run

        run(answer())
