"""Opening, migrating and sharing the database file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from storage import items, sqlite
from storage.database import Database, StorageError, upsert_rows
from storage.migrations.run import config
from storage.schema import HEAD, meta, metadata


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def log_bytes(url: str) -> int:
    return Path(f"{url.removeprefix('sqlite+aiosqlite:///')}-wal").stat().st_size


async def refusal(url: str) -> str:
    with pytest.raises(StorageError) as refused:
        await Database.open(url)
    message = str(refused.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


async def pragma(database: Database, name: str) -> list[object]:
    """The pragma as a reader and as the writer have it."""
    async with database.reading() as reader, database.writing() as writer:
        return [await c.scalar(text(f"PRAGMA {name}")) for c in (reader, writer)]


@pytest.fixture
def url_without_rights(database_url: str) -> Iterator[str]:
    """A database that this process may not touch; root may touch any, so it is not root meanwhile."""
    path = Path(database_url.removeprefix("sqlite+aiosqlite:///"))
    user = os.geteuid()
    path.chmod(0)
    if user == 0:
        os.seteuid(65534)
    yield database_url
    os.seteuid(user)


async def test_migrations_build_what_the_schema_says(database: Database) -> None:
    """Keeps away a column that only one of schema.py and the migrations has."""

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


def test_head_is_the_last_migration() -> None:
    """Keeps away a new migration that is never applied, because the fast path believes it is."""
    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD


def test_the_schema_is_also_postgresqls() -> None:
    """Keeps away types and index clauses that only SQLite has."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert "INDEX" in str(CreateIndex(index).compile(dialect=dialect))


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "o.sqlite"
    await (await Database.open(url_of(path))).close()
    assert path.exists()


