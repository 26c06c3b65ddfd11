"""What came in and what goes out: turns until they are handled, replies until they are shown.

Bodies are opaque text here, JSON of a Turn or a Reply, and go as soon as nothing is to be done with them: what
people said is in the inbox no longer than it takes to answer it. The rows stay, without it, until a `purge`.

Every turn and every reply has an owner: the process that sees to it, "" for nobody. What is unfinished of one
person in one chat has one owner, and so has what is unsent in one chat, so that both keep their order.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from sqlalchemy import (
    BindParameter,
    Insert,
    ScalarSelect,
    Text,
    bindparam,
    case,
    delete,
    func,
    null,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from storage.database import insert
from storage.schema import exposures, inbox, outbox, processes

Outcome = Literal["done", "superseded", "failed", "limited"]
"""How a turn ended: answered; not, for a newer one; with an apology; not, for there were too many."""

POSTER: Final[ContextVar[tuple[str, str]]] = ContextVar("poster", default=("", ""))
"""The platform and the process that ends a turn, while it does: what a conversation posts there by itself is that
process' to send."""

_UNFINISHED: Final = (inbox.c.platform == bindparam("of_platform")) & inbox.c.outcome.is_(None)
_UNSENT: Final = (outbox.c.platform == bindparam("of_platform")) & (outbox.c.sent_version < outbox.c.version)
_OWNED: Final = select(inbox.c.id, inbox.c.owner).where(_UNFINISHED)
_MINE: Final = (
    select(inbox.c.id, inbox.c.body)
    .where(_UNFINISHED, inbox.c.owner == bindparam("of_owner"))
    .order_by(inbox.c.id)
)
_SENDERS: Final = select(outbox.c.owner).where(_UNSENT).distinct()
_IN_HAND: Final = (
    (inbox.c.id == bindparam("inbox_id"))
    & (inbox.c.owner == bindparam("of_owner"))
    & inbox.c.outcome.is_(None)
)
_FINISH: Final = update(inbox).where(_IN_HAND).values(body="")
_HOLDS: Final = select(inbox.c.id).where(_IN_HAND)
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
    .where(_UNSENT, outbox.c.owner == bindparam("of_owner"))
    .order_by(outbox.c.seq, outbox.c.id)
)
_DUE_IN_CHAT: Final = _DUE.where(outbox.c.chat_id == bindparam("of_chat"))
_SENDER: Final = (
    select(outbox.c.owner)
    .where(_UNSENT, outbox.c.chat_id == bindparam("of_chat"), outbox.c.owner != "")
    .order_by(outbox.c.seq.desc())
    .limit(1)
)
_SETTLE: Final = (
    update(outbox)
    # Whoever else may own it by now: it has happened. What another has sent instead stands, if it was quicker.
    .where(outbox.c.id == bindparam("outbox_id"), outbox.c.sent_version < bindparam("shown"))
    .values(
        sent_version=bindparam("shown"),
        body=case((outbox.c.version == bindparam("shown"), ""), else_=outbox.c.body),
    )
)
_ALIVE: Final = select(processes.c.owner).where(processes.c.platform == bindparam("of_platform"))
_INHERIT_UNFINISHED: Final = (
    update(inbox).where(_UNFINISHED, inbox.c.owner.not_in(_ALIVE)).values(owner=bindparam("heir"))
)
_INHERIT_UNSENT: Final = (
    update(outbox).where(_UNSENT, outbox.c.owner.not_in(_ALIVE)).values(owner=bindparam("heir"))
)
_LOCK_INBOX: Final = text("LOCK TABLE inbox IN SHARE ROW EXCLUSIVE MODE")
_LOCK_LANE: Final = select(
    func.pg_advisory_xact_lock(func.hashtextextended(bindparam("lane", type_=Text), 0))
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


@dataclass(frozen=True, slots=True)
class Kept:
    """A turn in the inbox: whose it is, and which unfinished one of the same person and chat it comes after."""

    id: int
    owner: str
    behind: int | None


async def take(
    connection: AsyncConnection,
    *,
    turn_id: str,
    platform: str,
    chat_id: str,
    person_id: str,
    body: str,
    owner: str,
    follow: bool = True,
) -> Kept | None:
    """Keep a turn until it is finished, or None when that turn was taken before.

    It goes to whoever owns the last unfinished turn of that person in that chat, living or not, so that whoever
    takes over the one takes over the other; else, or unless it is to `follow`, to `owner`.
    """
    row = {
        "turn_id": turn_id,
        "platform": platform,
        "chat_id": chat_id,
        "person_id": person_id,
        "body": body,
        "taken_at": time.time(),
    }
    dialect, lane = connection.dialect.name, {}
    if follow:
        lane = {"of_platform": platform, "of_chat": chat_id, "of_person": person_id, "new": turn_id}
        if dialect == "postgresql":  # SQLite has one writer; here two could each find nobody before them
            await connection.execute(_LOCK_LANE, {"lane": "\n".join((platform, chat_id, person_id))})
    taken = await connection.execute(_take(dialect, follow), row | lane | {"mine": owner})
    found = taken.one_or_none()
    return None if found is None else Kept(*found)


@cache
def _take(dialect: str, follow: bool) -> ReturningInsert[Any]:
    mine: BindParameter[str] = bindparam("mine", type_=Text)
    statement = insert(dialect, inbox).values(
        owner=func.coalesce(_last_of_lane("owner"), mine) if follow else mine
    )
    behind = _last_of_lane("id") if follow else null()
    return statement.on_conflict_do_nothing(index_elements=["platform", "turn_id"]).returning(
        inbox.c.id, inbox.c.owner, behind
    )


def _last_of_lane(column: str) -> ScalarSelect[Any]:
    """What stands there of the last unfinished turn of a person in a chat, before the new one."""
    earlier = inbox.alias("earlier")
    return (
        select(earlier.c[column])
        .where(
            earlier.c.platform == bindparam("of_platform"),
            earlier.c.chat_id == bindparam("of_chat"),
            earlier.c.person_id == bindparam("of_person"),
            earlier.c.outcome.is_(None),
            earlier.c.turn_id != bindparam("new"),
        )
        .order_by(earlier.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


async def unfinished(connection: AsyncConnection, platform: str, owner: str) -> list[tuple[int, str]]:
    """(inbox id, body) of every turn of that owner without an outcome, in the order taken."""
    rows = await connection.execute(_MINE, {"of_platform": platform, "of_owner": owner})
    return [(row.id, row.body) for row in rows]


async def holds(connection: AsyncConnection, inbox_id: int, owner: str) -> bool:
    """Whether a turn is still unfinished and that owner's."""
    held = {"inbox_id": inbox_id, "of_owner": owner}
    return await connection.scalar(_HOLDS, held) is not None


async def finish(connection: AsyncConnection, inbox_id: int, outcome: Outcome, owner: str) -> bool:
    """The turn is over, and what was said in it is forgotten; its id stays known.

    False, and nothing is changed, when it is not that owner's any more.
    """
    over = {"inbox_id": inbox_id, "of_owner": owner, "outcome": outcome, "finished_at": time.time()}
    return bool((await connection.execute(_FINISH, over)).rowcount)


async def owned(connection: AsyncConnection, platform: str) -> tuple[list[tuple[int, str]], set[str]]:
    """(inbox id, owner) of every turn without an outcome, and who owns something that is not sent."""
    of = {"of_platform": platform}
    turns = await connection.execute(_OWNED, of)
    owners = await connection.scalars(_SENDERS, of)
    return [(row.id, row.owner) for row in turns], set(owners)


async def inherit(connection: AsyncConnection, platform: str, owner: str) -> None:
    """Let `owner`, who is known as alive, have what is unfinished and unsent of everybody who is not."""
    heir = {"of_platform": platform, "heir": owner}
    # In the order in which the end of a turn goes through these tables, so that neither waits for the other.
    await connection.execute(_INHERIT_UNSENT, heir)
    if connection.dialect.name == "postgresql":  # a turn must not come to a dead one while this is looking
        await connection.execute(_LOCK_INBOX)
    await connection.execute(_INHERIT_UNFINISHED, heir)


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
    owner: str = "",
    follow: bool = True,
) -> None:
    """Let `body` be what the slot of that chat shows next, in place of a version not sent yet.

    Whoever has something unsent in that chat sends this too; else, or unless it is to `follow`, `owner` does, and
    where none is named, the `POSTER`.
    """
    content = {
        "turn_id": turn_id,
        "body": body,
        "exposure_id": exposure_id,
        "person_id": person_id,
        "posted_at": time.time(),
    }
    row = {"platform": platform, "chat_id": chat_id, "slot": slot, "version": 1, "sent_version": 0}
    served, poster = POSTER.get()
    given = row | content | {"mine": owner or (poster if platform == served else "")}
    if follow:
        given |= {"of_platform": platform, "of_chat": chat_id}
    await connection.execute(_post(connection.dialect.name, tuple(content), follow), given)


@cache
def _post(dialect: str, content: tuple[str, ...], follow: bool) -> Insert:
    seq = select(func.coalesce(func.max(outbox.c.seq), 0) + 1).scalar_subquery()
    mine: BindParameter[str] = bindparam("mine", type_=Text)
    statement = insert(dialect, outbox).values(
        seq=seq, owner=func.coalesce(_SENDER.scalar_subquery(), mine) if follow else mine
    )
    newer = {name: statement.excluded[name] for name in (*content, "seq", "owner")}
    return statement.on_conflict_do_update(
        index_elements=["platform", "chat_id", "slot"],
        set_={**newer, "version": outbox.c.version + 1, "problem": None},
    )


async def due(
    connection: AsyncConnection, platform: str, owner: str, chat_id: str | None = None
) -> list[Outgoing]:
    """What `owner` is to show, of one chat or of all, in the order of the latest posts."""
    query = _DUE if chat_id is None else _DUE_IN_CHAT
    rows = await connection.execute(query, {"of_platform": platform, "of_owner": owner, "of_chat": chat_id})
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
