"""Rounds: several people of one chat who choose together. Who is in, what they told for it, picks and votes.

Whoever changes a round holds its row (`locked`) until the transaction ends: so what is decided on a count, or
shown of one, is true when it is committed. Knows nothing of what is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, Table, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import database
from storage.schema import (
    RUNNING,
    exposures,
    inbox,
    inquiries,
    jobs,
    outbox,
    polls,
    round_members,
    round_picks,
    round_votes,
    rounds,
    sessions,
    users,
)
from storage.users import User

State = Literal["open", "voting", "counting", "undecided", "closed"]
"""People join and tell; they vote; the poll is being closed; they voted for none of it; it is over."""
OTHER: Final = "other"
"""What a vote for none of the picks names in place of an item."""
_NOT_OVER: Final = rounds.c.state != "closed"


@dataclass(frozen=True, slots=True)
class Round:
    """`opened_by` is None when they are gone; `poll_id` is the slot of the running poll; `closes_at` is when its
    state ends by itself; `settings` are the handlers' own; `token` lets in by a link. Times are Unix seconds."""

    id: int
    platform: str
    chat_id: str
    opened_by: int | None
    domain: str
    state: State
    settings: dict[str, Any]
    token: str
    poll_id: str | None
    created_at: float
    closes_at: float | None

    @property
    def over(self) -> bool:
        return self.state == "closed"


@dataclass(frozen=True, slots=True)
class Member:
    """`answers` are what they told for this round, the handlers' own; gone when it is over."""

    user: User
    answers: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picked:
    """One pick of a round, as it was shown; positions go on over its polls."""

    position: int
    item_id: str
    body: dict[str, Any]


_ROUND: Final = tuple(rounds.c[name] for name in Round.__slots__)
_USER: Final = tuple(users.c[name] for name in User.__slots__)


async def begin(
    connection: AsyncConnection,
    *,
    platform: str,
    chat_id: str,
    opened_by: int,
    domain: str,
    settings: Mapping[str, Any],
    token: str,
    at: float,
    closes_at: float,
) -> int | None:
    """Open a round; its id, or None while another one runs in that chat."""
    made = database.insert(connection.dialect.name, rounds).values(
        platform=platform, chat_id=chat_id, opened_by=opened_by, domain=domain, state="open",
        settings=dict(settings), token=token, created_at=at, closes_at=closes_at,
    )  # fmt: skip
    of_chat = made.on_conflict_do_nothing(index_elements=["platform", "chat_id"], index_where=RUNNING)
    number: int | None = await connection.scalar(of_chat.returning(rounds.c.id))
    return number


async def get(connection: AsyncConnection, round_id: int) -> Round | None:
    return await _one(connection, select(*_ROUND).where(rounds.c.id == round_id))


async def locked(connection: AsyncConnection, round_id: int) -> Round | None:
    """The round, which nobody else changes until the transaction ends."""
    return await _one(connection, select(*_ROUND).where(rounds.c.id == round_id).with_for_update())


async def running(connection: AsyncConnection, platform: str, chat_id: str) -> Round | None:
    """The round of a chat that is not over."""
    here = (rounds.c.platform == platform, rounds.c.chat_id == chat_id, _NOT_OVER)
    return await _one(connection, select(*_ROUND).where(*here))


async def of_poll(connection: AsyncConnection, platform: str, poll_id: str) -> Round | None:
    """The round that is voting by that poll."""
    return await _one(
        connection, select(*_ROUND).where(rounds.c.platform == platform, rounds.c.poll_id == poll_id)
    )


async def in_group(connection: AsyncConnection, platform: str, chat_id: str) -> list[Round]:
    """The rounds that run in a chat or in one of its topics, whose ids are CHAT:TOPIC."""
    here = or_(rounds.c.chat_id == chat_id, rounds.c.chat_id.startswith(f"{chat_id}:", autoescape=True))
    return await _all(connection, select(*_ROUND).where(rounds.c.platform == platform, here, _NOT_OVER))


