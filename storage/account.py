"""Everything that belongs to one person, wherever it stands: counted, exported, forgotten.

A table of a person that is not known here fails a test. A block is no such table: it is the operators' own,
and would be lifted by being forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    Table,
    and_,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.operators import OPERATOR_CHAT
from storage.schema import (
    exposure_items,
    exposures,
    inbox,
    inquiries,
    jobs,
    meta,
    outbox,
    personas,
    round_members,
    round_votes,
    sessions,
    surveys,
    taste_events,
    users,
)

SUBJECTS: Final[dict[str, tuple[Table, ...]]] = {
    "surveys": (surveys,),
    "taste_events": (taste_events,),
    "exposures": (exposures,),
    "persona": (personas,),
    "sessions": (sessions,),
    "inquiries": (inquiries,),
    "rounds": (round_members, round_votes),
}
"""The tables with a `user_id`, by what a person would call them. Their rows go with the person's row."""
MAIL: Final = "mail"
_INTERNAL: Final = {
    "id", "user_id", "round_id", "turn_id", "message_id", "person_id", "answered_by", "slot", "seq",
    "version", "sent_version", "problem", "outcome", "owner",
}  # fmt: skip
_BULKY: Final = {"candidates", "eligible"}
"""Parts of a trace that tell of the catalog, not of the person, and are longer than all the rest."""


async def counts(connection: AsyncConnection, user_id: int) -> dict[str, int]:
    """How much is stored of the person, by subject; `mail` are messages whose words are still kept.

    The turn in hand is none of them: whoever asks what is left has just said so.
    """
    found = dict.fromkeys((*SUBJECTS, MAIL), 0)
    for subject, tables in SUBJECTS.items():
        for table in tables:
            found[subject] += await _count(connection, table, table.c.user_id == user_id)
    for table, kept in _mail(user_id):
        found[MAIL] += await _count(connection, table, kept)
    return found


async def export(connection: AsyncConnection, user_id: int) -> dict[str, Any]:
    """Everything stored of the person, JSON-able: times in ISO 8601 UTC, ids only of exposures and items
    and the numbers of inquiries. Raises NoResultFound of SQLAlchemy when there is no such person.
    """
    person = (await connection.execute(select(users).where(users.c.id == user_id))).one()
    whole: dict[str, Any] = {"person": _plain(person)}
    for table in (table for tables in SUBJECTS.values() for table in tables):
        mine = select(table).where(table.c.user_id == user_id)
        if table is exposures:
            whole[table.name] = await _exposures(connection, mine)
            continue
        rows = await connection.execute(mine.order_by(*table.primary_key))
        named = table is inquiries
        whole[table.name] = [({"number": row.id} if named else {}) | _plain(row) for row in rows]
    for table, kept in _mail(user_id):
        whole[table.name] = [_plain(row) for row in await connection.execute(select(table).where(kept))]
    return whole


async def forget(connection: AsyncConnection, user_id: int, turn_id: str) -> None:
    """Delete the person's row and with it all that is theirs, and their mail.

    The turn that asked for it stays, without its words, for whoever handles it to finish; so do turns that
    are still to be handled, and what this turn has said.
    """
    received, addressed = _received(user_id), _addressed(user_id)
    await connection.execute(delete(outbox).where(addressed, outbox.c.turn_id != turn_id))
    await connection.execute(delete(inbox).where(received, inbox.c.outcome.is_not(None)))
    await connection.execute(update(inbox).where(received, inbox.c.turn_id == turn_id).values(body=""))
    # An operator's jobs go on; nobody is told of them any more.
    await connection.execute(update(jobs).where(jobs.c.asked_by == user_id).values(platform="", chat_id=""))
    platform, person = _address(user_id)
    await connection.execute(
        delete(meta).where(meta.c.key == literal(OPERATOR_CHAT) + platform + ":" + person)
    )
    await connection.execute(delete(users).where(users.c.id == user_id))


async def make_discreet(
    connection: AsyncConnection, user_id: int, discreet: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Delete the survey answers, and let every stored exposure be what `discreet` makes of its body."""
    await connection.execute(delete(surveys).where(surveys.c.user_id == user_id))
    bodies = await connection.execute(
        select(exposures.c.id, exposures.c.body).where(exposures.c.user_id == user_id)
    )
    for key, body in bodies.all():
        changed = discreet(body)
        if changed != body:
            await connection.execute(update(exposures).where(exposures.c.id == key).values(body=changed))


async def _exposures(connection: AsyncConnection, mine: Select[Any]) -> list[dict[str, Any]]:
    """Exposures, oldest first, with the ids of what was shown, without the bulk of their traces."""
    shown = []
    for row in (await connection.execute(mine.order_by(exposures.c.created_at, exposures.c.id))).all():
        items = await connection.scalars(
            select(exposure_items.c.item_id)
            .where(exposure_items.c.exposure_id == row.id)
            .order_by(exposure_items.c.position)
        )
        body = dict(row.body)
        if isinstance(trace := body.get("trace"), dict):
            body["trace"] = {key: value for key, value in trace.items() if key not in _BULKY}
        shown.append({"id": row.id, **_plain(row), "items": list(items), "body": body})
    return shown


def _received(user_id: int) -> ColumnElement[bool]:
    platform, person = _address(user_id)
    return and_(inbox.c.platform == platform, inbox.c.person_id == person)


def _addressed(user_id: int, *, of: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
    """Rows of the outbox that are for the person. One that names nobody, as all did once, is for whoever
    said what it answers: a turn in the inbox that `of` holds for."""
    platform, person = _address(user_id)
    turns = select(inbox.c.turn_id).where(_received(user_id) if of is None else of)
    theirs = or_(outbox.c.person_id == person, and_(outbox.c.person_id == "", outbox.c.turn_id.in_(turns)))
    return and_(outbox.c.platform == platform, theirs)


def _mail(user_id: int) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    """The messages of a person whose words are kept, though they were handled."""
    received = and_(_received(user_id), inbox.c.body != "", inbox.c.outcome.is_not(None))
    return (inbox, received), (outbox, and_(_addressed(user_id, of=received), outbox.c.body != ""))


def _address(user_id: int) -> tuple[ScalarSelect[Any], ScalarSelect[Any]]:
    """The person's platform and id there."""
    of = users.c.id == user_id
    return (
        select(users.c.platform).where(of).scalar_subquery(),
        select(users.c.platform_id).where(of).scalar_subquery(),
    )


async def _count(connection: AsyncConnection, table: Table, where: ColumnElement[bool]) -> int:
    return int((await connection.execute(select(func.count()).select_from(table).where(where))).scalar_one())


def _plain(row: Row[Any]) -> dict[str, Any]:
    """A row as its person may read it, without what says nothing outside the database."""
    return {
        name: _iso(value) if name == "at" or name.endswith("_at") else value
        for name, value in row._mapping.items()
        if name not in _INTERNAL
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
