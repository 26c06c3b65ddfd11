"""Where real data sets lie beside the repository; tests of them are skipped where they are absent."""

from __future__ import annotations

from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """The folder `shared/data/NAME` beside the repository or one of its worktrees; skips the test without it."""
    for parent in Path(__file__).resolve().parents:
        if (found := parent / "shared" / "data" / name).is_dir():
            return found
    pytest.skip(f"shared/data/{name} lies in none of the folders above the tests")
