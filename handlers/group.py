"""Rounds of a group: opened by a command, joined by a button, ended by a vote, a timer or whoever opened them.

What a press changes is decided and shown inside the transaction that ends its turn. A round's wishes are told in
private (`wish.py`), its picks and votes are in `ballot.py`, its message in `board.py`.

```mermaid
stateDiagram-v2
  [*] --> open: /together
  open --> open: join, leave, tell, domain
  open --> voting: picks asked for, quorum, timer
  open --> closed: called off, nobody in it, nothing fits
  voting --> counting: all have voted, timer
  voting --> closed: poll closed by hand, called off
  counting --> closed: votes told, or 20 seconds
  voting --> undecided: most voted for others
  counting --> undecided: most voted for others
  undecided --> voting: others asked for
  undecided --> closed: called off, timer
```
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from data.item import Domain
from engine.health import asks_permission
from engine.intent import FEEDBACK
from engine.request import Request
from engine.text import normalize
from handlers import ballot, board, feedback, members, spoken, start, wish
from handlers.room import Room
from handlers.turn import Membership, PollAnswer, PollClosed, Reply, Turn, number
from storage import groups
from storage.groups import Round

LATE_SECONDS: Final = 3600.0
"""A round whose picks are so late, because the bot was off, is given up: the meal is over."""
TOKEN_BYTES: Final = 9

Replies = AsyncIterator[Reply]


async def together(turn: Turn, room: Room, words: str) -> Replies:
    """Open a round in a group, or show the one that runs at the bottom again; what is wished may stand with it."""
    text = normalize(words)
    if turn.chat.kind == "private":
        yield Reply(text=room.words.say("round.in_private"))
        return
    if asks_permission(text):
        async for reply in spoken.left_to_a_doctor(turn, room, text):
            yield reply
        return
    told = Request()
    if text:
        said = await spoken.understand(room, text)
        room.session["language"] = said.language
        told = said.request
    room.write(_open, turn, room, told)


async def _open(connection: AsyncConnection, turn: Turn, room: Room, told: Request) -> None:
    chat, me = turn.chat, room.user.id
    shared, own = members.parted(told)
    due = turn.at + 60 * room.round_minutes
    until = datetime.fromtimestamp(due, ZoneInfo(room.timezone)).strftime("%H:%M")
    settings = {
        "kind": chat.kind, "language": room.language, "minutes": room.round_minutes, "until": until,
        "wish": shared.to_dict(), "asks": told.domain is None,
    }  # fmt: skip
    key = await groups.begin(
        connection, platform=chat.platform, chat_id=chat.id, opened_by=me, domain=told.domain or board.ANY,
        settings=settings, token=secrets.token_urlsafe(TOKEN_BYTES), at=turn.at, closes_at=due,
    )  # fmt: skip
    if key is not None:
        found = await groups.locked(connection, key)
    else:
        running = await groups.running(connection, chat.platform, chat.id)
        found = await groups.locked(connection, running.id) if running else None
        if found is None:  # it ended just now, in another process
            return
        found, own = await _lower(connection, turn, found), told
    assert found is not None
    if key is not None or told != Request():
        await groups.join(connection, found.id, me, turn.at)
        await members.keep(connection, turn, found.id, me, own)
    await board.show(connection, turn, found)


async def _lower(connection: AsyncConnection, turn: Turn, found: Round) -> Round:
    """Let the round's message stand at the bottom of the chat from now on, and the old one say so."""
    await board.close(connection, turn, found, "moved")
    place = found.settings.get("place", 1) + 1
    return await groups.change(connection, found.id, settings={**found.settings, "place": place})


async def press(turn: Turn, room: Room, data: str) -> Replies:
    """A button of a round. Of one that is none of this chat's nothing is told."""
    raw, _, rest = data.partition(":")
    verb, _, value = rest.partition(":")
    key = number(raw)
    found = await room.read(groups.get, key) if key is not None else None
    replies: Replies | None = None
    if found is None or found.platform != turn.chat.platform:
        pass
    elif found.chat_id == turn.chat.id:
        replies = _pressed(turn, room, found, verb, value)
    elif verb in ("any", "skip", "tell") and turn.chat.kind == "private" and not value:
        mine = await room.read(groups.member, found.id, room.user.id)
        replies = None if mine is None else wish.press(turn, room, found, verb)
    async for reply in replies or start.unclear(turn, room, "stale"):
        yield replace(reply, private=turn.chat.kind != "private")


def _pressed(turn: Turn, room: Room, found: Round, verb: str, value: str) -> Replies | None:
    """The replies to a button in the round's own chat, or None for a forgery."""
    winner = found.settings.get("winner")
    match verb:
        case "fb" if value in FEEDBACK and winner:
            return feedback.give(turn, room, value, [(winner, None)], None)
        case "join" | "leave" | "pick" | "more" | "off" if not value:
            return _do(turn, room, found, verb, value)
        case "d" if value in (*Domain, board.ANY):
            return _do(turn, room, found, verb, value)
        case "vote" if number(value) is not None and found.poll_id is not None:
            return _do(turn, room, found, verb, value)
    return None


