"""What an operator does at the machine rather than in a chat: importing data sets, answering inquiries.

A running bot is not disturbed: it sends what is posted here when it next wakes, and follows the index.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bot import indexing, jobs
from bot.app import parts
from bot.progress import counting
from bot.settings import Settings
from data.item import BadRow
from data.sources import SOURCES
from handlers.admin import answered
from handlers.inquiry import LONGEST, plain
from storage import inquiries, items, mail, sessions
from storage.database import Database

LISTED = 1_000
ANSWERED_BY = "cli"


class OperatorError(Exception):
    """What was asked cannot be done; the message is one line that says why."""


async def open_inquiries(settings: Settings) -> AsyncIterator[str]:
    """A line for each inquiry that waits for an answer, oldest first, or one that says that none does."""
    async with _opened(settings) as database, database.reading() as connection:
        waiting = await inquiries.open(connection, LISTED)
    zone = ZoneInfo(settings.timezone)
    for each in waiting:
        at = datetime.fromtimestamp(each.created_at, zone)
        text = " ".join(each.text.split())
        yield f"#{each.id}  {at:%Y-%m-%d %H:%M}  {each.platform}:{each.asker.platform_id} {each.asker.name}  {text}"
    if not waiting:
        yield "No inquiry is waiting for an answer."


async def answer(settings: Settings, number: int, text: str) -> str:
    """Store the answer and post it to whoever asked; a line that says so.

    Raises:
        OperatorError: no such inquiry, answered already, or an answer that is empty or too long.
    """
    clean = plain(text)
    if not clean:
        raise OperatorError(f"An answer has 1 to {LONGEST} characters.")
    async with _opened(settings) as database, database.writing() as connection:
        inquiry = await inquiries.get(connection, number)
        if inquiry is None:
            raise OperatorError(f"There is no inquiry #{number}: `oneulmwo inquiries` lists them.")
        try:
            await inquiries.answer(connection, number, clean, ANSWERED_BY, time.time())
        except inquiries.AnsweredError:
            given = " ".join((inquiry.answer or "").split())
            raise OperatorError(f"Inquiry #{number} has its answer already: {given}") from None
        talk = await sessions.load(connection, inquiry.asker.id, inquiry.platform, inquiry.chat_id)
        reply = answered(inquiry, talk, clean)
        await mail.post(
            connection,
            turn_id=reply.slot,
            platform=inquiry.platform,
            chat_id=inquiry.chat_id,
            slot=reply.slot,
            body=reply.to_json(),
            person_id=reply.person,
        )
    return f"Sent to {inquiry.asker.name or inquiry.asker.platform_id} on {inquiry.platform}."


async def import_source(
    settings: Settings, source: str, path: Path, mapping: Path | None, dry_run: bool, report: Path | None
) -> AsyncIterator[str]:
    """Import a data set and tell in lines what that did; skipped rows go to the file `report`, one JSON a line.

    Raises:
        OperatorError: the report cannot be written.
        SourceError: the data set cannot be read.
    """
    with ExitStack() as stack:
        try:
            out = stack.enter_context(report.open("w", encoding="utf-8")) if report else None
        except OSError as error:
            raise OperatorError(f"{report} cannot be written: {error.strerror}.") from None

        def skipped(row: BadRow) -> None:
            if out is not None:
                out.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")

        progress = stack.enter_context(counting(source))
        async with _opened(settings) as database:
            rows = SOURCES[source].read(path, mapping)
            done = await jobs.import_rows(
                database, source, rows, write=not dry_run, skipped=skipped, progress=progress
            )
    yield (
        f"{source}: {done.read:,} rows read; items {'that would be ' if dry_run else ''}added {done.added:,}, "
        f"changed {done.changed:,}, same {done.same:,}; ratings {done.interactions:,}; "
        f"skipped {done.skipped.total():,}."
    )
    for why, count in done.skipped.most_common():
        yield f"{count:>8,}  {why}"
    if done.stubs:
        yield f"{done.stubs:,} items lack what a card needs: they are kept to learn from, and not shown."
    if not dry_run and done.added + done.changed and done.stubs < done.added + done.changed + done.same:
        yield "Run `oneulmwo index` to have the new items found."


async def index_versions(settings: Settings) -> AsyncIterator[str]:
    """A line for each version of the index, the newest first, or one that says that there is none."""
    async with _opened(settings) as database, database.reading() as connection:
        versions = await items.index_versions(connection)
    for each in versions:
        yield f"{each.version:>4}  {each.state:<8}  {each.rows:>7} items  {_built(each, settings)}  {each.embedder}"
    if not versions:
        yield "There is no index yet: run `oneulmwo index`."


async def roll_back_index(settings: Settings) -> str:
    """Make the former version of the index active; a line that says which.

    Raises:
        EngineError: there is none, or it cannot be searched.
    """
    async with parts(settings) as app:
        former = await indexing.roll_back(app.database, app.index, app.embedder)
    return (
        f"Index version {former.version} of {_built(former, settings)} with {former.rows} items is active again, "
        "and stays until the items change or you run `oneulmwo index`."
    )


def _built(version: items.IndexVersion, settings: Settings) -> str:
    return f"{datetime.fromtimestamp(version.created_at, ZoneInfo(settings.timezone)):%Y-%m-%d %H:%M}"


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings.database)
    try:
        yield database
    finally:
        await database.close()