async def of_member(connection: AsyncConnection, user_id: int) -> list[Round]:
    """The rounds not over that somebody is in or has opened."""
    member = exists().where(round_members.c.round_id == rounds.c.id, round_members.c.user_id == user_id)
    return await _all(
        connection, select(*_ROUND).where(_NOT_OVER, or_(member, rounds.c.opened_by == user_id))
    )


async def due(connection: AsyncConnection, platform: str, now: float) -> list[Round]:
    """The rounds whose state was to end by now."""
    late = (rounds.c.platform == platform, _NOT_OVER, rounds.c.closes_at <= now)
    return await _all(connection, select(*_ROUND).where(*late))


async def postpone(connection: AsyncConnection, seen: Round, until: float) -> None:
    """Let a round that is seen to be due be so again then, if it has not gone on since."""
    same = (rounds.c.id == seen.id, rounds.c.state == seen.state, rounds.c.closes_at == seen.closes_at)
    await connection.execute(update(rounds).where(*same).values(closes_at=until))


async def change(connection: AsyncConnection, round_id: int, **values: Any) -> Round:
    """Change columns of a round that this transaction holds; the round as it then is."""
    await connection.execute(update(rounds).where(rounds.c.id == round_id).values(**values))
    changed = await get(connection, round_id)
    assert changed is not None
    return changed


async def end(connection: AsyncConnection, round_id: int, at: float, **settings: Any) -> Round:
    """A round is over: what its members told for it goes, and of guests that they were in it; `settings` are
    all that stays of its own."""
    guests = select(users.c.id).where(users.c.guest)
    for table in (round_members, round_votes):
        await connection.execute(
            delete(table).where(table.c.round_id == round_id, table.c.user_id.in_(guests))
        )
    of_round = round_members.c.round_id == round_id
    await connection.execute(update(round_members).where(of_round).values(answers={}))
    return await change(connection, round_id, state="closed", closed_at=at, closes_at=None, settings=settings)


async def join(connection: AsyncConnection, round_id: int, user_id: int, at: float) -> bool:
    """Take somebody in; False when they are in already."""
    row = {"round_id": round_id, "user_id": user_id, "answers": {}, "joined_at": at}
    made = database.insert(connection.dialect.name, round_members).on_conflict_do_nothing()
    return (await connection.execute(made, row)).rowcount > 0


async def leave(connection: AsyncConnection, round_id: int, user_id: int) -> bool:
    """Let somebody out, with what they told and voted; False when they were not in."""
    gone = [
        await connection.execute(delete(table).where(*_of(table, round_id, user_id)))
        for table in (round_votes, round_members)
    ]
    return gone[-1].rowcount > 0


async def tell(connection: AsyncConnection, round_id: int, user_id: int, answers: Mapping[str, Any]) -> None:
    """Let `answers` be what a member told for the round."""
    mine = _of(round_members, round_id, user_id)
    await connection.execute(update(round_members).where(*mine).values(answers=dict(answers)))


async def members(connection: AsyncConnection, round_id: int) -> list[Member]:
    """Who is in, as they came."""
    rows = await connection.execute(
        select(round_members.c.answers, *_USER)
        .join(users, users.c.id == round_members.c.user_id)
        .where(round_members.c.round_id == round_id)
        .order_by(round_members.c.joined_at, round_members.c.user_id)
    )
    return [Member(User(*row[1:]), row.answers) for row in rows]


async def member(connection: AsyncConnection, round_id: int, user_id: int) -> Member | None:
    found = [each for each in await members(connection, round_id) if each.user.id == user_id]
    return found[0] if found else None


async def pick(connection: AsyncConnection, round_id: int, picked: Sequence[Picked]) -> None:
    """Keep what is to be voted on."""
    rows = [
        {"round_id": round_id, "position": each.position, "item_id": each.item_id, "body": each.body}
        for each in picked
    ]
    await connection.execute(insert(round_picks), rows)


async def picks(connection: AsyncConnection, round_id: int) -> list[Picked]:
    """Everything that a round has shown, in order."""
    rows = await connection.execute(
        select(round_picks.c.position, round_picks.c.item_id, round_picks.c.body)
        .where(round_picks.c.round_id == round_id)
        .order_by(round_picks.c.position)
    )
    return [Picked(*row) for row in rows]


