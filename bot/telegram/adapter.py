"""Replies shown in Telegram: sent, edited, taken back; what the platform refuses is mended, waited for or given up.

How a reply looks is in `markup.py` and `keyboard.py`, how fast may be spoken in `flow.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from telegram import (
    Bot,
    InlineKeyboardMarkup,
    KeyboardButton,
    LinkPreviewOptions,
    Message,
    ReplyKeyboardMarkup,
    ReplyParameters,
)
from telegram.constants import ChatAction, ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot.outbox import SendLater, SendRefused
from bot.telegram.buttons import Buttons
from bot.telegram.flow import Flow
from bot.telegram.markup import ALERT_UNITS, Part, ballot, preview, render, shortened
from bot.telegram.updates import PLATFORM, asked_by, place
from data.phrases import Phrases, phrases
from handlers.room import spoken
from handlers.turn import Choice, Command, Poll, Reply, Text, Turn
from storage import groups, polls, users
from storage.database import Database

TYPING_AFTER, TYPING_AGAIN, TYPING_FOR = 0.03, 4.5, 20.0
"""Seconds until "typing" is shown, till it is shown again, and at most: Telegram shows it for five."""
PRESS_SECONDS: Final = 1.0
"""How long a pressed button shows that it is being seen to, unless an answer comes before."""
AWAY_FIRST, AWAY_MOST = 1.0, 30.0
"""Seconds before the second try while Telegram cannot be reached; each further wait is twice as long."""
KEPT: Final = 4_096
"""Messages, presses and half-sent replies that are remembered; all of it only spares or betters messages."""
WAITS_SECONDS: Final = 3_600.0
"""How long what is for one person only waits for them to open the private chat."""
APART: Final = "private:"
"""Before the ids of messages that stand in the private chat of whom a group's reply is for."""
ALONE: Final = "private"
"""The `/start` argument that opens the private chat and nothing else."""

logger = logging.getLogger(__name__)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Recent(OrderedDict[K, T]):
    """A dictionary that forgets what was put in first."""

    def __setitem__(self, key: K, value: T) -> None:
        super().__setitem__(key, value)
        if len(self) > KEPT:
            self.popitem(last=False)


@dataclass(slots=True)
class _Sending:
    """How far one reply got: `old` are the messages to be edited, `done` those that show it already."""

    reply: Reply
    old: list[str]
    done: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    reply: Reply
    until: float


