"""Who speaks with the bot: one row a person and platform, with the language and the consent they gave."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

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


async def ensure(
    connection: AsyncConnection, *, platform: str, platform_id: str, name: str, locale: str
) -> User:
    """The user of that platform id, made if new; an empty name or locale leaves the one known."""
    known = select(*_USER).where(users.c.platform == platform, users.c.platform_id == platform_id)
    row = (await connection.execute(known)).one_or_none()
    if row is not None and name in ("", row.name) and locale in ("", row.locale):
        return User(*row)
    name, locale = name or (row.name if row else ""), locale or (row.locale if row else "")
    statement = insert(connection, users).values(
        platform=platform,
        platform_id=platform_id,
        name=name,
        locale=locale,
        guest=False,
        created_at=time.time(),
    )
    written = statement.on_conflict_do_update(
        index_elements=["platform", "platform_id"], set_={"name": name, "locale": locale}
    ).returning(*_USER)
    return User(*(await connection.execute(written)).one())


async def stands(connection: AsyncConnection, user: User) -> bool:
    """Whether the person is still remembered, and has not been forgotten and met anew."""
    same = users.c.id == user.id, users.c.created_at == user.created_at
    return await connection.scalar(select(users.c.id).where(*same)) is not None


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