async def vote(
    connection: AsyncConnection,
    round_id: int,
    user_id: int,
    chosen: Collection[str],
    among: Collection[str],
    at: float,
) -> None:
    """Let `chosen` be what a member votes for of the items `among`; none takes the vote back."""
    mine = _of(round_votes, round_id, user_id)
    await connection.execute(delete(round_votes).where(*mine, round_votes.c.item_id.in_(among)))
    rows = [
        {"round_id": round_id, "user_id": user_id, "item_id": item, "value": 1, "at": at}
        for item in dict.fromkeys(among)
        if item in chosen
    ]
    if rows:
        await connection.execute(insert(round_votes), rows)


async def votes(connection: AsyncConnection, round_id: int) -> list[tuple[int, str]]:
    """(user id, item id or OTHER) of every vote."""
    rows = await connection.execute(
        select(round_votes.c.user_id, round_votes.c.item_id)
        .where(round_votes.c.round_id == round_id)
        .order_by(round_votes.c.user_id, round_votes.c.item_id)
    )
    return [(row.user_id, row.item_id) for row in rows]


async def clear_other(connection: AsyncConnection, round_id: int) -> None:
    """Forget the votes for none of the picks: others are shown."""
    of_other = (round_votes.c.round_id == round_id, round_votes.c.item_id == OTHER)
    await connection.execute(delete(round_votes).where(*of_other))


async def release(connection: AsyncConnection, user_id: int) -> None:
    """Let go of somebody who is to be forgotten: messages of rounds, which are a group's, name them no more.

    Otherwise they would be deleted with the person's mail, and the next change shown as another message.
    """
    person = select(users.c.platform_id).where(users.c.id == user_id).scalar_subquery()
    platform = select(users.c.platform).where(users.c.id == user_id).scalar_subquery()
    said = select(inbox.c.turn_id).where(inbox.c.platform == platform, inbox.c.person_id == person)
    theirs = or_(outbox.c.person_id == person, outbox.c.turn_id.in_(said))
    of_round = outbox.c.slot.startswith("round.", autoescape=True)
    await connection.execute(
        update(outbox)
        .where(outbox.c.platform == platform, of_round, theirs)
        .values(person_id="", turn_id=outbox.c.slot)
    )


async def move_chat(connection: AsyncConnection, platform: str, old: str, new: str) -> None:
    """A chat has got another id: whatever happened or is to be said in the old one goes along.

    Messages of the old one cannot be edited any more; what changes is shown anew. Where the new chat has
    something already, that stays.
    """
    if old == new:
        return
    taken = select(sessions.c.user_id).where(sessions.c.platform == platform, sessions.c.chat_id == new)
    await connection.execute(delete(sessions).where(*_there(sessions, platform, old), sessions.c.user_id.in_(taken)))  # fmt: skip
    slots = select(outbox.c.slot).where(outbox.c.platform == platform, outbox.c.chat_id == new)
    await connection.execute(delete(outbox).where(*_there(outbox, platform, old), outbox.c.slot.in_(slots)))
    if await running(connection, platform, new) is not None:
        await connection.execute(
            update(rounds)
            .where(*_there(rounds, platform, old), _NOT_OVER)
            .values(state="closed", closes_at=None)
        )
    await connection.execute(update(outbox).where(*_there(outbox, platform, old)).values(message_id=None))
    for table in (rounds, polls, sessions, exposures, outbox, inquiries, jobs):
        await connection.execute(update(table).where(*_there(table, platform, old)).values(chat_id=new))


def _there(table: Table, platform: str, chat_id: str) -> tuple[ColumnElement[bool], ...]:
    return table.c.platform == platform, table.c.chat_id == chat_id


def _of(table: Table, round_id: int, user_id: int) -> tuple[ColumnElement[bool], ...]:
    return table.c.round_id == round_id, table.c.user_id == user_id


async def _one(connection: AsyncConnection, query: Select[Any]) -> Round | None:
    row = (await connection.execute(query)).one_or_none()
    return Round(*row) if row else None


async def _all(connection: AsyncConnection, query: Select[Any]) -> list[Round]:
    return [Round(*row) for row in await connection.execute(query.order_by(rounds.c.id))]