@dataclass(eq=False)
class Telegram:
    """The platform."""

    bot: Bot
    database: Database
    buttons: Buttons
    flow: Flow = field(default_factory=Flow)
    name: str = PLATFORM
    _presses: Recent[str, str] = field(default_factory=Recent)  # turn → query
    _typing: dict[str, asyncio.Event] = field(default_factory=dict)
    _sending: Recent[tuple[int, str, str], _Sending] = field(default_factory=Recent)
    _shown: Recent[tuple[int, str], int] = field(default_factory=Recent)  # message → hash of its content
    _waiting: Recent[str, list[_Waiting]] = field(default_factory=Recent)
    _moved: Recent[int, int] = field(default_factory=Recent)
    _away: dict[int, int] = field(default_factory=dict)  # chat → failures in a row
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # what is seen before there is an answer

    def working(self, turn: Turn) -> None:
        """Show that a question is being seen to, if its answer takes a moment."""
        if isinstance(turn.payload, Text | Command) and turn.chat.id not in self._typing:
            answered = self._typing[turn.chat.id] = asyncio.Event()
            task = self._spawn(self._type(turn.chat.id, answered))
            task.add_done_callback(lambda _: self._typing.pop(turn.chat.id, None))

    def press(self, turn_id: str, query: str) -> None:
        """A button was pressed: Telegram shows that as long as nobody says that it was seen."""
        self._presses[turn_id] = query
        self._spawn(self._let_go(turn_id))

    async def close(self) -> None:
        """Stop what is shown beside the answers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # replies

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        """Show the reply; the ids of the messages that show it, joined by commas, are its message id."""
        chat, thread = place(chat_id)
        chat = self._moved.get(chat, chat)
        if (answered := self._typing.get(chat_id)) is not None:
            answered.set()
        if reply.private and chat < 0:
            return await self._send_apart(chat, thread, reply, turn_id, message_id, person_id)
        self._spawn(self._acknowledge(turn_id))
        if chat > 0 and (waiting := self._waiting.pop(str(chat), None)):
            self._spawn(self._hand_over(chat, waiting))
        return await self._show(chat, thread, reply, turn_id, message_id, person_id)

    async def _send_apart(
        self,
        chat: int,
        thread: int | None,
        reply: Reply,
        turn_id: str,
        message_id: str | None,
        person_id: str,
    ) -> str:
        """What only the asker may see in a group: beside a pressed button, or else in the private chat."""
        if turn_id in self._presses and not (reply.cards or reply.file) and reply.text:
            await self._acknowledge(turn_id, shortened(reply.text, ALERT_UNITS))
            return message_id or APART
        if not person_id.isdecimal():
            raise SendRefused("nobody to show it to alone")
        before = (message_id or "").removeprefix(APART) if (message_id or "").startswith(APART) else None
        try:
            shown = await self._show(int(person_id), None, reply, turn_id, before, person_id)
        except SendRefused:
            waiting = self._waiting.get(person_id, [])
            self._waiting[person_id] = [*waiting, _Waiting(reply, time.monotonic() + WAITS_SECONDS)]
            hint = await self._hint(person_id, "telegram.open_private")
            return await self._show(chat, thread, hint, turn_id, None, person_id)
        if before is None and asked_by(turn_id, chat) and not self.flow.wait(chat):
            with suppress(SendLater, SendRefused, TelegramError):  # a courtesy, not worth a wait
                hint = await self._hint(person_id, "telegram.sent_private")
                await self._show(chat, thread, hint, turn_id, None, person_id)
        return APART + shown

    async def _hint(self, person_id: str, key: str) -> Reply:
        words = await self._words(person_id)
        return Reply(text=words.say(key), choices=(Choice(words.say("telegram.private"), start=ALONE),))

    async def _hand_over(self, chat: int, waiting: list[_Waiting]) -> None:
        """Send what waited for a person to open the private chat."""
        for each in waiting:
            while each.until > time.monotonic():
                try:
                    await self._show(chat, None, each.reply, f"waited:{id(each)}", None, str(chat))
                    break
                except SendLater as later:
                    await asyncio.sleep(later.seconds)
                except SendRefused:
                    break

    async def _show(
        self,
        chat: int,
        thread: int | None,
        reply: Reply,
        turn_id: str,
        message_id: str | None,
        person_id: str,
    ) -> str:
        """Bring the messages of a reply up to date one after another; what was done stays done when one must wait."""
        key = (chat, turn_id, reply.slot)
        sending = self._sending.get(key)
        if sending is None or sending.reply != reply:
            old = [*sending.done, *sending.old[len(sending.done) :]] if sending else _ids(message_id)
            sending = self._sending[key] = _Sending(reply, old)
        try:
            if reply.poll is not None:
                await self._show_poll(chat, thread, reply.poll, sending)
            await self._show_parts(chat, thread, turn_id, person_id, sending)
            if reply.file is not None:
                await self._show_file(chat, thread, sending)
            await self._take_back(chat, sending)
        except SendRefused:
            self._sending.pop(key, None)
            raise
        self._sending.pop(key, None)
        return ",".join(sending.done)

    async def _show_parts(
        self, chat: int, thread: int | None, turn_id: str, person_id: str, sending: _Sending
    ) -> None:
        reply, done = sending.reply, sending.done
        parts = render(reply)
        before = int(reply.poll is not None)
        for number, part in enumerate(parts):
            at = before + number
            if at < len(done):
                continue
            last = number == len(parts) - 1
            keyboard = await self._keyboard(reply, chat, person_id) if last else None
            shown = self._preview(reply) if number == 0 else None
            old = sending.old[at] if at < len(sending.old) else None
            if old is not None and not isinstance(keyboard, ReplyKeyboardMarkup):
                done.append(await self._edit(chat, thread, int(old), part, keyboard, shown))
            else:
                answers = asked_by(turn_id, chat) if number == 0 and not reply.slot else None
                done.append(await self._post(chat, thread, part, keyboard, shown, answers))

    async def _post(
        self, chat: int, thread: int | None, part: Part, keyboard: InlineKeyboardMarkup | ReplyKeyboardMarkup | None,
        shown: LinkPreviewOptions | None, answers: int | None = None,
    ) -> str:  # fmt: skip
        replied = ReplyParameters(answers, allow_sending_without_reply=True) if answers else None

        async def say(text: str, mode: str | None) -> Message:
            return await self.bot.send_message(
                chat, text, mode, message_thread_id=thread, reply_markup=keyboard, reply_parameters=replied,
                link_preview_options=shown or LinkPreviewOptions(is_disabled=True),
            )  # fmt: skip

        message = await self._within(chat, lambda: _well_or_plain(say, part))
        self._shown[chat, str(message.message_id)] = hash((part, keyboard))
        return str(message.message_id)

    async def _edit(
        self, chat: int, thread: int | None, message_id: int, part: Part, keyboard: InlineKeyboardMarkup | None,
        shown: LinkPreviewOptions | None,
    ) -> str:  # fmt: skip
        key, content = (chat, str(message_id)), hash((part, keyboard))
        if self._shown.get(key) == content:
            return str(message_id)

        async def say(text: str, mode: str | None) -> Message | bool:
            return await self.bot.edit_message_text(
                text, chat, message_id, parse_mode=mode, reply_markup=keyboard,
                link_preview_options=shown or LinkPreviewOptions(is_disabled=True),
            )  # fmt: skip

        try:
            await self._within(chat, lambda: _well_or_plain(say, part), edit=True)
        except BadRequest as refusal:
            if "not modified" not in refusal.message.lower():
                if not _is_gone(refusal):
                    raise SendRefused(refusal.message) from refusal
                return await self._post(chat, thread, part, keyboard, shown)
        self._shown[key] = content
        return str(message_id)

    async def _show_file(self, chat: int, thread: int | None, sending: _Sending) -> None:
        file = sending.reply.file
        assert file is not None
        if any(each.startswith("f") for each in sending.done):
            return

        async def give() -> Message:
            if file.mime.startswith("image/"):
                return await self.bot.send_photo(
                    chat, file.content, message_thread_id=thread, filename=file.name
                )
            return await self.bot.send_document(
                chat, file.content, message_thread_id=thread, filename=file.name
            )

        sending.done.append(f"f{(await self._within(chat, give)).message_id}")

    async def _show_poll(self, chat: int, thread: int | None, poll: Poll, sending: _Sending) -> None:
        if sending.done:
            return
        if sending.old:
            if poll.closed:
                await self._close_poll(chat, int(sending.old[0]))
            sending.done.append(sending.old[0])
            return
        if poll.closed:
            raise SendRefused("the poll to close was never shown")
        question, options = ballot(poll)

        async def ask() -> Message:
            return await self.bot.send_poll(
                chat, question, options, is_anonymous=False,
                allows_multiple_answers=poll.multiple, message_thread_id=thread,
            )  # fmt: skip

        here = f"{chat}:{thread}" if thread else str(chat)
        async with self._asking:
            message = await self._within(chat, ask)
            assert message.poll is not None
            sending.done.append(str(message.message_id))
            async with self.database.writing() as connection:
                await polls.keep(connection, self.name, message.poll.id, here, sending.reply.slot)

    async def asked(self, poll_id: str) -> tuple[str, str] | None:
        """The chat and the slot that a poll of ours shows; a vote may come before it is known what it is for."""
        async with self._asking, self.database.reading() as connection:
            return await polls.find(connection, self.name, poll_id)

    async def _close_poll(self, chat: int, message_id: int) -> None:
        try:
            await self._within(chat, lambda: self.bot.stop_poll(chat, message_id), edit=True)
        except BadRequest as refusal:
            if "already been closed" not in refusal.message.lower() and not _is_gone(refusal):
                raise SendRefused(refusal.message) from refusal

    async def _take_back(self, chat: int, sending: _Sending) -> None:
        """Delete messages that showed more of the slot than there is now."""
        if sending.reply.file is not None:
            return
        for old in sending.old[len(sending.done) :]:
            if old.isdecimal():
                with suppress(TelegramError):
                    await self.bot.delete_message(chat, int(old))

    async def _keyboard(
        self, reply: Reply, chat: int, person_id: str
    ) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
        if reply.locate and chat > 0:
            label = (await self._words(person_id)).say("telegram.share_place")
            button = KeyboardButton(label, request_location=True)
            return ReplyKeyboardMarkup([[button]], resize_keyboard=True, one_time_keyboard=True)
        return await self.buttons.shown(reply.choices)

    def _preview(self, reply: Reply) -> LinkPreviewOptions | None:
        cover = preview(reply)
        return LinkPreviewOptions(url=cover, show_above_text=True, prefer_large_media=True) if cover else None

    async def _words(self, person_id: str) -> Phrases:
        async with self.database.reading() as connection:
            user = await users.known(
                connection, platform=self.name, platform_id=person_id, name="", locale=""
            )
        return phrases(spoken(user, {}, user.locale) if user else "ko")

    # one call

    async def _within(self, chat: int, call: Callable[[], Awaitable[T]], edit: bool = False) -> T:
        """Make a call when the chat bears it.

        Raises:
            SendLater: it does not bear it yet, or Telegram is not there.
            SendRefused: it never will.
            BadRequest: an edit was refused for its message or its content.
        """
        if (wait := self.flow.wait(chat, edit)) > 0:
            raise SendLater(wait)
        self.flow.spend(chat, edit)
        try:
            result = await call()
        except RetryAfter as late:
            seconds = seconds_of(late)
            self.flow.block(chat, seconds)
            raise SendLater(seconds) from late
        except ChatMigrated as moved:
            await self.moved(str(chat), str(moved.new_chat_id))
            raise SendLater(0.0) from moved
        except Forbidden as refusal:
            raise SendRefused(refusal.message) from refusal
        except BadRequest as refusal:
            if edit:
                raise
            raise SendRefused(refusal.message) from refusal
        except InvalidToken:
            logger.critical("Telegram does not take the token (any more): check ONEULMWO_TELEGRAM_TOKEN.")
            raise SendLater(AWAY_MOST) from None  # its text holds the token
        except NetworkError as error:
            failures = self._away[chat] = self._away.get(chat, 0) + 1
            if len(self._away) == 1 and failures == 1:
                logger.warning(
                    "Telegram cannot be reached (%s); it will be tried again", type(error).__name__
                )
            raise SendLater(min(AWAY_FIRST * 2.0 ** min(failures - 1, 10), AWAY_MOST)) from error
        self._away.pop(chat, None)
        return result

    async def moved(self, old: str, new: str) -> None:
        """A group goes on under another id, and all that is remembered of it."""
        self._moved[int(old)] = int(new)
        async with self.database.writing() as connection:
            await groups.move_chat(connection, self.name, old, new)

    async def _type(self, chat_id: str, answered: asyncio.Event) -> None:
        # a call is never broken off: its connection would be lost with it
        chat, thread = place(chat_id)
        ends, pause = time.monotonic() + TYPING_FOR, TYPING_AFTER
        with suppress(TelegramError):
            while time.monotonic() < ends:
                with suppress(TimeoutError):
                    await asyncio.wait_for(answered.wait(), pause)
                    break
                await self.bot.send_chat_action(chat, ChatAction.TYPING, message_thread_id=thread)
                pause = TYPING_AGAIN

    async def _let_go(self, turn_id: str) -> None:
        await asyncio.sleep(PRESS_SECONDS)
        await self._acknowledge(turn_id)

    async def _acknowledge(self, turn_id: str, text: str = "") -> None:
        """Tell Telegram that a pressed button was seen, with some words if there are any."""
        if (query := self._presses.pop(turn_id, None)) is not None:
            with suppress(TelegramError):  # too old, or answered before a restart
                await self.bot.answer_callback_query(query, text or None, show_alert=bool(text))

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _well_or_plain(say: Callable[[str, str | None], Awaitable[T]], part: Part) -> T:
    """Say it well set, or plainly where Telegram cannot read how it is set."""
    try:
        return await say(part.html, ParseMode.HTML)
    except BadRequest as refusal:
        if "parse entities" not in refusal.message.lower():
            raise
        logger.warning("Telegram could not read the markup of a message: %s", refusal.message)
        return await say(part.plain, None)


def _ids(message_id: str | None) -> list[str]:
    return [each for each in (message_id or "").split(",") if each.isdecimal()]


def _is_gone(refusal: BadRequest) -> bool:
    words = refusal.message.lower()
    return any(
        each in words for each in ("not found", "can't be edited", "no text in the message", "id_invalid")
    )


def seconds_of(late: RetryAfter) -> float:
    after = late.retry_after
    return float(after) if isinstance(after, int) else after.total_seconds()
