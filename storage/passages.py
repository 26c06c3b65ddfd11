"""Texts with questions whose answers stand in them: what models are trained and measured with, and never shown."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import chunks, upsert_rows
from storage.schema import passages, questions


@dataclass(frozen=True, slots=True)
class Pair:
    """A question about a text, and its answer as it stands there from character `start` (from 0) on."""

    title: str
    text: str
    question: str
    answer: str
    start: int


async def keep(connection: AsyncConnection, origin: str, new: Iterable[Pair], write: bool = True) -> int:
    """Write pairs; how many were not there. A pair is known by all that it says. Without `write` only count."""
    added = 0
    for chunk in chunks(new):
        texts = {_digest(origin, pair.title, pair.text): pair for pair in chunk}
        asked = {}
        for pair in chunk:
            passage = _digest(origin, pair.title, pair.text)
            row = {"passage_id": passage, "text": pair.question, "answer": pair.answer, "start": pair.start}
            asked[_digest(passage, pair.question, pair.answer, str(pair.start))] = row
        there = set(await connection.scalars(select(questions.c.id).where(questions.c.id.in_(asked))))
        added += len(asked) - len(there)
        if not write:
            continue
        about = [
            {"id": key, "origin": origin, "title": pair.title, "text": pair.text}
            for key, pair in texts.items()
        ]
        await upsert_rows(connection, passages, about)
        await upsert_rows(
            connection, questions, [{"id": key, **row} for key, row in asked.items() if key not in there]
        )
    return added


async def pairs(connection: AsyncConnection, origin: str) -> AsyncIterator[Pair]:
    """All pairs of a data set, in the same order every time, streamed."""
    asked = (
        select(passages.c.title, passages.c.text, questions.c.text, questions.c.answer, questions.c.start)
        .join(passages, passages.c.id == questions.c.passage_id)
        .where(passages.c.origin == origin)
        .order_by(passages.c.id, questions.c.id)
    )
    async with connection.stream(asked) as rows:
        async for row in rows:
            yield Pair(*row)


async def count(connection: AsyncConnection, origin: str) -> int:
    """How many pairs a data set has."""
    asked = (
        select(func.count()).select_from(questions).join(passages, passages.c.id == questions.c.passage_id)
    )
    return await connection.scalar(asked.where(passages.c.origin == origin)) or 0


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()
