"""A round's picks and the vote on them: made for all its members, put to a poll, counted, told.

Each step changes the round in one transaction and only from the state that it follows on: of two last voters, or
a press and the clock, one has an effect. Knows neither the round's message (`board.py`) nor how wishes are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from data.item import Domain
from engine.recommendation import GroupRecommendation
from engine.request import Exclude, Request
from handlers import board, members
from handlers.recommend import FEEDBACK, card, discreet, exposure_id, seed_of
from handlers.room import Room
from handlers.turn import Card, Choice, Poll, Reply, Turn
from storage import exposures, groups, taste
from storage.groups import OTHER, Member, Picked, Round

STRATEGY: Final = "average_without_misery"
MOST_PICKS: Final = 6
"""How many picks a poll offers at most, however many a wish asks for."""
COUNTING_SECONDS: Final = 20.0
"""How long a platform may take to tell the votes of a poll that is being closed; then our own count holds."""
TELLING: Final = frozenset({"mean", "least", "resigned"})
"""Parts of a group's recommendation that tell how content single members are: they are not stored."""


async def pick(turn: Turn, room: Room, found: Round) -> None:
    """Choose for everybody who is in, and put it to the vote when the turn ends."""
    present = await room.read(groups.members, found.id)
    chosen, loosened = await _chosen(turn, room, found, present)
    room.write(_put_to_vote, turn, room, found.id, present, chosen, loosened)


async def _chosen(
    turn: Turn, room: Room, found: Round, present: Sequence[Member]
) -> tuple[GroupRecommendation, bool]:
    """Picks that nobody in the round has seen in it; without the wish where nothing keeps it, which is told."""
    async with room.database.reading() as connection:
        tastes = [await members.taste_of(connection, found, each) for each in present]
        shown = [each.item_id for each in await groups.picks(connection, found.id)]
    asked = Request.from_dict(found.settings.get("wish", {}))
    domain = None if found.domain == board.ANY else Domain(found.domain)
    # The words of whoever opened the round help to search, as long as they are in it.
    words = [members.told_by(each).text for each in present if each.user.id == found.opened_by]
    out = asked.exclude.joined(Exclude(items=tuple(shown)))
    asked = replace(
        asked, domain=domain, text="".join(words), exclude=out, count=min(asked.count, MOST_PICKS)
    )
    bare = Request(domain=domain, exclude=Exclude(items=tuple(shown)))
    for request in (asked, bare):
        chosen = await room.engine.recommend_group(
            request, tastes, strategy=STRATEGY, seed=seed_of(turn.id), aloud=False,
            language=board.words_of(found).language,
        )  # fmt: skip
        if chosen.picks:
            break
    return chosen, request is bare and not replace(asked, exclude=bare.exclude).is_open


async def _put_to_vote(
    connection: AsyncConnection, turn: Turn, room: Room, key: int, present: Sequence[Member],
    chosen: GroupRecommendation, loosened: bool,
) -> None:  # fmt: skip
    found = await groups.locked(connection, key)
    if found is None or found.state not in ("open", "undecided"):
        return
    now = await groups.members(connection, key)
    if _told(now) != _told(present):
        # Somebody came, or told of an allergy, while the picks were made: the clock has them made anew.
        await groups.change(connection, key, closes_at=turn.at)
        return
    say = board.words_of(found).say
    if not chosen.picks:
        await board.close(connection, turn, found, "nothing_more" if found.poll_id else "nothing")
        await groups.end(connection, key, turn.at)
        return
    if found.state == "undecided":
        await _settle_other(connection, turn, found)
    lap = found.settings.get("lap", 0) + 1
    before = len(await groups.picks(connection, key))
    cards = [card(each) for each in chosen.picks]
    await groups.pick(
        connection, key,
        [Picked(n, each.id, {**asdict(each), "lap": lap}) for n, each in enumerate(cards, before + 1)],
    )  # fmt: skip
    await groups.clear_other(connection, key)
    exposure = await _expose(connection, turn, found, now, chosen)
    found = await groups.change(
        connection, key, state="voting", poll_id=_slot(found, "poll", lap),
        closes_at=turn.at + 60 * found.settings.get("minutes", room.round_minutes),
        settings={**found.settings, "lap": lap, "exposure": exposure, "by_button": False},
    )  # fmt: skip
    await board.show(connection, turn, found)
    food = any(each.domain == Domain.FOOD for each in cards)
    lines = [
        say("round.loosened") if loosened else say("round.picks", seed_of(turn.id), count=len(cards)),
        # Said to every group, allergy or not: said only where one is known, it would tell of it.
        say("round.caution") if food else "",
    ]
    shown = Reply(
        text=" ".join(filter(None, lines)), cards=tuple(cards), slot=_slot(found, "picks", lap),
        exposure=exposure,
    )  # fmt: skip
    await board.post(connection, turn, found, shown)
    await _show_poll(connection, turn, found)


