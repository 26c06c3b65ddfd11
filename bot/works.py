"""What each kind of job does, and how whoever asked for one hears of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bot import imports, indexing, learning
from bot.enrich import enrich
from bot.learning import ExportError
from bot.outbox import notify
from bot.runner import Told, Work
from data.phrases import phrases
from data.sources.files import SourceError
from engine.embedder import bundled
from engine.errors import EngineError
from handlers.jobs import card
from handlers.room import spoken
from handlers.turn import Chat
from storage import sessions, users
from storage.database import Database, StorageError
from storage.jobs import Job

if TYPE_CHECKING:
    from bot.app import App

ERRORS: Final = (EngineError, StorageError, SourceError, ExportError)
"""Errors whose text says, in a sentence, what stands in the way."""


def of(app: App) -> dict[str, Work]:
    """The work of each kind, done with the parts of a running program."""

    async def index(payload: Mapping[str, Any], told: Told) -> Mapping[str, Any]:
        version = await indexing.build_index(app.database, app.index, app.embedder, told)
        return {"version": version, "items": await app.index.count()}

    async def complete(payload: Mapping[str, Any], told: Told) -> Mapping[str, Any]:
        return asdict(await enrich(app.database, bundled(app.embedder), told))

    async def go_back(payload: Mapping[str, Any], told: Told) -> Mapping[str, Any]:
        former = await indexing.roll_back(app.database, app.index, app.embedder)
        return {"version": former.version, "items": former.rows}

    async def bring(payload: Mapping[str, Any], told: Told) -> Mapping[str, Any]:
        return await imports.bring(app.database, app.settings, payload, told, _file(app, "skipped"))

    async def export(payload: Mapping[str, Any], told: Told) -> Mapping[str, Any]:
        return await learning.export(app.database, _file(app, "learning"), told)

    return {"index": index, "rollback": go_back, "enrich": complete, "import": bring, "export": export}


def _file(app: App, name: str) -> Path:
    """A new file for what a job writes."""
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    return app.settings.home.resolve() / "exports" / f"{name}-{stamp}.jsonl"


async def tell(database: Database, job: Job) -> None:
    """Post how a job stands to whoever asked for it, where they did; to nobody when they are forgotten."""
    if job.asked_by is None or not job.chat_id:
        return
    async with database.writing() as connection:
        if (asker := await users.get(connection, job.asked_by)) is None:
            return
        talk = await sessions.load(connection, asker.id, job.platform, job.chat_id)
        reply = card(job, phrases(spoken(asker, talk, asker.locale)))
        there = Chat(job.platform, job.chat_id)
        await notify(connection, replace(reply, chat=there, person=asker.platform_id))
