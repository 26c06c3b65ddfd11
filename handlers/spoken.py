"""What a text asks for, and which conversation answers it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial

from data.item import Domain
from engine.health import asks_permission
from engine.intent import FEEDBACK, SMALL_TALK, points
from engine.request import Request
from engine.text import MAX_CHARS, normalize
from engine.understanding import Understanding
from handlers import (
    account,
    consent,
    feedback,
    forget,
    history,
    inquiry,
    item,
    limits,
    memory,
    nearby,
    persona,
    recommend,
    start,
    survey,
)  # fmt: skip
from handlers.room import Room
from handlers.turn import Reply, Turn
from storage.exposures import Exposure

Replies = AsyncIterator[Reply]

STOP_WORDS = frozenset({"그만", "멈춰", "스톱", "중지", "stop", "cancel", "취소"})
OF_INTENT: dict[str, Callable[[Turn, Room], Replies]] = {
    "profile": account.profile,
    "consent": consent.ask,
    "export": account.export,
    "forget": forget.ask,
    "language": account.language,
    "korean": partial(account.language, wanted="ko"),
    "english": partial(account.language, wanted="en"),
    "inquiry": inquiry.begin,
    "inquiries": inquiry.mine,
    "saved": feedback.saved,
    "persona": persona.show,
    "undo": feedback.undo,
    "guest": start.guest,
    "limits": limits.show,
    "which_allergy": limits.ask,
    "unclear": start.unclear,
}
"""Conversations that need nothing but to be asked for."""


def is_stop_word(text: str) -> bool:
    """Whether a text says nothing but to stop."""
    return normalize(text[:20]).lower().strip(" .!~") in STOP_WORDS


async def replies_to(turn: Turn, room: Room, text: str) -> Replies:
    """The replies to a text: of whoever waits for an answer, else of the conversation that it asks for."""
    clean = normalize(text)
    if not clean:
        async for reply in start.unclear(turn, room, "empty"):
            yield reply
        return
    if len(text) > MAX_CHARS:
        yield Reply(text=room.words.say("chat.too_long"), slot=f"{turn.id}.long")
    if asks_permission(clean):
        async for reply in left_to_a_doctor(turn, room, clean):
            yield reply
        return
    if (sure := forget.typed_answer(turn, room, clean)) is not None:
        async for reply in sure:
            yield reply
        return
    answering = room.session.get("survey") and not is_stop_word(clean)
    if answering and (typed := await survey.typed_answer(turn, room, clean)) is not None:
        async for reply in typed:
            yield reply
        return
    said = await hear(room, clean, live=True)
    async for reply in nearby.typed_answer(turn, room, said) or conversation(turn, room, said):
        yield reply


async def hear(room: Room, text: str, live: bool = False) -> Understanding:
    """What a text asks for in the light of the last request; the talk goes on in its language."""
    last = room.session.get("request")
    said = await understand(room, text, last=Request.from_dict(last) if last else None, live=live)
    if said.intent != "nearby":  # where somebody is goes no further
        memory.told(room, "user", text)
    room.session["language"] = said.language
    return said


async def understand(
    room: Room, text: str, last: Request | None = None, domain: Domain | None = None, live: bool = False
) -> Understanding:
    """What a text asks for; an allergy said in it is kept, also beside feedback or "비슷한 거". It is `live` where
    somebody waits for what comes of it."""
    said = await room.engine.understand(text, last=last, domain=domain, this_year=room.today.year, live=live)
    await limits.keep(room, said.request)
    return said


async def left_to_a_doctor(turn: Turn, room: Room, text: str) -> Replies:
    """Whether somebody may eat something is not judged here; an allergy told with the question is kept."""
    said = await understand(room, text)
    room.session["language"] = said.language
    async for reply in start.unclear(turn, room, "doctor"):
        yield reply


async def conversation(turn: Turn, room: Room, said: Understanding) -> Replies:
    """The replies of the conversation that an understood text belongs to."""
    target, exposure, position = await _pointed(room, said)
    intent = said.intent
    pointed = bool(said.refers or said.named or points(said.text))
    if intent == "nearby" and pointed and target and not target.startswith(f"{Domain.FOOD}:"):
        intent = "detail"  # where a book is sold
    if intent in SMALL_TALK:
        replies = start.help_(turn, room) if intent == "help" else start.small_talk(turn, room, intent)
    elif intent in OF_INTENT:
        replies = OF_INTENT[intent](turn, room)
    elif intent == "nearby":
        replies = nearby.asked(turn, room, said, target if said.refers else "")
    elif intent == "survey":
        replies = survey.begin(turn, room, said.request.domain)
    elif intent == "taste":
        replies = persona.state(turn, room, said.request)
    elif intent == "history":
        replies = history.show(turn, room, said.text, said.request)
    elif intent == "retract":
        replies = limits.retract(turn, room, said.retracted)
    elif intent == "choose" and exposure is not None:
        replies = item.choose(turn, room, exposure, said.refers)
    elif intent == "why":
        replies = (
            item.why(turn, room, exposure, position) if exposure else start.unclear(turn, room, "nothing_yet")
        )
    elif intent in FEEDBACK:
        targets = _places(said, exposure) or ([(target, position)] if target else [])
        if targets:
            replies = feedback.give(turn, room, intent, targets, exposure)
        elif exposure is not None:
            replies = feedback.which(turn, room, intent, exposure)
        else:
            replies = start.unclear(turn, room, "which")
    elif intent == "detail" or said.only_title:
        replies = (
            item.detail(turn, room, target, exposure.id if exposure else None, position)
            if target
            else start.unclear(turn, room, "which")
        )
    elif intent == "similar":
        replies = (
            item.similar(turn, room, target, said.request) if target else start.unclear(turn, room, "which")
        )
    elif intent == "more":
        replies = recommend.more(turn, room, count=said.request.count)
    else:
        replies = recommend.recommend(turn, room, said)
    async for reply in replies:
        yield reply


def _places(said: Understanding, exposure: Exposure | None) -> list[tuple[str, int | None]]:
    """Every item that a text points at by number, with its position in the exposure."""
    ids = exposure.item_ids if exposure else ()
    places = range(1, len(ids) + 1) if 0 in said.refers else said.refers
    return [(ids[place - 1], place) for place in places if 1 <= place <= len(ids)]


async def _pointed(room: Room, said: Understanding) -> tuple[str, Exposure | None, int]:
    """The item that a text points at, the exposure it stands in, and its position there (from 1)."""
    key = room.session.get("exposure")
    exposure = await memory.exposure(room, key) if key else None
    ids = list(exposure.item_ids) if exposure else []
    if said.named:
        target = said.named[0]
        if target in ids:
            return target, exposure, ids.index(target) + 1
        return target, None, 1
    if said.refers:
        place = said.refers[0] if said.refers[0] > 0 else len(ids)
        if 1 <= place <= len(ids):
            return ids[place - 1], exposure, place
        return "", exposure, 1
    focus = room.session.get("focus")
    if focus in ids:
        return focus, exposure, ids.index(focus) + 1
    if said.intent in ("why", "detail", "similar") or len(ids) == 1:
        return (ids[0] if ids else ""), exposure, 1
    return "", exposure, 1
