"""What the tests share: a real database file, migrated once and copied for each test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file with nothing in it; copy it, never write to it."""
    path = tmp_path_factory.mktemp("blank") / "blank.sqlite"

    async def make() -> None:
        await (await Database.open(url_of(path))).close()

    asyncio.run(make())
    return path


@pytest.fixture
def database_url(blank: Path, tmp_path: Path) -> str:
    """The URL of a migrated database of this test's own, to be opened more than once."""
    path = tmp_path / "oneulmwo.sqlite"
    shutil.copy(blank, path)
    return url_of(path)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()
