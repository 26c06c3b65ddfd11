"""What an operator does at the machine rather than in a chat: reading inquiries and answering them.

Opens the database only: a running bot is not disturbed, and sends what is posted here when it next wakes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.settings import Settings
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


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = await Database.open(settings.database)
    try:
        yield database
    finally:
        await database.close()
