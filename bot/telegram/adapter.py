"""Replies shown in Telegram: sent, edited, taken back; what the platform refuses is mended, waited for or given up.

How a reply looks is in `markup.py` and `keyboard.py`, how a call is made in `calls.py`, what is seen before there is
an answer in `signs.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
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
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, TelegramError

from bot.outbox import SendLater, SendRefused
from bot.telegram.buttons import Buttons
from bot.telegram.calls import Calls
from bot.telegram.flow import Flow
from bot.telegram.markup import ALERT_UNITS, Part, ballot, preview, render, shortened
from bot.telegram.recent import Recent
from bot.telegram.signs import Signs
from bot.telegram.updates import PLATFORM, asked_by, place
from data.phrases import Phrases, phrases
from handlers.room import spoken
from handlers.turn import Attachment, Choice, Poll, Reply
from storage import groups, polls, users
from storage.database import Database

WAITS_SECONDS: Final = 3_600.0
"""How long what is for one person only waits for them to open the private chat."""
APART: Final = "private:"
"""Before the ids of messages that stand in the private chat of whom a group's reply is for."""
ALONE: Final = "private"
"""The `/start` argument that opens the private chat and nothing else."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a reply goes, what it answers, and for whom."""

    chat: int
    thread: int | None
    turn_id: str
    person_id: str


