"""SQLite behind SQLAlchemy: its pragmas, its BEGIN, and as few thread switches as it takes.

Knows no table.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import aiosqlite
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_TIMEOUT: Final = 5_000
"""Milliseconds that a writer waits for another process's transaction."""
FIRST_ROWS: Final = 500
"""Rows that come with the statement; a longer answer is fetched on as it is read."""
FEW_ROWS: Final = 50
"""Rows that are written at once, without going to the connection's thread, where the lock is held."""
LOGGED: Final = 300
"""Rows changed after which the log is written back into the database: some 4 MB of it, as by SQLite's own rule."""
_WAITING: Final = f"PRAGMA busy_timeout = {BUSY_TIMEOUT}"
_NOT_WAITING: Final = "PRAGMA busy_timeout = 0"
_PRAGMAS: Final = (
    _WAITING,  # first, because switching to WAL may itself have to wait
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
)

logger = logging.getLogger(__name__)
T = TypeVar("T")


def reading_engine(url: URL, connections: int) -> AsyncEngine:
    """Connections that cannot write and see one state for as long as they are held."""
    return _engine(url, "BEGIN", (*_PRAGMAS, "PRAGMA query_only = ON"), connections, only_reads=True)


def writing_engine(url: URL) -> AsyncEngine:
    """The one connection that writes. What may take time is done in its thread: a BEGIN that has to wait, many rows,
    the log written back."""
    pragmas = (*_PRAGMAS, _NOT_WAITING, "PRAGMA wal_autocheckpoint = 0")
    return _engine(url, "BEGIN IMMEDIATE", pragmas, 1, only_reads=False)


async def journal(connection: AsyncConnection) -> str:
    """How SQLite keeps a database whole: "wal", unless its file system does not let it, of which it says nothing."""
    mode: str = await connection.scalar(text("PRAGMA journal_mode"))
    return mode


class _Cursor:
    """A cursor that has fetched its first rows, mostly all of them, when `execute` returns.

    aiosqlite's own goes to the connection's thread four times a statement, to open, execute, fetch and close,
    and those switches cost more than the statements (`docs/log.md`).
    """

    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self._unread: sqlite3.Cursor | None = None

    async def __aenter__(self) -> _Cursor:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self._do("execute", sql, parameters, few=True)

    async def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self._do("executemany", sql, parameters, few=len(parameters) <= FEW_ROWS)

    async def fetchall(self) -> list[Any]:
        if self._unread is not None:
            self._rows += await self._connection.run(self._unread.fetchall)
        rows, self._rows = self._rows, []
        return rows

    async def fetchmany(self, size: int) -> list[Any]:
        if len(self._rows) < size and self._unread is not None:
            self._rows += await self._connection.run(partial(self._unread.fetchmany, size))
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def close(self) -> None:
        self._rows = []
        if self._unread is not None:
            await self._connection.run(self._unread.close)

    async def _do(self, method: str, sql: str, parameters: Sequence[Any], *, few: bool) -> None:
        few = few and self._connection.has_the_lock()
        work = partial(self._run, method, self._connection.begun(), sql, parameters)
        if few:
            work()
        else:
            await self._connection.run(work)

    def _run(self, method: str, begin: str, sql: str, parameters: Sequence[Any]) -> None:
        if begin:
            self._connection.begin(begin)
        cursor: sqlite3.Cursor = getattr(self._connection._conn, method)(sql, parameters)
        self._rows = cursor.fetchmany(FIRST_ROWS) if cursor.description else []
        self.description, self.rowcount, self.lastrowid = (
            cursor.description,
            cursor.rowcount,
            cursor.lastrowid,
        )
        if len(self._rows) == FIRST_ROWS:
            self._unread = cursor
        else:
            cursor.close()


class _Connection(aiosqlite.Connection):
    """A connection that begins a transaction together with its first statement, and ends one that only read
    without waiting for that."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], only_reads: bool) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._thread.daemon = True  # as SQLAlchemy does with those it makes
        self._only_reads = only_reads
        self._begin = ""
        self._committed = self._written_back = 0  # rows changed until then

    def cursor(self) -> _Cursor:  # type: ignore[override]
        return _Cursor(self)

    def begin_with(self, statement: str) -> None:
        """Run `statement` before the next one."""
        self._begin = statement

    def begun(self) -> str:
        """What is to be run before the statement at hand, and never again."""
        begin, self._begin = self._begin, ""
        return begin

    def has_the_lock(self) -> bool:
        """Whether the next statement waits for nobody: it is then over before a thread would have heard of it.

        A transaction that is to begin does so here, unless another process is just writing.
        """
        if self._begin and not self._only_reads:
            try:
                self._conn.execute(self._begin)
            except sqlite3.OperationalError:
                return False
            self._begin = ""
        return not self._only_reads and self._conn.in_transaction

    def begin(self, statement: str) -> None:
        """Run `statement` as soon as no other process is writing, in this connection's thread."""
        if self._only_reads:
            self._conn.execute(statement)
            return
        self._conn.execute(_WAITING)
        try:
            self._conn.execute(statement)
        finally:
            self._conn.execute(_NOT_WAITING)

    async def commit(self) -> None:
        if self.begun():
            return
        if self._only_reads:
            await super().commit()
            return
        changed = self._conn.total_changes
        full = changed - self._written_back >= LOGGED
        new_log = self._committed == self._written_back  # whose first commit waits for the disk
        if full or new_log or changed - self._committed > FEW_ROWS:
            await super().commit()
        else:
            self._conn.commit()
        self._committed = changed
        if full:
            self._written_back = changed
            await self.run(self._write_back)

    def _write_back(self) -> None:
        try:
            self._conn.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        except sqlite3.Error:
            logger.exception("The log could not be written back; it is tried again after %d rows", LOGGED)

    async def rollback(self) -> None:
        if self.begun():
            return
        if self._only_reads:
            self._tx.put_nowait((None, self._conn.rollback))
        else:
            await super().rollback()

    def stop(self) -> asyncio.Future[Any] | None:
        # A close that is cancelled stops the thread twice, and the thread answers only the first.
        return super().stop() if self._running else None

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, done in this connection's thread."""
        result: T = await self._execute(work)  # type: ignore[no-untyped-call]
        return result


def _engine(
    url: URL, begin: str, pragmas: tuple[str, ...], connections: int, *, only_reads: bool
) -> AsyncEngine:
    def connect(*args: Any, **kwargs: Any) -> _Connection:
        return _Connection(partial(sqlite3.connect, *args, **kwargs), only_reads)

    engine = create_async_engine(
        url,
        # A statement's parameters are what people said: they stay out of error messages and logs.
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        connect_args={
            # The driver must leave BEGIN to us: its own is deferred, and fails when a reader turns writer.
            "isolation_level": None,
            "timeout": BUSY_TIMEOUT / 1000,
            # Its thread and the loop's use a connection by turns, never at once.
            "check_same_thread": False,
            "async_creator_fn": connect,
        },
    )
    _begin_with(engine.sync_engine, begin, pragmas)
    return engine


def _begin_with(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "invalidate")
    def _broken_off(connection: Any, record: object, error: object) -> None:
        # After a cancelled statement SQLAlchemy closes the connection, but SQLite keeps its locks as long
        # as the statement lives, and the traceback of the cancellation holds it.
        connection.rollback()

    @event.listens_for(engine, "begin")
    def _began(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.begin_with(begin)
