"""Processes killed by SIGKILL, each followed by another on the same file. `bench/kills.py` kills the whole bot."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.killed import Trial, file_of

KILLS = 5


def test_kills_lose_and_double_nothing(blank: Path, tmp_path: Path) -> None:
    """Keeps away whatever a death in this process cannot show: no `finally` runs, no connection is closed."""
    file_of(tmp_path).parent.mkdir()
    shutil.copy(blank, file_of(tmp_path))
    trial = Trial(tmp_path, whole=False, seed=7)
    trial.kill(KILLS, longest=0.4)
    verdict = trial.finish()
    assert (verdict.kills, verdict.turns) >= (KILLS, 150)
    assert verdict.done > verdict.turns / 2
    assert verdict.superseded
    assert verdict.killed_at_work >= 2
    assert (verdict.lost, verdict.handled_twice, verdict.disordered) == ([], [], [])
    assert (verdict.shown_twice_outside, verdict.broken) == ([], [])
