"""Which conversation takes a turn: care first, then by command here, by text in `spoken.py`, by button in `pressed.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

from data.item import Domain
from engine.health import asks_permission
from engine.intent import FEEDBACK
from engine.text import normalize
from handlers import (
    account,
    admin,
    blocks,
    care,
    consent,
    desk,
    feedback,
    forget,
    group,
    history,
    imports,
    inquiry,
    jobs,
    limits,
    maintenance,
    memory,
    nearby,
    persona,
    pressed,
    recommend,
    spoken,
    start,
    survey,
    wish,
)  # fmt: skip
from handlers.room import Room
from handlers.turn import (
    Command,
    Location,
    Media,
    Membership,
    PollAnswer,
    PollClosed,
    Press,
    Reply,
    Text,
    Tick,
    Turn,
)

Replies = AsyncIterator[Reply]

COMMANDS: dict[str, Callable[[Turn, Room], Replies]] = {
    "help": start.help_,
    "saved": feedback.saved,
    "more": recommend.more,
    "profile": account.profile,
    "consent": consent.ask,
    "export": account.export,
    "forget": forget.ask,
    "taste": persona.show,
    "persona": persona.show,
    "history": history.show,
    "undo": feedback.undo,
    "guest": start.guest,
    "allergies": limits.show,
    "admin": jobs.panel,
}
WORDED_COMMANDS: dict[str, Callable[[Turn, Room, str], Replies]] = {
    "lang": account.language,
    "language": account.language,
    "inquiry": inquiry.begin,
    "answer": admin.answer,
    "together": group.together,
    "start": lambda turn, room, argument: _started(turn, room, argument),
    "block": blocks.block,
    "unblock": blocks.unblock,
}
"""Commands whose handler gets what followed them."""
OPERATORS_COMMANDS = frozenset({"admin", "answer", "block", "unblock"})
DESK: dict[str, Callable[[Turn, Room, str, str], Replies]] = {
    "answer": admin.take,
    "import": imports.take,
    "maintenance": maintenance.take,
}
"""What operators are asked to write, and who gets about what it is, and the text."""
DOMAIN_COMMANDS = {"book": Domain.BOOK, "movie": Domain.MOVIE, "food": Domain.FOOD}
LINKS: dict[str, Callable[[Turn, Room], Replies]] = {
    "nearby": nearby.asked,
    "survey": lambda turn, room: survey.begin(turn, room, None),
    **{name: partial(recommend.open_request, domain=domain) for name, domain in DOMAIN_COMMANDS.items()},
}
"""Where a link to the bot leads: what follows /start in it."""
ROUND_LINK = "round-"
HEEDED = frozenset({"start", "guest", "lang", "language", "inquiry", "together", "block", "unblock"})
HEEDED_INTENTS = frozenset({*FEEDBACK, "undo", "taste", "retract", "guest", "korean", "english"})
"""Commands, and what a text may mean, that change something: carried out also where nobody waits for the reply."""


def knows(command: str) -> bool:
    """Whether a command is one of the bot's own: in a group others may be meant for other bots.

    Those of operators are not told apart from any that there is not, so that nobody learns of them.
    """
    own = {*COMMANDS, *WORDED_COMMANDS, *DOMAIN_COMMANDS, "inquiries", "nearby", "survey", "stop"}
    return command in own - OPERATORS_COMMANDS


def is_greeting(turn: Turn) -> bool:
    """Whether a turn can be answered before the engine is ready."""
    match turn.payload:
        case Command(name="start", argument=argument):
            return not _is_link(argument)
        case Command(name=name):
            return name == "help"
        case _:
            return False


def is_urgent(turn: Turn) -> bool:
    """Whether a turn is answered at once and whatever comes after it: somebody may be in danger."""
    return care.of(turn) is not None


def is_stop(turn: Turn) -> bool:
    """Whether a turn must not wait for the answer that is running."""
    match turn.payload:
        case Text(text=text):
            return spoken.is_stop_word(text)
        case Command(name=name):
            return name == "stop"
        case _:
            return False


def typed_command(text: str) -> Command | None:
    """The command that a text is; what follows its name is left as it was written."""
    clean, words = normalize(text), text.split(maxsplit=1)
    if not (clean.startswith("/") and clean[1:2].isalpha()):
        return None
    return Command(clean[1:].split()[0].lower(), words[1] if len(words) > 1 else "")


def expected(turn: Turn) -> str | None:
    """The text that the engine will most likely have to understand, None where there is none.

    Words of self-harm are none: they are neither understood nor embedded, and nothing of them is held.
    """
    match turn.payload:
        case Text(text=text) if text.strip() and typed_command(text) is None:
            return None if is_stop(turn) or is_urgent(turn) else text
        case _:
            return None


async def handle(turn: Turn, room: Room) -> Replies:
    """The replies to one turn, from the conversation that it belongs to."""
    memory.enter(turn, room)
    if who := care.of(turn):
        async for reply in care.answer(turn, room, who):
            yield reply
        return
    care.leave(room)
    awaited, asked = inquiry.awaited(turn, room), desk.awaited(turn, room)
    if isinstance(turn.payload, Command):
        wish.leave(room)
    match turn.payload:
        case Text(text=text) if (command := typed_command(text)) is not None:
            replies = handle(replace(turn, payload=command), room)
        case Text(text=text) if asked is not None:
            what, about = asked
            replies = desk.cancel(turn, room) if is_stop(turn) else DESK[what](turn, room, about, text)
        case Text(text=text) if awaited:
            replies = inquiry.cancel(turn, room) if is_stop(turn) else inquiry.begin(turn, room, text)
        case Text(text=text) if wish.awaited(turn, room) and not is_stop(turn):
            replies = wish.tell(turn, room, text)
        case Text(text=text):
            replies = spoken.replies_to(turn, room, text)
        case Command():
            replies = _command(turn, room, turn.payload)
        case Press(data=data):
            replies = pressed.replies_to(turn, room, data)
        case Location(latitude=latitude, longitude=longitude):
            there = abs(latitude) <= 90 and abs(longitude) <= 180
            replies = (
                nearby.located(turn, room, latitude, longitude)
                if there
                else start.unclear(turn, room, "no_such_place")
            )
        case Media():
            replies = start.unclear(turn, room, "media")
        case _:
            await _unspoken(turn, room)
            return
    async for reply in replies:
        yield reply


async def heed(turn: Turn, room: Room) -> None:
    """Keep what a turn told whose answer nobody waits for any more: limits, the wish, an opinion.

    The talk goes on from there as if it had been answered, with nothing shown.
    """
    memory.enter(turn, room)
    match turn.payload:
        case Text(text=text) if (command := typed_command(text)) is not None:
            await heed(replace(turn, payload=command), room)
        case Text() if desk.awaited(turn, room) is not None:
            desk.leave(room)  # what an operator wrote is not done without being told so
        case Text(text=text) if inquiry.awaited(turn, room):
            await _silently(inquiry.cancel(turn, room) if is_stop(turn) else inquiry.begin(turn, room, text))
        case Text(text=text) if wish.awaited(turn, room) and not is_stop(turn):
            await _silently(wish.tell(turn, room, text))
        case Text(text=text) if clean := normalize(text):
            said = await spoken.hear(room, clean)
            if said.intent in HEEDED_INTENTS:
                await _silently(spoken.conversation(turn, room, said))
            elif said.intent == "recommend" and not said.only_title:
                room.session["request"] = said.request.to_dict()
        case Command(name=name, argument=argument) if name in DOMAIN_COMMANDS and normalize(argument):
            said = await spoken.understand(room, normalize(argument), domain=DOMAIN_COMMANDS[name])
            room.session["request"] = said.request.to_dict()
        case Command(name=name) if name in HEEDED:
            await _silently(_command(turn, room, turn.payload))


async def _silently(replies: Replies) -> None:
    async for _ in replies:
        pass


async def _unspoken(turn: Turn, room: Room) -> None:
    """What happens without a word, and is answered where it matters."""
    match turn.payload:
        case PollAnswer() as said:
            await group.answered(turn, room, said)
        case PollClosed() as said:
            await group.poll_closed(turn, room, said)
        case Membership() as change:
            await group.membership(turn, room, change)
        case Tick(name=name):
            await group.tick(turn, room, name)


def _is_link(argument: str) -> bool:
    """Whether what followed /start leads somewhere; a referral leads nowhere."""
    return argument in LINKS or argument.startswith(ROUND_LINK)


def _started(turn: Turn, room: Room, argument: str) -> Replies:
    """A greeting, or where a link leads."""
    if argument.startswith(ROUND_LINK):
        return wish.enter(turn, room, argument)
    if argument in LINKS:
        room.session.pop("request", None)
        return LINKS[argument](turn, room)
    return start.start(turn, room)


async def _command(turn: Turn, room: Room, command: Command) -> Replies:
    if command.name in COMMANDS:
        replies = COMMANDS[command.name](turn, room)
    elif command.name in WORDED_COMMANDS:
        replies = WORDED_COMMANDS[command.name](turn, room, command.argument)
    elif command.name == "inquiries":
        replies = admin.listing(turn, room) if room.operator else inquiry.mine(turn, room)
    elif command.name in DOMAIN_COMMANDS:
        domain = DOMAIN_COMMANDS[command.name]
        if asks_permission(command.argument):
            replies = spoken.left_to_a_doctor(turn, room, normalize(command.argument))
        elif normalize(command.argument):
            said = await spoken.understand(room, normalize(command.argument), domain=domain, live=True)
            memory.told(room, "user", command.argument)
            replies = recommend.recommend(turn, room, said)
        else:
            replies = recommend.open_request(turn, room, domain)
    elif command.name == "nearby":
        words = normalize(command.argument)
        meant = await spoken.understand(room, words, domain=Domain.FOOD) if words else None
        replies = nearby.asked(turn, room, meant)
    elif command.name == "survey":
        wanted = command.argument.strip().lower()
        replies = survey.begin(turn, room, DOMAIN_COMMANDS.get(wanted))
    elif command.name == "stop":
        replies = start.small_talk(turn, room, "stop")
    else:
        replies = start.unclear(turn, room, "unknown_command")
    async for reply in replies:
        yield reply
