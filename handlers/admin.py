"""What operators do in a chat: reading inquiries and answering them. Whoever is none of them learns nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from data.phrases import phrases
from handlers import desk
from handlers.inquiry import LONGEST, excerpt, plain
from handlers.room import Room, spoken
from handlers.start import unclear
from handlers.turn import Chat, Choice, Reply, Text, Turn, number
from storage import inquiries, sessions
from storage.inquiries import Inquiry

PAGE = 5


async def listing(turn: Turn, room: Room, page: int = 0) -> AsyncIterator[Reply]:
    """The inquiries of all that wait for an answer, oldest first."""
    say = room.words.say
    total = await room.read(inquiries.count_open)
    pages = max(1, -(-total // PAGE))
    page %= pages
    waiting = await room.read(inquiries.open, PAGE, page * PAGE)
    lines = [say("admin.inquiries", count=total) if total else say("admin.no_inquiries")]
    lines += [say("admin.line", number=each.id, who=_who(each), text=excerpt(each.text)) for each in waiting]
    choices = [Choice(say("button.read", number=each.id), f"inq:read:{each.id}", 1) for each in waiting]
    if pages > 1:
        label = say("button.page", page=page + 1, pages=pages)
        choices.append(Choice(label, f"inq:page:{(page + 1) % pages}", 2))
    yield Reply(text="\n".join(lines), choices=(*choices, desk.back(room)), private=True)


def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply] | None:
    """The replies to an operator's button, or None when it is forged or nobody's who is one."""
    verb, _, value = data.partition(":")
    if not room.operator or (named := number(value)) is None:
        return None
    match verb:
        case "page":
            return listing(turn, room, named)
        case "read":
            return _read(turn, room, named)
        case "answer":
            return _ask(turn, room, named)
    return None


async def answer(turn: Turn, room: Room, argument: str) -> AsyncIterator[Reply]:
    """Store the answer to an inquiry, given as "ID TEXT", and send it to whoever asked."""
    say = room.words.say
    if not room.operator:
        async for reply in unclear(turn, room, "unknown_command"):
            yield reply
        return
    word, _, rest = argument.strip().replace("\n", " \n", 1).partition(" ")
    named = number(word.removeprefix("#"))
    if named is None:
        yield Reply(text=say("admin.usage"), private=True)
        return
    async for reply in take(turn, room, str(named), rest):
        yield reply


async def take(turn: Turn, room: Room, about: str, text: str) -> AsyncIterator[Reply]:
    """Answer the inquiry of that number with what the operator wrote; what is no answer is asked for again where
    it was typed after a button."""
    say, named, whole = room.words.say, int(about), plain(text)
    again: tuple[Choice, ...] = ()
    if isinstance(turn.payload, Text) and desk.AWAITED in room.session:
        again = (desk.wait(turn, room, "answer", about),)
    if whole is None:
        yield Reply(text=say("admin.too_long", most=LONGEST), choices=again, private=True)
        return
    if not whole:
        yield Reply(text=say("admin.usage"), choices=again, private=True)
        return
    desk.leave(room)
    async for reply in _answer(turn, room, named, whole):
        yield reply


async def _answer(turn: Turn, room: Room, named: int, text: str) -> AsyncIterator[Reply]:
    say = room.words.say
    inquiry = await room.read(inquiries.get, named)
    if inquiry is None:
        yield Reply(text=say("admin.unknown", number=named), private=True)
        return
    if inquiry.answer is not None:
        yield Reply(text=say("admin.answered", number=named, text=inquiry.answer), private=True)
        return
    operator = f"{turn.chat.platform}:{turn.person.id}"
    room.write(inquiries.answer, named, text, operator, turn.at)
    asker = inquiry.asker
    talk = await room.read(sessions.load, asker.id, inquiry.platform, inquiry.chat_id)
    yield answered(inquiry, talk, text)
    yield Reply(text=say("admin.sent", number=named, who=_who(inquiry)), private=True)


def answered(inquiry: Inquiry, talk: dict[str, Any], text: str) -> Reply:
    """The answer as whoever asked gets it, where they asked, in the language of their talk there."""
    words = phrases(spoken(inquiry.asker, talk, inquiry.asker.locale))
    return Reply(
        text=words.say("inquiry.answered", number=inquiry.id, text=text, asked=excerpt(inquiry.text)),
        slot=f"inquiry.{inquiry.id}",
        chat=Chat(inquiry.platform, inquiry.chat_id),
        person=inquiry.asker.platform_id,
        private=True,
    )


async def _read(turn: Turn, room: Room, named: int) -> AsyncIterator[Reply]:
    say = room.words.say
    inquiry = await room.read(inquiries.get, named)
    if inquiry is None:
        yield Reply(text=say("admin.unknown", number=named), private=True)
        return
    lines = [say("admin.whole", number=named, who=_who(inquiry)), inquiry.text]
    choices = [Choice(say("admin.back"), "inq:page:0", 2)]
    if inquiry.answer is not None:
        lines.append(say("inquiry.answer", text=inquiry.answer))
    else:
        lines.append(say("admin.how", number=named))
        choices.insert(0, Choice(say("admin.reply", number=named), f"inq:answer:{named}", 1))
    lines.append(say("admin.block", who=f"{inquiry.platform}:{inquiry.asker.platform_id}"))
    yield Reply(text="\n".join(lines), choices=tuple(choices), private=True)


async def _ask(turn: Turn, room: Room, named: int) -> AsyncIterator[Reply]:
    """Let the next text be the answer to an inquiry that has none."""
    say = room.words.say
    inquiry = await room.read(inquiries.get, named)
    if inquiry is None:
        yield Reply(text=say("admin.unknown", number=named), private=True)
    elif inquiry.answer is not None:
        yield Reply(text=say("admin.answered", number=named, text=inquiry.answer), private=True)
    else:
        text = say("admin.write", number=named, text=excerpt(inquiry.text), most=LONGEST)
        yield Reply(text=text, choices=(desk.wait(turn, room, "answer", str(named)),), private=True)


def _who(inquiry: Inquiry) -> str:
    return f"{inquiry.asker.name or inquiry.asker.platform_id} ({inquiry.platform})"
