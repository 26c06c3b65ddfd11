"""Which conversation a pressed button belongs to: what it means stands in its data, so that it survives a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from data.item import Domain
from engine.intent import FEEDBACK
from handlers import (
    account,
    admin,
    blocks,
    consent,
    desk,
    feedback,
    forget,
    group,
    health,
    history,
    imports,
    inquiry,
    item,
    jobs,
    maintenance,
    memory,
    nearby,
    persona,
    recommend,
    spoken,
    start,
    stats,
    survey,
)  # fmt: skip
from handlers.room import Room
from handlers.turn import Reply, Turn, number
from storage import exposures

Replies = AsyncIterator[Reply]


async def replies_to(turn: Turn, room: Room, data: str) -> Replies:
    """The replies to a pressed button, or to a forgery that nothing answers."""
    kind, _, rest = data.partition(":")
    replies: Replies | None = None
    match kind:
        case "d" if rest in set(Domain):
            replies = recommend.open_request(turn, room, Domain(rest))
        case "survey":
            replies = survey.press(turn, room, rest)
        case "remember":
            replies = survey.remember(turn, room)
        case "help":
            replies = start.help_(turn, room)
        case "profile" | "export" if not rest:
            replies = spoken.OF_INTENT[kind](turn, room)
        case "consent":
            replies = consent.press(turn, room, rest)
        case "forget":
            replies = forget.press(turn, room, rest)
        case "lang" if rest in ("", "ko", "en", account.AUTOMATIC):
            replies = account.language(turn, room, rest)
        case "inquiry":
            replies = inquiry.press(turn, room, rest)
        case "inq":
            replies = admin.press(turn, room, rest)
        case "job":
            replies = jobs.press(turn, room, rest)
        case "round":
            replies = group.press(turn, room, rest)
        case "imp":
            replies = imports.press(turn, room, rest)
        case "stats":
            replies = stats.press(turn, room, rest)
        case "health":
            replies = health.press(turn, room, rest)
        case "upkeep":
            replies = maintenance.press(turn, room, rest)
        case "block":
            replies = blocks.press(turn, room, rest)
        case "desk" if room.operator and rest == "cancel":
            replies = desk.cancel(turn, room)
        case "say":
            examples = room.words.variants("help.examples")
            if (place := number(rest)) is not None and place < len(examples):
                room.session.pop("request", None)  # an example changes nothing, it stands for itself
                replies = spoken.replies_to(turn, room, examples[place])
        case "near":
            replies = nearby.press(turn, room, rest)
        case "persona":
            replies = persona.press(turn, room, rest)
        case "history":
            replies = history.show(turn, room)
        case "guest":
            replies = start.guest(turn, room)
        case "again":
            replies = recommend.again(turn, room)
        case "loose":
            replies = recommend.loosen(turn, room, rest)
        case "show":
            replies = item.detail(turn, room, rest, None, 1)
        case "more" | "ask" | "item" | "why" | "sim" | "fb":
            replies = await _on_exposure(turn, room, kind, rest)
    async for reply in replies or start.unclear(turn, room, "stale"):
        yield reply


async def _on_exposure(turn: Turn, room: Room, kind: str, rest: str) -> Replies | None:
    """What a button of a shown answer does, or None when it is nobody's or somebody else's."""
    verb = ""
    if kind == "fb":
        verb, _, rest = rest.partition(":")
        if verb not in FEEDBACK:
            return None
    key, _, argument = rest.partition(":")
    exposure = await memory.exposure(room, key)
    if exposure is None:
        return await _on_anothers(turn, room, verb, key, argument) if verb else None
    if kind == "more":
        return recommend.more(turn, room, exposure)
    if kind == "ask":
        return recommend.refine(turn, room, exposure, argument)
    position = number(argument)
    if position is None or not 1 <= position <= len(exposure.item_ids):
        return None
    target = exposure.item_ids[position - 1]
    match kind:
        case "item":
            return item.detail(turn, room, target, exposure.id, position)
        case "why":
            return item.why(turn, room, exposure, position)
        case "sim":
            return item.similar(turn, room, target)
        case _:
            return feedback.give(turn, room, verb, [(target, position)], exposure)


async def _on_anothers(turn: Turn, room: Room, verb: str, key: str, argument: str) -> Replies | None:
    """Feedback on what somebody else was shown in this group: an opinion of whoever presses, told to them alone.

    It names no exposure: what was shown was chosen for another.
    """
    shown, position = await room.read(exposures.get, key), number(argument)
    here = turn.chat.platform, turn.chat.id
    if turn.chat.kind == "private" or shown is None or (shown.platform, shown.chat_id) != here:
        return None
    if position is None or not 1 <= position <= len(shown.item_ids):
        return None
    return _alone(feedback.give(turn, room, verb, [(shown.item_ids[position - 1], None)], None))


async def _alone(replies: Replies) -> Replies:
    async for reply in replies:
        yield replace(reply, private=True)
