"""The whole program killed by SIGKILL at random moments, a hundred times, and what that cost.

    make bench

Each life opens the database, the index and the engine, takes up what the one before left, and goes on with turns
of six people until it is killed. Nothing may be lost, and nothing handled twice; a message may be shown once more
that was shown and not yet known to be, at most one a chat and kill.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from bot.app import opened
from bot.settings import Settings
from tests.killed import Trial

LONGEST = 2.0
"""Seconds that a life lasts at most, from its first turn on."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_build(Path(folder)))
        trial = Trial(Path(folder), whole=True, seed=given.seed)
        trial.kill(given.kills, LONGEST)
        verdict = trial.finish()
    print(
        f"kills {verdict.kills} ({verdict.killed_at_work} with something in hand), "
        f"turns {verdict.turns}, in {time.perf_counter() - began:.0f} s"
    )
    print(f"  answered {verdict.done}, superseded {verdict.superseded}")
    print(f"  lost {len(verdict.lost)}, handled twice or not at all {len(verdict.handled_twice)}")
    print(f"  talks out of order {len(verdict.disordered)}")
    print(
        f"  messages shown once more {len(verdict.shown_twice)}, "
        f"of them outside the window {len(verdict.shown_twice_outside)}"
    )
    print(f"  integrity: {verdict.broken or 'ok after every kill'}")


async def _build(folder: Path) -> None:
    async with opened(Settings(home=folder / "home")):
        pass


if __name__ == "__main__":
    main()