@dataclass(frozen=True, slots=True)
class _Look:
    """What one message shows."""

    part: Part
    keyboard: InlineKeyboardMarkup | ReplyKeyboardMarkup | None
    preview: LinkPreviewOptions


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
    signs: Signs = field(init=False)
    calls: Calls = field(init=False)
    _sending: Recent[tuple[int, str, str], _Sending] = field(default_factory=Recent)
    _shown: Recent[tuple[int, str], int] = field(default_factory=Recent)  # message → hash of its content
    _waiting: Recent[str, list[_Waiting]] = field(default_factory=Recent)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.signs, self.calls = Signs(self.bot), Calls(self.flow)

    async def close(self) -> None:
        """Stop what is shown beside the answers."""
        await self.signs.close()

    async def moved(self, old: str, new: str) -> None:
        """A group goes on under another id, and all that is remembered of it."""
        self.calls.moved[int(old)] = int(new)
        async with self.database.writing() as connection:
            await groups.move_chat(connection, self.name, old, new)

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        """Show the reply; the ids of the messages that show it, joined by commas, are its message id."""
        chat, thread = place(chat_id)
        spot = Spot(self.calls.moved.get(chat, chat), thread, turn_id, person_id)
        self.signs.answered(chat_id)
        if reply.private and spot.chat < 0:
            return await self._send_apart(spot, reply, message_id)
        self.signs.acknowledge_soon(turn_id)
        if spot.chat > 0 and (waiting := self._waiting.pop(str(spot.chat), None)):
            self.signs.tasks.spawn(self._hand_over(spot.chat, waiting))
        return await self._show(spot, reply, message_id)

    async def _send_apart(self, spot: Spot, reply: Reply, message_id: str | None) -> str:
        """What only the asker may see in a group: beside a pressed button, or else in the private chat."""
        if self.signs.is_pressed(spot.turn_id) and not (reply.cards or reply.file) and reply.text:
            await self.signs.acknowledge(spot.turn_id, shortened(reply.text, ALERT_UNITS))
            return message_id or APART
        if not spot.person_id.isdecimal():
            raise SendRefused("nobody to show it to alone")
        before = (message_id or "").removeprefix(APART) if (message_id or "").startswith(APART) else None
        alone = replace(spot, chat=int(spot.person_id), thread=None)
        try:
            shown = await self._show(alone, reply, before)
        except SendRefused:
            waiting = self._waiting.get(spot.person_id, [])
            self._waiting[spot.person_id] = [*waiting, _Waiting(reply, time.monotonic() + WAITS_SECONDS)]
            return await self._show(spot, await self._hint(spot.person_id, "telegram.open_private"), None)
        if before is None and asked_by(spot.turn_id, spot.chat) and not self.flow.wait(spot.chat):
            with suppress(SendLater, SendRefused, TelegramError):  # a courtesy, not worth a wait
                await self._show(spot, await self._hint(spot.person_id, "telegram.sent_private"), None)
        return APART + shown

    async def _hint(self, person_id: str, key: str) -> Reply:
        words = await self._words(person_id)
        return Reply(text=words.say(key), choices=(Choice(words.say("telegram.private"), start=ALONE),))

    async def _hand_over(self, chat: int, waiting: list[_Waiting]) -> None:
        """Send what waited for a person to open the private chat."""
        for each in waiting:
            while each.until > time.monotonic():
                try:
                    await self._show(Spot(chat, None, f"waited:{id(each)}", str(chat)), each.reply, None)
                    break
                except SendLater as later:
                    await asyncio.sleep(later.seconds)
                except SendRefused:
                    break

    async def _show(self, spot: Spot, reply: Reply, message_id: str | None) -> str:
        """Bring the messages of a reply up to date one after another; what was done stays done when one must wait."""
        key = (spot.chat, spot.turn_id, reply.slot)
        sending = self._sending.get(key)
        if sending is None or sending.reply != reply:
            old = [*sending.done, *sending.old[len(sending.done) :]] if sending else _ids(message_id)
            sending = self._sending[key] = _Sending(reply, old)
        try:
            if reply.poll is not None:
                await self._show_poll(spot, reply.poll, sending)
            await self._show_parts(spot, sending)
            if reply.file is not None:
                await self._show_file(spot, reply.file, sending)
            await self._take_back(spot.chat, sending)
        except SendRefused:
            self._sending.pop(key, None)
            raise
        self._sending.pop(key, None)
        return ",".join(sending.done)

    async def _show_parts(self, spot: Spot, sending: _Sending) -> None:
        reply, done = sending.reply, sending.done
        parts = render(reply)
        before = int(reply.poll is not None)
        for number, part in enumerate(parts):
            at = before + number
            if at < len(done):
                continue
            last = number == len(parts) - 1
            keyboard = await self._keyboard(reply, spot) if last else None
            look = _Look(part, keyboard, _preview(reply if number == 0 else Reply()))
            old = sending.old[at] if at < len(sending.old) else None
            if old is not None and not isinstance(keyboard, ReplyKeyboardMarkup):
                done.append(await self._edit(spot, int(old), look))
            else:
                answers = asked_by(spot.turn_id, spot.chat) if number == 0 and not reply.slot else None
                done.append(await self._post(spot, look, answers))

    async def _post(self, spot: Spot, look: _Look, answers: int | None = None) -> str:
        replied = ReplyParameters(answers, allow_sending_without_reply=True) if answers else None

        async def say(text: str, mode: str | None) -> Message:
            return await self.bot.send_message(
                spot.chat, text, mode, message_thread_id=spot.thread, reply_markup=look.keyboard,
                reply_parameters=replied, link_preview_options=look.preview,
            )  # fmt: skip

        message = await self._within(spot.chat, lambda: _well_or_plain(say, look.part))
        self._shown[spot.chat, str(message.message_id)] = hash((look.part, look.keyboard))
        return str(message.message_id)

    async def _edit(self, spot: Spot, message_id: int, look: _Look) -> str:
        key, content = (spot.chat, str(message_id)), hash((look.part, look.keyboard))
        if self._shown.get(key) == content:
            return str(message_id)
        keyboard = look.keyboard
        assert not isinstance(keyboard, ReplyKeyboardMarkup)  # which no message that stands can get

        async def say(text: str, mode: str | None) -> Message | bool:
            return await self.bot.edit_message_text(
                text, spot.chat, message_id, parse_mode=mode, reply_markup=keyboard,
                link_preview_options=look.preview,
            )  # fmt: skip

        try:
            await self._within(spot.chat, lambda: _well_or_plain(say, look.part), edit=True)
        except BadRequest as refusal:
            if "not modified" not in refusal.message.lower():
                if not _is_gone(refusal):
                    raise SendRefused(refusal.message) from refusal
                return await self._post(spot, look)
        self._shown[key] = content
        return str(message_id)

    async def _show_file(self, spot: Spot, file: Attachment, sending: _Sending) -> None:
        if any(each.startswith("f") for each in sending.done):
            return

        async def give() -> Message:
            if file.mime.startswith("image/"):
                return await self.bot.send_photo(
                    spot.chat, file.content, message_thread_id=spot.thread, filename=file.name
                )
            return await self.bot.send_document(
                spot.chat, file.content, message_thread_id=spot.thread, filename=file.name
            )

        sending.done.append(f"f{(await self._within(spot.chat, give)).message_id}")

    async def _show_poll(self, spot: Spot, poll: Poll, sending: _Sending) -> None:
        if sending.done:
            return
        if sending.old:
            if poll.closed:
                await self._close_poll(spot.chat, int(sending.old[0]))
            sending.done.append(sending.old[0])
            return
        if poll.closed:
            raise SendRefused("the poll to close was never shown")
        question, options = ballot(poll)

        async def ask() -> Message:
            return await self.bot.send_poll(
                spot.chat, question, options, is_anonymous=False,
                allows_multiple_answers=poll.multiple, message_thread_id=spot.thread,
            )  # fmt: skip

        here = f"{spot.chat}:{spot.thread}" if spot.thread else str(spot.chat)
        async with self._asking:
            message = await self._within(spot.chat, ask)
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

    async def _keyboard(self, reply: Reply, spot: Spot) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
        if reply.locate and spot.chat > 0:
            label = (await self._words(spot.person_id)).say("telegram.share_place")
            button = KeyboardButton(label, request_location=True)
            return ReplyKeyboardMarkup([[button]], resize_keyboard=True, one_time_keyboard=True)
        return await self.buttons.shown(reply.choices)

    async def _words(self, person_id: str) -> Phrases:
        async with self.database.reading() as connection:
            user = await users.known(
                connection, platform=self.name, platform_id=person_id, name="", locale=""
            )
        return phrases(spoken(user, {}, user.locale) if user else "ko")

    async def _within(self, chat: int, call: Callable[[], Awaitable[T]], edit: bool = False) -> T:
        """`Calls.within`, heeding that a group has moved."""
        try:
            return await self.calls.within(chat, call, edit)
        except ChatMigrated as moved:
            await self.moved(str(chat), str(moved.new_chat_id))
            raise SendLater(0.0) from moved


def _preview(reply: Reply) -> LinkPreviewOptions:
    """The picture shown with the first message of a reply; links by themselves show none."""
    cover = preview(reply)
    if not cover:
        return LinkPreviewOptions(is_disabled=True)
    return LinkPreviewOptions(url=cover, show_above_text=True, prefer_large_media=True)


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
