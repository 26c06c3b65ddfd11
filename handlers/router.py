"""Which conversation takes a turn: by command, by what a button says, or by what a text asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from data.item import Domain
from engine.health import asks_permission
from engine.intent import FEEDBACK, SMALL_TALK
from engine.request import Request
from engine.text import MAX_CHARS, normalize
from engine.understanding import Understanding
from handlers import care, feedback, history, item, limits, memory, persona, recommend, start, survey
from handlers.room import Room
from handlers.turn import Command, Location, Press, Reply, Text, Turn, number
from storage.exposures import Exposure

Replies = AsyncIterator[Reply]

COMMANDS: dict[str, Callable[[Turn, Room], Replies]] = {
    "start": start.start,
    "help": start.help_,
    "saved": feedback.saved,
    "more": recommend.more,
    "taste": persona.show,
    "persona": persona.show,
    "history": history.show,
    "undo": feedback.undo,
    "guest": start.guest,
    "allergies": limits.show,
}
DOMAIN_COMMANDS = {"book": Domain.BOOK, "movie": Domain.MOVIE, "food": Domain.FOOD}
STOP_WORDS = frozenset({"그만", "멈춰", "스톱", "중지", "stop", "cancel", "취소"})


def is_greeting(turn: Turn) -> bool:
    """Whether a turn can be answered before the engine is ready."""
    return isinstance(turn.payload, Command) and turn.payload.name in ("start", "help")


def is_urgent(turn: Turn) -> bool:
    """Whether a turn is answered at once and whatever comes after it: somebody may be in danger."""
    return care.of(turn) is not None


def is_stop(turn: Turn) -> bool:
    """Whether a turn must not wait for the answer that is running."""
    match turn.payload:
        case Text(text=text):
            return normalize(text[:20]).lower().strip(" .!~") in STOP_WORDS
        case Command(name=name):
            return name == "stop"
        case _:
            return False


async def handle(turn: Turn, room: Room) -> Replies:
    """The replies to one turn, from the conversation that it belongs to."""
    memory.enter(turn, room)
    if who := care.of(turn):
        async for reply in care.answer(turn, room, who):
            yield reply
        return
    care.leave(room)
    match turn.payload:
        case Text(text=text):
            replies = _text(turn, room, text)
        case Command():
            replies = _command(turn, room, turn.payload)
        case Press(data=data):
            replies = _press(turn, room, data)
        case Location():
            replies = start.unclear(turn, room, "no_nearby")
        case _:
            return
    async for reply in replies:
        yield reply


async def _text(turn: Turn, room: Room, text: str) -> Replies:
    clean = normalize(text)
    if not clean:
        async for reply in start.unclear(turn, room, "empty"):
            yield reply
        return
    if clean.startswith("/") and len(clean) > 1 and clean[1].isalpha():
        name, _, argument = clean[1:].partition(" ")
        async for reply in _command(turn, room, Command(name.lower(), argument)):
            yield reply
        return
    if len(text) > MAX_CHARS:
        yield Reply(text=room.words.say("chat.too_long"), slot=f"{turn.id}.long")
    if asks_permission(clean):
        async for reply in _left_to_a_doctor(turn, room, clean):
            yield reply
        return
    answering = room.session.get("survey") and not is_stop(turn)
    if answering and (typed := await survey.typed_answer(turn, room, clean)) is not None:
        async for reply in typed:
            yield reply
        return
    last = room.session.get("request")
    said = await _understand(room, clean, last=Request.from_dict(last) if last else None)
    room.session["language"] = said.language
    async for reply in _understood(turn, room, said):
        yield reply


async def _understand(
    room: Room, text: str, last: Request | None = None, domain: Domain | None = None
) -> Understanding:
    """What a text asks for; an allergy said in it is kept, also beside feedback or "비슷한 거"."""
    said = await room.engine.understand(text, last=last, domain=domain, this_year=room.today.year)
    await limits.keep(room, said.request)
    return said


async def _left_to_a_doctor(turn: Turn, room: Room, text: str) -> Replies:
    """Whether somebody may eat something is not judged here; an allergy told with the question is kept."""
    said = await _understand(room, text)
    room.session["language"] = said.language
    async for reply in start.unclear(turn, room, "doctor"):
        yield reply


async def _understood(turn: Turn, room: Room, said: Understanding) -> Replies:
    target, exposure, position = await _pointed(room, said)
    intent = said.intent
    if intent in SMALL_TALK:
        replies = start.help_(turn, room) if intent == "help" else start.small_talk(turn, room, intent)
    elif intent == "survey":
        replies = survey.begin(turn, room, said.request.domain)
    elif intent == "saved":
        replies = feedback.saved(turn, room)
    elif intent == "taste":
        replies = persona.state(turn, room, said.request)
    elif intent == "persona":
        replies = persona.show(turn, room)
    elif intent == "history":
        replies = history.show(turn, room, said.text, said.request)
    elif intent == "undo":
        replies = feedback.undo(turn, room)
    elif intent == "guest":
        replies = start.guest(turn, room)
    elif intent == "limits":
        replies = limits.show(turn, room)
    elif intent == "retract":
        replies = limits.retract(turn, room, said.retracted)
    elif intent == "which_allergy":
        replies = limits.ask(turn, room)
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
    elif intent == "unclear":
        replies = start.unclear(turn, room)
    else:
        replies = recommend.recommend(turn, room, said)
    async for reply in replies:
        yield reply


async def _command(turn: Turn, room: Room, command: Command) -> Replies:
    if command.name in COMMANDS:
        replies = COMMANDS[command.name](turn, room)
    elif command.name in DOMAIN_COMMANDS:
        domain = DOMAIN_COMMANDS[command.name]
        if asks_permission(command.argument):
            replies = _left_to_a_doctor(turn, room, normalize(command.argument))
        elif normalize(command.argument):
            said = await _understand(room, normalize(command.argument), domain=domain)
            replies = recommend.recommend(turn, room, said)
        else:
            replies = recommend.open_request(turn, room, domain)
    elif command.name == "survey":
        wanted = command.argument.strip().lower()
        replies = survey.begin(turn, room, DOMAIN_COMMANDS.get(wanted))
    elif command.name == "stop":
        replies = start.small_talk(turn, room, "stop")
    else:
        replies = start.unclear(turn, room, "unknown_command")
    async for reply in replies:
        yield reply


async def _press(turn: Turn, room: Room, data: str) -> Replies:
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
        case "say":
            examples = room.words.variants("help.examples")
            if (place := number(rest)) is not None and place < len(examples):
                room.session.pop("request", None)  # an example changes nothing, it stands for itself
                replies = _text(turn, room, examples[place])
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
        return None
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
