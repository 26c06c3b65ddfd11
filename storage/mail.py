"""What came in and what goes out: turns until they are handled, replies until they are shown.

Bodies are opaque text here, JSON of a Turn or a Reply, and go as soon as nothing is to be done with them: what
people said is in the inbox no longer than it takes to answer it. The rows stay, without it, until a `purge`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from sqlalchemy import Insert, bindparam, case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from storage.database import insert
from storage.schema import exposures, inbox, outbox

Outcome = Literal["done", "superseded", "failed", "limited"]
"""How a turn ended: answered; not, for a newer one; with an apology; not, for there were too many."""

_FINISH: Final = update(inbox).where(inbox.c.id == bindparam("inbox_id")).values(body="")
_DUE: Final = (
    select(
        outbox.c.id,
        outbox.c.turn_id,
        outbox.c.chat_id,
        outbox.c.slot,
        outbox.c.body,
        outbox.c.version,
        outbox.c.message_id,
        outbox.c.exposure_id,
        outbox.c.person_id,
    )
    .where(outbox.c.platform == bindparam("of_platform"), outbox.c.sent_version < outbox.c.version)
    .order_by(outbox.c.seq, outbox.c.id)
)
_DUE_IN_CHAT: Final = _DUE.where(outbox.c.chat_id == bindparam("chat"))
_SETTLE: Final = (
    update(outbox)
    .where(outbox.c.id == bindparam("outbox_id"))
    .values(
        sent_version=bindparam("shown"),
        body=case((outbox.c.version == bindparam("shown"), ""), else_=outbox.c.body),
    )
)
_REACHED: Final = update(exposures).where(
    exposures.c.id == bindparam("exposure"), exposures.c.delivered_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One version of a slot, to be shown: `message_id` is the message to edit, if there is one already, and
    `person_id` who asked for it, empty where nobody did."""

    id: int
    turn_id: str
    chat_id: str
    slot: str
    body: str
    version: int
    message_id: str | None
    exposure_id: str | None
    person_id: str


async def take(
    connection: AsyncConnection, *, turn_id: str, platform: str, chat_id: str, person_id: str, body: str
) -> int | None:
    """Keep a turn until it is finished: its inbox id, or None when that turn was taken before."""
    row = {
        "turn_id": turn_id,
        "platform": platform,
        "chat_id": chat_id,
        "person_id": person_id,
        "body": body,
        "taken_at": time.time(),
    }
    inbox_id: int | None = await connection.scalar(_take(connection.dialect.name), row)
    return inbox_id


@cache
def _take(dialect: str) -> ReturningInsert[Any]:
    statement = insert(dialect, inbox)
    return statement.on_conflict_do_nothing(index_elements=["platform", "turn_id"]).returning(inbox.c.id)


async def unfinished(connection: AsyncConnection, platform: str) -> list[tuple[int, str]]:
    """(inbox id, body) of every turn without an outcome, in the order taken."""
    rows = await connection.execute(
        select(inbox.c.id, inbox.c.body)
        .where(inbox.c.platform == platform, inbox.c.outcome.is_(None))
        .order_by(inbox.c.id)
    )
    return [(row.id, row.body) for row in rows]


async def finish(connection: AsyncConnection, inbox_id: int, outcome: Outcome) -> None:
    """The turn is over, and what was said in it is forgotten; its id stays known."""
    over = {"inbox_id": inbox_id, "outcome": outcome, "finished_at": time.time()}
    await connection.execute(_FINISH, over)


async def post(
    connection: AsyncConnection,
    *,
    turn_id: str,
    platform: str,
    chat_id: str,
    slot: str,
    body: str,
    exposure_id: str | None = None,
    person_id: str = "",
) -> None:
    """Let `body` be what the slot of that chat shows next, in place of a version not sent yet."""
    content = {
        "turn_id": turn_id,
        "body": body,
        "exposure_id": exposure_id,
        "person_id": person_id,
        "posted_at": time.time(),
    }
    row = {"platform": platform, "chat_id": chat_id, "slot": slot, "version": 1, "sent_version": 0}
    await connection.execute(_post(connection.dialect.name, tuple(content)), row | content)


@cache
def _post(dialect: str, content: tuple[str, ...]) -> Insert:
    seq = select(func.coalesce(func.max(outbox.c.seq), 0) + 1).scalar_subquery()
    statement = insert(dialect, outbox).values(seq=seq)
    newer = {name: statement.excluded[name] for name in (*content, "seq")}
    return statement.on_conflict_do_update(
        index_elements=["platform", "chat_id", "slot"],
        set_={**newer, "version": outbox.c.version + 1, "problem": None},
    )


async def due(connection: AsyncConnection, platform: str, chat_id: str | None = None) -> list[Outgoing]:
    """What is to be shown, of one chat or of all, in the order of the latest posts."""
    query = _DUE if chat_id is None else _DUE_IN_CHAT
    rows = await connection.execute(query, {"of_platform": platform, "chat": chat_id})
    return [Outgoing(*row) for row in rows]


async def sent(connection: AsyncConnection, outgoing: Outgoing, message_id: str, at: float) -> None:
    """That version was shown as `message_id`, and the exposure in it has reached the person."""
    await _settle(connection, outgoing, message_id=message_id)
    if outgoing.exposure_id is not None:
        await connection.execute(_REACHED, {"exposure": outgoing.exposure_id, "delivered_at": at})


async def undeliverable(connection: AsyncConnection, outgoing: Outgoing, reason: str) -> None:
    """That version will never be shown; a later one of its slot is tried again."""
    await _settle(connection, outgoing, problem=reason)


async def _settle(connection: AsyncConnection, outgoing: Outgoing, **learnt: str) -> None:
    """Nothing is left to do with that version, whose body goes unless a newer one waits in its place."""
    settled = {"outbox_id": outgoing.id, "shown": outgoing.version}
    await connection.execute(_SETTLE, settled | learnt)


async def purge(connection: AsyncConnection, before: float) -> int:
    """Forget turns finished and replies settled before that time; the number of rows gone.

    A message of a purged slot is not edited any more: a later post there is a new message.
    """
    turns = await connection.execute(delete(inbox).where(inbox.c.finished_at < before))
    replies = await connection.execute(
        delete(outbox).where(outbox.c.posted_at < before, outbox.c.sent_version == outbox.c.version)
    )
    return turns.rowcount + replies.rowcount
