"""What an operator does at the machine rather than in a chat: importing and enriching data sets, answering inquiries.

Opens the database only: a running bot is not disturbed, and sends what is posted here when it next wakes.
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

from bot import enrich as enrichment
from bot import jobs
from bot.progress import counting, index_progress
from bot.settings import Settings
from data.item import BadRow
from data.phrases import phrases
from data.sources import SOURCES
from engine.embedder import embedder
from handlers.admin import answered
from handlers.inquiry import LONGEST, plain
from storage import inquiries, mail, sessions
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
        yield f"{done.stubs:,} items lack what a card needs: they are kept to learn from, and not shown as they are."
    if not dry_run and done.added + done.changed:
        yield "Run `oneulmwo enrich` to join them to what is known and infer what they lack, then `oneulmwo index`."


async def enrich(settings: Settings) -> AsyncIterator[str]:
    """Join and enrich what was imported, and tell in lines what that did.

    Raises:
        EngineError: nothing was fitted for the embedder.
    """
    async with _opened(settings) as database:
        with index_progress(phrases("en")) as move:
            done = await enrichment.enrich(database, embedder(settings.embedder), move)
    yield (
        f"{done.items:,} items looked at; {done.joined:,} are part of another, of {done.inferred:,} something was "
        f"inferred, {done.shown:,} can be shown by it; {done.changed:,} changed."
    )
    if done.changed:
        yield "Run `oneulmwo index` to have the new items found."


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings.database)
    try:
        yield database
    finally:
        await database.close()
