"""Who speaks with the bot: one row a person and platform, with the language and the consent they gave."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from storage.database import insert
from storage.schema import users

Language = Literal["ko", "en"]


@dataclass(frozen=True, slots=True)
class User:
    """A person as remembered. `consent` to keeping sensitive things is None until they were asked;
    of a `guest` nothing is remembered; `created_at` tells this row from a later one of the same id."""

    id: int
    platform: str
    platform_id: str
    name: str
    locale: str
    language: Language | None = None
    consent: bool | None = None
    guest: bool = False
    created_at: float = field(default=0.0, compare=False)


_USER = (
    users.c.id,
    users.c.platform,
    users.c.platform_id,
    users.c.name,
    users.c.locale,
    users.c.language,
    users.c.consent,
    users.c.guest,
    users.c.created_at,
)


_OF_PLATFORM: Final = select(*_USER).where(
    users.c.platform == bindparam("platform"), users.c.platform_id == bindparam("platform_id")
)
_SAME: Final = select(users.c.id).where(
    users.c.id == bindparam("user_id"), users.c.created_at == bindparam("met_at")
)


async def known(
    connection: AsyncConnection, *, platform: str, platform_id: str, name: str, locale: str
) -> User | None:
    """The user of that platform id, or None when there is none, or one of another name or locale; an empty
    name or locale is that of anyone."""
    found = await connection.execute(_OF_PLATFORM, {"platform": platform, "platform_id": platform_id})
    row = found.one_or_none()
    if row is None or name not in ("", row.name) or locale not in ("", row.locale):
        return None
    return User(*row)


async def get(connection: AsyncConnection, user_id: int) -> User | None:
    """A person by the number that other tables know them by; None when they are forgotten."""
    row = (await connection.execute(select(*_USER).where(users.c.id == user_id))).one_or_none()
    return User(*row) if row else None


async def ensure(
    connection: AsyncConnection, *, platform: str, platform_id: str, name: str, locale: str
) -> User:
    """The user of that platform id, made if new; an empty name or locale leaves the one known."""
    row = {
        "platform": platform,
        "platform_id": platform_id,
        "name": name,
        "locale": locale,
        "guest": False,
        "created_at": time.time(),
    }
    return User(*(await connection.execute(_ensure(connection.dialect.name), row)).one())


@cache
def _ensure(dialect: str) -> ReturningInsert[Any]:
    statement = insert(dialect, users)
    told = {
        name: func.coalesce(func.nullif(statement.excluded[name], ""), users.c[name])
        for name in ("name", "locale")
    }
    key = ["platform", "platform_id"]
    return statement.on_conflict_do_update(index_elements=key, set_=told).returning(*_USER)


async def stands(connection: AsyncConnection, user: User) -> bool:
    """Whether the person is still remembered, and has not been forgotten and met anew."""
    same = {"user_id": user.id, "met_at": user.created_at}
    return await connection.scalar(_SAME, same) is not None


async def set_language(connection: AsyncConnection, user_id: int, language: Language | None) -> None:
    """Speak this language with the person; None follows what they write."""
    await connection.execute(update(users).where(users.c.id == user_id).values(language=language))


async def set_consent(connection: AsyncConnection, user_id: int, consent: bool) -> None:
    """Remember the answer and when it was given."""
    await connection.execute(
        update(users).where(users.c.id == user_id).values(consent=consent, consent_at=time.time())
    )


async def set_guest(connection: AsyncConnection, user_id: int, guest: bool) -> None:
    await connection.execute(update(users).where(users.c.id == user_id).values(guest=guest))