def test_a_second_open_runs_no_migration(database_url: str) -> None:
    """Keeps away 0.13 s of importing Alembic at each start."""
    script = (
        "import asyncio, sys\n"
        "from storage.database import Database\n"
        "async def main(): await (await Database.open(sys.argv[1])).close()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, database_url], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "False"


async def test_a_newer_database_is_refused(database: Database, database_url: str) -> None:
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    message = await refusal(database_url)
    assert "oneulmwo.sqlite" in message
    assert "update oneulmwo" in message


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("장보기: 두부, 대파\n" * 100)
    assert "is not a database" in await refusal(url_of(path))
    assert path.read_text().startswith("장보기")


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be made or entered" in await refusal(url_of(tmp_path / "file" / "o.sqlite"))


async def test_a_file_without_rights_is_refused(url_without_rights: str) -> None:
    assert "cannot be" in await refusal(url_without_rights)


async def test_a_read_only_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the folder that is made for "file:/…" is to stay here
    path = tmp_path / "o.sqlite"
    path.touch(mode=0o444)
    assert "cannot be written" in await refusal(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true")


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"])
async def test_memory_is_refused(url: str) -> None:
    """Keeps away readers that see another empty database than the writer."""
    assert "forget everything" in await refusal(url)


@pytest.mark.parametrize("url", ["", "var/o.sqlite", "sqlite:///o.sqlite", "nosuch+thing://x"])
async def test_a_url_not_understood_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "ONEULMWO_DATABASE_URL" in await refusal(url)


async def test_no_message_holds_a_password() -> None:
    assert "geheim" not in await refusal("postgresql+asyncpg://oneul:geheim@127.0.0.1:1/o")


async def test_pragmas_are_set_on_every_connection(database: Database) -> None:
    assert await pragma(database, "journal_mode") == ["wal", "wal"]
    assert await pragma(database, "busy_timeout") == [5000, 0]
    assert await pragma(database, "synchronous") == [1, 1]
    assert await pragma(database, "foreign_keys") == [1, 1]
    assert await pragma(database, "query_only") == [1, 0]


async def test_a_file_that_can_have_no_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says nothing where a file system does not let it; readers would then wait for the writer."""
    kept = tuple(each.replace("= WAL", "= DELETE") for each in sqlite._PRAGMAS)
    monkeypatch.setattr(sqlite, "_PRAGMAS", kept)
    assert "cannot keep a log" in await refusal(url_of(tmp_path / "o.sqlite"))


async def test_the_log_is_written_back_and_does_not_grow_for_ever(
    database: Database, database_url: str
) -> None:
    sizes = []
    for number in range(4 * sqlite.LOGGED):
        async with database.writing() as connection:
            await items.set_value(connection, "x", f"{number} {'비' * 2_000}")
        sizes.append(log_bytes(database_url))
    assert max(sizes) <= 1.1 * max(sizes[: sqlite.LOGGED])
    other = sqlite3.connect(database_url.removeprefix("sqlite+aiosqlite:///"))
    assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()


async def test_many_rows_are_written_back_soon(database: Database, database_url: str) -> None:
    rows = [{"key": f"k{number}", "value": "비" * 500} for number in range(10 * sqlite.LOGGED)]
    sizes = []
    for _ in range(3):
        async with database.writing() as connection:
            await upsert_rows(connection, meta, rows)
        sizes.append(log_bytes(database_url))
    assert max(sizes) <= 1.1 * sizes[0]


async def test_what_is_written_after_a_close_or_across_one_leaves_no_lock(
    database: Database, database_url: str
) -> None:
    async with database.writing() as connection:
        await items.set_value(connection, "x", "1")
        await database.close()
    async with database.writing() as connection:
        await items.set_value(connection, "y", "2")
    other = sqlite3.connect(database_url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert dict(other.execute("SELECT key, value FROM meta WHERE key IN ('x', 'y')")) == {"x": "1", "y": "2"}
    other.close()


async def test_a_writer_begins_at_once(database: Database) -> None:
    """Keeps away the deferred BEGIN, which fails where a reader turns writer."""
    said: list[str] = []
    async with database.writing() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.set_trace_callback(said.append)
    said.clear()
    async with database.writing() as connection:
        await items.value(connection, "x")
    assert said[0] == "BEGIN IMMEDIATE"
    assert said[-1] == "COMMIT"


async def test_a_writer_waits_for_another_process_and_nobody_else_does(
    database: Database, database_url: str
) -> None:
    other = sqlite3.connect(database_url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def write() -> None:
        async with database.writing() as connection:
            await items.set_value(connection, "x", "1")

    writing = asyncio.create_task(write())
    async with asyncio.timeout(2):  # far less than a writer waits
        await asyncio.sleep(0.1)
        assert not writing.done()
        async with database.reading() as reader:
            assert await items.value(reader, "x") is None
    other.execute("COMMIT")
    other.close()
    await writing
    assert await pragma(database, "busy_timeout") == [5000, 0]
    async with database.reading() as reader:
        assert await items.value(reader, "x") == "1"


async def test_a_writer_whose_connection_broke_gets_another(database: Database) -> None:
    async with database.writing() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await items.set_value(connection, "x", "1")
    await driver.close()
    with pytest.raises(Exception, match=r"no active connection|closed"):
        async with database.writing() as connection:
            await items.set_value(connection, "x", "2")
    async with database.writing() as connection:
        await items.set_value(connection, "x", "3")
    async with database.reading() as reader:
        assert await items.value(reader, "x") == "3"


async def test_an_exception_rolls_back(database: Database) -> None:
    async def fail() -> None:
        async with database.writing() as connection:
            await items.set_value(connection, "x", "1")
            raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        await fail()
    async with database.reading() as connection:
        assert await items.value(connection, "x") is None


async def test_a_cancelled_writer_leaves_nothing_behind(database: Database) -> None:
    """Keeps away a writer lock or an open transaction that outlives its task."""
    inside = asyncio.Event()

    async def write() -> None:
        async with database.writing() as connection:
            await items.set_value(connection, "x", "1")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    await asyncio.wait({task})
    async with database.writing() as connection:
        assert await items.value(connection, "x") is None


async def test_a_writer_cancelled_in_a_statement_gives_up_its_lock(
    database: Database, database_url: str
) -> None:
    """Keeps away a closed connection that still holds the lock, because a traceback holds its statement."""
    loop = asyncio.get_running_loop()

    async def write() -> None:
        async with database.writing() as connection:
            await items.set_value(connection, "x", "1")
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            # Called as a statement begins, so the cancellation comes before its result.
            await driver.set_trace_callback(lambda statement: loop.call_soon_threadsafe(task.cancel))
            await items.value(connection, "x")

    task = asyncio.create_task(write())
    await asyncio.wait({task})
    assert task.cancelled()
    other = sqlite3.connect(database_url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.close()


async def test_a_close_that_is_forced_meanwhile_ends(database: Database) -> None:
    async with database.reading() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        closing = asyncio.create_task(driver.close())
        await asyncio.sleep(0)
        driver.stop()
        async with asyncio.timeout(5):
            await closing


async def test_readers_do_not_wait_for_the_writer(database: Database) -> None:
    async with database.writing() as writer:
        await items.set_value(writer, "x", "1")
        async with database.reading() as reader:
            assert await items.value(reader, "x") is None


async def test_a_reader_sees_one_state(database: Database) -> None:
    async with database.reading() as reader:
        before = await items.value(reader, "x")
        async with database.writing() as writer:
            await items.set_value(writer, "x", "1")
        assert await items.value(reader, "x") == before


async def test_writers_of_one_process_go_one_by_one(database: Database) -> None:
    async def add() -> None:
        async with database.writing() as connection:
            number = int(await items.value(connection, "n") or 0)
            await items.set_value(connection, "n", str(number + 1))

    await asyncio.gather(*(add() for _ in range(50)))
    async with database.reading() as connection:
        assert await items.value(connection, "n") == "50"


COUNT = """
import asyncio, sys
from storage import items
from storage.database import Database

async def main():
    database = await Database.open(sys.argv[1])
    for _ in range(150):
        async with database.writing() as connection:
            number = int(await items.value(connection, "n") or 0)
            await items.set_value(connection, "n", str(number + 1))
    await database.close()

asyncio.run(main())
"""


async def test_processes_open_and_write_at_once(tmp_path: Path) -> None:
    """Keeps away "database is locked", at the first start of several processes and ever after."""
    url = url_of(tmp_path / "o.sqlite")
    running = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", COUNT, url, stderr=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    for process in running:
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    database = await Database.open(url)
    async with database.reading() as connection:
        assert await items.value(connection, "n") == "450"
    await database.close()
