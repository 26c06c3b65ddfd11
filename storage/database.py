"""The database: opened, brought up to date, read by many connections and written by one.

Knows no table but the one that names its revision; what is asked of it stands in the files beside.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection, Insert, Table, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from storage.schema import HEAD
from storage.sqlite import journal, reading_engine, writing_engine

READERS = 8
"""Connections that may read at once."""
CHUNK = 500
"""Values in one IN list, rows in one insert."""

_ELSEWHERE: Final = "set ONEULMWO_HOME or ONEULMWO_DATABASE_URL to another place"

T = TypeVar("T")


class StorageError(Exception):
    """The database cannot do what was asked; the message is one sentence for a user, with what to do."""


class Database:
    """One SQLite file or one PostgreSQL database, open."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._lock = asyncio.Lock()
        self._writing: AsyncConnection | None = None
        self._closed = False
        if url.get_backend_name() == "sqlite":
            self._readers = reading_engine(url, READERS)
            self._writer = writing_engine(url)
        else:
            # A server that was restarted has dropped its connections: they are tried before they are used.
            self._readers = self._writer = create_async_engine(
                url, hide_parameters=True, pool_size=READERS, pool_pre_ping=True
            )

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database that `url` names, making its folder and tables where they are missing.

        Raises:
            StorageError: it cannot be opened or written, or a newer oneulmwo has written it.
        """
        try:
            parsed = make_url(url)
            _prepare(parsed)
            database = cls(parsed)
        except (ArgumentError, InvalidRequestError) as error:
            raise StorageError(
                "ONEULMWO_DATABASE_URL is not understood; write sqlite+aiosqlite:///path or "
                "postgresql+asyncpg://user:password@host/name."
            ) from error
        except ImportError as error:
            raise StorageError(
                f"The driver {parsed.drivername} is not installed; install its package beside oneulmwo."
            ) from error
        try:
            await database._migrate()
        except (DBAPIError, OSError) as error:
            await database.close()
            raise _explained(parsed, error) from error
        except StorageError:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        self._closed = True
        writing, self._writing = self._writing, None
        try:
            if writing is not None:
                await writing.close()
        finally:
            await self._readers.dispose()
            await self._writer.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one state of the database throughout, and never waits for a writer."""
        async with self._readers.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection in one transaction: committed at the end, rolled back by an exception.

        Writers of this process go one by one, in the order in which they came. It must not be entered
        again inside itself.
        """
        async with self._lock, AsyncExitStack() as stack:
            connection = self._writing or await self._writer.connect()
            self._writing = None
            stack.push_async_exit(connection)  # whatever goes wrong, the next gets a new one
            async with connection.begin():
                yield connection
            if self._keeps:
                stack.pop_all()
                self._writing = connection

    @property
    def _keeps(self) -> bool:
        """Whether the connection that writes stays out of its pool, which takes half a millisecond each time: a file
        drops none, as a server may."""
        return self._url.get_backend_name() == "sqlite" and not self._closed

    async def _migrate(self) -> None:
        async with self.reading() as connection:
            if connection.dialect.name == "sqlite" and await journal(connection) != "wal":
                raise StorageError(
                    f"{_name(self._url)} lies where SQLite cannot keep a log beside it, such as on a shared drive; {_ELSEWHERE}."
                )
            if await connection.run_sync(_revision) == HEAD:
                return
        # Importing Alembic takes longer than everything else here, and is needed once a version.
        from storage.migrations.run import UnknownRevisionError, upgrade

        try:
            async with self.writing() as connection:
                await connection.run_sync(upgrade)
        except UnknownRevisionError as error:
            raise StorageError(
                f"{_name(self._url)} was written by a newer oneulmwo; update oneulmwo to open it."
            ) from error


def insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows `on_conflict_do_…`, in the words of a database: `connection.dialect.name`."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


async def upsert_rows(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Write `rows`, which fill the same columns; a row of the same primary key is replaced in them."""
    if not rows:
        return
    await connection.execute(_upsert(connection.dialect.name, table, tuple(rows[0])), rows)


@cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    key = [column.name for column in table.primary_key]
    statement = insert(dialect, table)
    given = {name: statement.excluded[name] for name in columns if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=given)


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """`values` in order, at most `size` at a time."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


def _prepare(url: URL) -> None:
    if url.get_backend_name() != "sqlite":
        return
    if not url.database or url.database == ":memory:":
        raise StorageError(
            "A database in memory would forget everything; name a file in ONEULMWO_DATABASE_URL."
        )
    path = Path(url.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"The folder {path.parent} cannot be made or entered; {_ELSEWHERE}.") from error
    # SQLite opens what it may only read, and the first answer would then fail instead of the start.
    if not os.access(path.parent, os.W_OK | os.X_OK) or (
        path.exists() and not os.access(path, os.R_OK | os.W_OK)
    ):
        raise StorageError(f"{path} cannot be written; give yourself the right to, or {_ELSEWHERE}.")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _explained(url: URL, error: Exception) -> StorageError:
    """The one sentence for what a driver raised while opening."""
    name, reason = _name(url), str(error)
    if url.get_backend_name() != "sqlite":
        return StorageError(
            f"{name} cannot be reached; see that it runs and that ONEULMWO_DATABASE_URL is right."
        )
    if "not a database" in reason:
        return StorageError(f"{name} is not a database; move it away, or {_ELSEWHERE}.")
    if "locked" in reason:
        return StorageError(
            f"{name} is held by another program; wait for it to end or stop it, then start again."
        )
    if "readonly" in reason or "unable to open" in reason:
        return StorageError(f"{name} cannot be written; give yourself the right to, or {_ELSEWHERE}.")
    return StorageError(f"{name} cannot be used as it is; restore a copy of it, or {_ELSEWHERE}.")


def _name(url: URL) -> str:
    """The database as a message may name it: never with a password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else f"The database at {url.host}"