def _told(present: Sequence[Member]) -> dict[int, Any]:
    """Who is in, and when each told what."""
    return {each.user.id: each.answers.get("at") for each in present}


async def _expose(
    connection: AsyncConnection, turn: Turn, found: Round, present: Sequence[Member],
    chosen: GroupRecommendation,
) -> str | None:  # fmt: skip
    """Keep what is shown, for whoever opened the round or came first; for nobody where all are guests."""
    whose = [each.user.id for each in present if not each.user.guest]
    if not whose:
        return None
    exposure, body = exposure_id(turn), discreet(chosen.to_dict())
    trace = {name: value for name, value in body["trace"].items() if name not in ("candidates", "eligible")}
    await exposures.add(
        connection, exposure_id=exposure, user_id=found.opened_by if found.opened_by in whose else whose[0],
        platform=found.platform, chat_id=found.chat_id, domain="" if found.domain == board.ANY else found.domain,
        item_ids=[each.id for each in chosen.picks],
        body={name: value for name, value in body.items() if name not in TELLING} | {"trace": trace},
    )  # fmt: skip
    return exposure


async def vote(
    connection: AsyncConnection, turn: Turn, room: Room, poll: str, options: Sequence[int],
    toggle: bool = False,
) -> None:  # fmt: skip
    """Keep what somebody votes for; whoever votes is in. With `toggle` an option pressed again is taken back.

    The vote of the last member to vote closes the poll.
    """
    found = await groups.of_poll(connection, turn.chat.platform, poll)
    found = await groups.locked(connection, found.id) if found else None
    if found is None or found.poll_id != poll or found.state not in ("voting", "counting"):
        return
    key, me = found.id, room.user.id
    among = await _options(connection, found)
    chosen = {among[place] for place in options if 0 <= place < len(among)}
    if toggle:
        before = {item for user, item in await groups.votes(connection, key) if user == me and item in among}
        chosen ^= before
        found = await groups.change(connection, key, settings={**found.settings, "by_button": True})
    if chosen and await groups.join(connection, key, me, turn.at):
        await board.show(connection, turn, found)
    await groups.vote(connection, key, me, chosen, among, turn.at)
    await settle(connection, turn, found)


async def settle(connection: AsyncConnection, turn: Turn, found: Round) -> None:
    """Close the poll of a round that the transaction holds, if everybody in it has voted."""
    if found.state != "voting":
        return
    among = await _options(connection, found)
    voted = {user for user, item in await groups.votes(connection, found.id) if item in among}
    if voted and all(each.user.id in voted for each in await groups.members(connection, found.id)):
        await close(connection, turn, found)


async def leave(connection: AsyncConnection, turn: Turn, key: int, user_id: int, gone: bool = False) -> None:
    """Let somebody out of a round; `gone` tells that they left the chat or were forgotten, and open it no more."""
    found = await groups.locked(connection, key)
    if found is None or found.over:
        return
    was_in = await groups.leave(connection, key, user_id)
    if gone and found.opened_by == user_id:
        found = await groups.change(connection, key, opened_by=None)
    if was_in:
        await board.show(connection, turn, found)
        await settle(connection, turn, found)


async def vanish(turn: Turn, room: Room) -> None:
    """Take somebody who is to be forgotten out of all rounds, and their name from what those show."""
    for found in await room.read(groups.of_member, room.user.id):
        room.write(leave, turn, found.id, room.user.id, gone=True)
    room.write(groups.release, room.user.id)


async def close(connection: AsyncConnection, turn: Turn, found: Round) -> None:
    """End the poll: the platform tells what came of it, or nobody does and our own count holds."""
    await _show_poll(connection, turn, found, closed=True)
    until = turn.at + COUNTING_SECONDS
    found = await groups.change(connection, found.id, state="counting", closes_at=until)
    if found.settings.get("by_button"):  # a platform that has no polls
        await announce(connection, turn, found)


