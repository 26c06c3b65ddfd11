"""What a conversation has at hand for one turn: who speaks, what was said so far, storage, engine, words.

Reads happen at once; writes are kept back and committed together with the replies when the turn ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from data.phrases import Language, Phrases, phrases
from engine.places import Places
from engine.recommender import Recommender
from handlers.office import Office
from handlers.whereabouts import Whereabouts
from storage.database import Database
from storage.users import User

P = ParamSpec("P")
R = TypeVar("R")

Write = Callable[[AsyncConnection], Awaitable[object]]


def spoken(user: User, session: Mapping[str, Any], locale: str) -> Language:
    """The language of a person's talk: the one chosen, else that of the last text, else the platform's."""
    heard = session.get("language") or ("en" if locale.lower().startswith("en") else "ko")
    return user.language or ("en" if heard == "en" else "ko")


@dataclass(slots=True)
class Room:
    """One turn's room. `session` is this person's talk in this chat, JSON-able, stored when the turn ends;
    `timezone` is the IANA name of the zone that `today` is of; `operator` tells that the person runs this bot, and
    has an `office` then; `whereabouts` is what this process was told of where people are; `round_minutes` is how
    long a round waits for its members."""

    database: Database
    user: User
    session: dict[str, Any]
    engine: Recommender
    today: date
    locale: str = ""
    timezone: str = "Asia/Seoul"
    operator: bool = False
    places: Places = field(default_factory=Places)
    whereabouts: Whereabouts = field(default_factory=Whereabouts)
    round_minutes: int = 30
    office: Office | None = None
    writes: list[Write] = field(default_factory=list)

    @property
    def language(self) -> Language:
        return spoken(self.user, self.session, self.locale)

    @property
    def consent(self) -> bool:
        """Whether moods, body states and allergies may be remembered."""
        return bool(self.user.consent) and not self.user.guest

    @property
    def words(self) -> Phrases:
        return phrases(self.language)

    async def read(
        self,
        query: Callable[Concatenate[AsyncConnection, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """The answer of a query of `storage`, from a reading connection of its own."""
        async with self.database.reading() as connection:
            return await query(connection, *args, **kwargs)

    def write(
        self,
        command: Callable[Concatenate[AsyncConnection, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Keep a command of `storage` for the transaction that ends this turn."""
        self.writes.append(lambda connection: command(connection, *args, **kwargs))
