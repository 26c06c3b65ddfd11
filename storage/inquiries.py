"""What people ask the operators, and what these answer, once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Integer, Row, Select, Text, cast, func, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import insert
from storage.schema import inquiries, meta, users
from storage.users import User

_LAST_NUMBER: Final = "inquiry_number"


class AnsweredError(Exception):
    """That inquiry has its answer already, or is gone."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One inquiry; `id` is the number that people are told, `platform` and `chat_id` say where it was asked.
    Times are Unix seconds; `answered_by` is PLATFORM:ID of an operator, or a word for whoever has the machine."""

    id: int
    text: str
    platform: str
    chat_id: str
    state: Literal["open", "answered"]
    answer: str | None
    answered_by: str | None
    created_at: float
    answered_at: float | None
    asker: User


async def reserve(connection: AsyncConnection) -> int:
    """A number for the next inquiry. None is given twice, not even after an inquiry was forgotten:
    an answer must never reach somebody else."""
    following = cast(cast(meta.c.value, Integer) + 1, Text)
    statement = (
        insert(connection.dialect.name, meta)
        .values(key=_LAST_NUMBER, value="1")
        .on_conflict_do_update(index_elements=["key"], set_={"value": following})
        .returning(meta.c.value)
    )
    return int((await connection.execute(statement)).scalar_one())


async def add(
    connection: AsyncConnection, number: int, user_id: int, text: str, *, platform: str, chat_id: str
) -> None:
    """Keep an inquiry under a number that was reserved for it."""
    await connection.execute(
        plain_insert(inquiries).values(
            id=number,
            user_id=user_id,
            text=text,
            state="open",
            created_at=time.time(),
            platform=platform,
            chat_id=chat_id,
        )
    )


async def get(connection: AsyncConnection, number: int) -> Inquiry | None:
    row = (await connection.execute(_whole().where(inquiries.c.id == number))).one_or_none()
    return None if row is None else _inquiry(row)


async def of_user(connection: AsyncConnection, user_id: int, limit: int = 20) -> list[Inquiry]:
    """The person's inquiries, newest first."""
    query = _whole().where(inquiries.c.user_id == user_id).order_by(inquiries.c.id.desc()).limit(limit)
    return [_inquiry(row) for row in await connection.execute(query)]


async def open(connection: AsyncConnection, limit: int, offset: int = 0) -> list[Inquiry]:
    """Inquiries without an answer, oldest first."""
    query = _whole().where(inquiries.c.state == "open").order_by(inquiries.c.id).limit(limit).offset(offset)
    return [_inquiry(row) for row in await connection.execute(query)]


async def count_open(connection: AsyncConnection, user_id: int | None = None) -> int:
    """How many inquiries wait for an answer, of one person or of all."""
    query = select(func.count()).select_from(inquiries).where(inquiries.c.state == "open")
    if user_id is not None:
        query = query.where(inquiries.c.user_id == user_id)
    return int((await connection.execute(query)).scalar_one())


async def answer(connection: AsyncConnection, number: int, text: str, answered_by: str, at: float) -> None:
    """Give an inquiry its answer. Raises AnsweredError when it has one, or is gone."""
    changed = await connection.execute(
        update(inquiries)
        .where(inquiries.c.id == number, inquiries.c.state == "open")
        .values(state="answered", answer=text, answered_by=answered_by, answered_at=at)
    )
    if not changed.rowcount:
        raise AnsweredError(f"inquiry {number}")


_OWN: Final = tuple(inquiries.c[name] for name in Inquiry.__dataclass_fields__ if name != "asker")
_ASKER: Final = tuple(users.c[name] for name in User.__dataclass_fields__)


def _whole() -> Select[Any]:
    return select(*_OWN, *_ASKER).join(users, users.c.id == inquiries.c.user_id)


def _inquiry(row: Row[Any]) -> Inquiry:
    values: tuple[Any, ...] = (*row[: len(_OWN)], User(*row[len(_OWN) :]))
    return Inquiry(*values)