async def announce(
    connection: AsyncConnection, turn: Turn, found: Round, totals: Sequence[int] | None = None
) -> None:
    """Tell what was chosen, by the platform's `totals` where they are to be had; a tie goes to the better fit."""
    picks = [each for each in await groups.picks(connection, found.id) if each.body["lap"] == _lap(found)]
    among = [*(each.item_id for each in picks), OTHER]
    votes = await groups.votes(connection, found.id)
    counted = Counter(item for _, item in votes)
    if totals is not None and len(totals) == len(among) and not found.settings.get("by_button"):
        counted = Counter(dict(zip(among, totals, strict=True)))
    await _learn(connection, turn, found, picks, votes)
    winner = max(picks, key=lambda each: (counted[each.item_id], -each.position))
    most = counted[winner.item_id]
    if counted[OTHER] > most:
        await _ask_for_others(connection, turn, found)
        return
    say, title = board.words_of(found).say, winner.body["title"]
    tied = most and sum(counted[each.item_id] == most for each in picks) > 1
    text = say(f"round.{'tied' if tied else 'chosen' if most else 'unvoted'}", title=title, count=most)
    if winner.body["domain"] == Domain.FOOD:
        text = f"{text} {say('round.caution')}"
    shown = {name: value for name, value in winner.body.items() if name != "lap"}
    choices = tuple(Choice(icon, f"round:{found.id}:fb:{kind}", 1) for kind, icon in FEEDBACK)
    told = Reply(
        text=text, cards=(Card(**shown | {"facts": tuple(shown["facts"])}),), choices=choices,
        slot=_slot(found, "end", _lap(found)),
    )  # fmt: skip
    await board.post(connection, turn, found, told)
    await board.close(connection, turn, found, "done", title=title)
    await groups.end(
        connection, found.id, turn.at, winner=winner.item_id, exposure=found.settings["exposure"]
    )


async def _ask_for_others(connection: AsyncConnection, turn: Turn, found: Round) -> None:
    """None of it was liked: others are a button away, for as long as the round waited for its members."""
    until = turn.at + 60 * found.settings["minutes"]
    found = await groups.change(connection, found.id, state="undecided", closes_at=until)
    say = board.words_of(found).say
    more = Choice(say("round.button.more"), f"round:{found.id}:more", 1)
    off = Choice(say("round.button.off"), f"round:{found.id}:off", 1)
    text, slot = say("round.other"), _slot(found, "end", _lap(found))
    await board.post(connection, turn, found, Reply(text=text, choices=(more, off), slot=slot))


async def _settle_other(connection: AsyncConnection, turn: Turn, found: Round) -> None:
    """The question whether others are wanted is answered."""
    text, slot = board.words_of(found).say("round.other_chosen"), _slot(found, "end", _lap(found))
    await board.post(connection, turn, found, Reply(text=text, slot=slot))


async def call_off(connection: AsyncConnection, turn: Turn, found: Round, key: str) -> None:
    """End a round without a choice, in a transaction that holds it; `key` says why."""
    if found.state == "voting":
        await _show_poll(connection, turn, found, closed=True)
    if found.state == "undecided":
        await _settle_other(connection, turn, found)
    await board.close(connection, turn, found, key)
    await groups.end(connection, found.id, turn.at)


async def _learn(
    connection: AsyncConnection, turn: Turn, found: Round, picks: Sequence[Picked],
    votes: Sequence[tuple[int, str]],
) -> None:  # fmt: skip
    """What somebody votes for they like; guests are not remembered."""
    places = {each.item_id: place for place, each in enumerate(picks, 1)}
    guests = {each.user.id for each in await groups.members(connection, found.id) if each.user.guest}
    for user, item in votes:
        if item in places and user not in guests:
            await taste.record(
                connection, user, item, "like", exposure_id=found.settings.get("exposure"),
                position=places[item], at=turn.at,
            )  # fmt: skip


async def _options(connection: AsyncConnection, found: Round) -> list[str]:
    """What the running poll is about: items, and none of them."""
    picks = await groups.picks(connection, found.id)
    return [*(each.item_id for each in picks if each.body["lap"] == _lap(found)), OTHER]


async def _show_poll(connection: AsyncConnection, turn: Turn, found: Round, closed: bool = False) -> None:
    say, lap = board.words_of(found).say, _lap(found)
    bodies = [each.body for each in await groups.picks(connection, found.id) if each.body["lap"] == lap]
    titles = [body["title"] for body in bodies]
    options = [
        f"{body['title']} ({say('label.domain.' + body['domain'])})"
        if titles.count(body["title"]) > 1
        else body["title"]
        for body in bodies
    ]
    poll = Poll(say("round.question"), (*options, say("round.other_option")), multiple=True, closed=closed)
    await board.post(connection, turn, found, Reply(poll=poll, slot=_slot(found, "poll", lap)))


def ballots(reply: Reply) -> tuple[Choice, ...]:
    """The options of a round's poll as buttons, for a platform that has no polls."""
    if reply.poll is None or reply.poll.closed or not reply.slot.startswith("round."):
        return ()
    key = reply.slot.split(".")[1]
    return tuple(Choice(option, f"round:{key}:vote:{n}", n) for n, option in enumerate(reply.poll.options))


def _lap(found: Round) -> int:
    return int(found.settings.get("lap", 1))


def _slot(found: Round, what: str, lap: int) -> str:
    return f"round.{found.id}.{what}" if lap == 1 else f"round.{found.id}.{what}.{lap}"