async def _do(turn: Turn, room: Room, found: Round, verb: str, value: str) -> Replies:
    """What a button does; what it changes is seen in the round's message."""
    say, key = room.words.say, found.id
    match verb:
        case _ if found.over:
            yield Reply(text=say("round.over"))
        case "join":
            room.write(_join, turn, room, key)
        case "leave":
            room.write(ballot.leave, turn, key, room.user.id)
        case "d":
            room.write(_set_domain, turn, key, value)
        case "vote":  # a platform without polls: pressed again it is taken back
            room.write(ballot.vote, turn, room, found.poll_id or "", (int(value),), toggle=True)
            yield Reply(text=say("round.voted"))
        case "off" if found.opened_by not in (None, room.user.id):
            yield Reply(text=say("round.not_yours"))
        case "off":
            room.write(_call_off, turn, key, "called_off")
        case "more" if found.state == "undecided":
            await ballot.pick(turn, room, found)
        case "pick" if found.state == "open":
            async for reply in _pick(turn, room, found):
                yield reply
        case _:
            yield Reply(text=say("round.picked_already"))


async def _join(connection: AsyncConnection, turn: Turn, room: Room, key: int) -> None:
    found = await groups.locked(connection, key)
    if found is not None and not found.over:
        await groups.join(connection, key, room.user.id, turn.at)
        await board.show(connection, turn, found)


async def _pick(turn: Turn, room: Room, found: Round) -> Replies:
    """Picks at once for whoever opened the round, or for more than half of those in it, or for anyone of them
    where whoever opened it is gone."""
    present = await room.read(groups.members, found.id)
    mine, me = any(each.user.id == room.user.id for each in present), room.user.id
    say = room.words.say
    if not present:
        yield Reply(text=say("round.nobody_in"))
    elif found.opened_by == me or (mine and found.opened_by is None):
        await ballot.pick(turn, room, found)
    elif not mine:
        yield Reply(text=say("round.join_first"))
    else:
        asked = {each.user.id for each in present if each.answers.get("asked")} | {me}
        if 2 * len(asked) > len(present):
            await ballot.pick(turn, room, found)
        else:
            room.write(_ask, turn, room, found.id)


async def _ask(connection: AsyncConnection, turn: Turn, room: Room, key: int) -> None:
    """Keep that a member asks for picks. If others did so meanwhile and they are enough, the clock makes them."""
    found, me = await groups.locked(connection, key), room.user.id
    member = await groups.member(connection, key, me)
    if found is None or found.state != "open" or member is None:
        return
    await groups.tell(connection, key, me, {**member.answers, "asked": True})
    present = await groups.members(connection, key)
    if 2 * sum(bool(each.answers.get("asked")) for each in present) > len(present):
        found = await groups.change(connection, key, closes_at=turn.at)
    await board.show(connection, turn, found)


async def _call_off(connection: AsyncConnection, turn: Turn, key: int, why: str) -> None:
    found = await groups.locked(connection, key)
    if found is not None and not found.over:
        await ballot.call_off(connection, turn, found, why)


async def _set_domain(connection: AsyncConnection, turn: Turn, key: int, value: str) -> None:
    found = await groups.locked(connection, key)
    if found is not None and found.state == "open" and found.settings.get("asks"):
        await board.show(connection, turn, await groups.change(connection, key, domain=value))


async def answered(turn: Turn, room: Room, said: PollAnswer) -> None:
    """Somebody voted in a poll, or took their vote back."""
    room.write(ballot.vote, turn, room, said.poll, said.options)


async def poll_closed(turn: Turn, room: Room, said: PollClosed) -> None:
    """A poll has ended, by us or by hand, and the platform tells what came of it."""
    room.session.clear()
    room.write(_counted, turn, said)


async def _counted(connection: AsyncConnection, turn: Turn, said: PollClosed) -> None:
    found = await groups.of_poll(connection, turn.chat.platform, said.poll)
    found = await groups.locked(connection, found.id) if found else None
    if found is not None and found.poll_id == said.poll and found.state in ("voting", "counting"):
        await ballot.announce(connection, turn, found, said.votes)


async def membership(turn: Turn, room: Room, change: Membership) -> None:
    """Somebody left the chat, or the bot did; topics of a group are left with it."""
    if change.change == "joined":
        return
    for found in await room.read(groups.in_group, turn.chat.platform, turn.chat.id):
        if change.of_bot:
            room.write(_end_silently, turn, found.id)
        else:
            room.write(ballot.leave, turn, found.id, room.user.id, gone=True)


async def _end_silently(connection: AsyncConnection, turn: Turn, key: int) -> None:
    found = await groups.locked(connection, key)
    if found is not None and not found.over:
        await groups.end(connection, key, turn.at)


async def tick(turn: Turn, room: Room, name: str) -> None:
    """A round's state is to end by itself; `name` is `round.ID.STATE`, the state it was seen in."""
    room.session.clear()
    kind, _, rest = name.partition(".")
    raw, _, state = rest.partition(".")
    key = number(raw)
    found = await room.read(groups.get, key) if kind == "round" and key is not None else None
    if found is None or found.state != state:
        return
    match found.state:
        case "open":
            due = found.created_at + 60 * found.settings.get("minutes", room.round_minutes)
            if turn.at - due > LATE_SECONDS:
                room.write(_call_off, turn, found.id, "too_late")
            elif not await room.read(groups.members, found.id):
                room.write(_call_off, turn, found.id, "nobody_came")
            else:
                await ballot.pick(turn, room, found)
        case "voting" | "counting":
            room.write(_time_is_up, turn, found.id)
        case "undecided":
            room.write(_call_off, turn, found.id, "called_off")


async def _time_is_up(connection: AsyncConnection, turn: Turn, key: int) -> None:
    found = await groups.locked(connection, key)
    if found is not None and found.state == "voting":
        await ballot.close(connection, turn, found)
    elif found is not None and found.state == "counting":
        await ballot.announce(connection, turn, found)
