"""What Telegram shows of the bot before anything is said: its commands by language and scope, its description.

https://core.telegram.org/bots/api#setmycommands
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from typing import Final

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import TelegramError

from data.phrases import Language, phrases
from storage import items
from storage.database import Database

PRIVATE: Final = (
    "book", "movie", "food", "survey", "more", "saved", "history", "taste", "allergies", "nearby", "profile",
    "lang", "guest", "export", "forget", "inquiry", "help", "stop",
)  # fmt: skip
GROUP: Final = ("together", "book", "movie", "food", "help", "stop")
OPERATOR: Final = (*PRIVATE, "admin", "inquiries")
TONGUES: Final[tuple[tuple[str, Language], ...]] = (("", "ko"), ("en", "en"))
"""Telegram's language code and ours; the empty one is for everybody whose language has none of its own."""
KEY: Final = "telegram.menu"

logger = logging.getLogger(__name__)


async def publish(bot: Bot, database: Database, operators: Iterable[str]) -> None:
    """Tell Telegram commands and descriptions, where they changed since it was told: it bears few such calls.

    Whatever it refuses is logged, and nothing else depends on it.
    """
    scopes: list[tuple[BotCommandScope, tuple[str, ...]]] = [
        (BotCommandScopeDefault(), PRIVATE),
        (BotCommandScopeAllPrivateChats(), PRIVATE),
        (BotCommandScopeAllGroupChats(), GROUP),
        *((BotCommandScopeChat(int(each)), OPERATOR) for each in operators if each.isdecimal()),
    ]
    key = f"{KEY}.{bot.id}"
    now = _fingerprint(scopes)
    async with database.reading() as connection:
        if await items.value(connection, key) == now:
            return
    whole = True
    for code, language in TONGUES:
        say = phrases(language).say
        for scope, names in scopes:
            commands = [BotCommand(name, say(f"telegram.command.{name}")) for name in names]
            try:
                await bot.set_my_commands(commands, scope, code or None)
            except TelegramError as error:  # an operator who never wrote to the bot has no chat yet
                logger.warning("Commands of scope %s were not taken: %s", scope.type, error.message)
                whole = False
        try:
            await bot.set_my_description(say("telegram.description"), code or None)
            await bot.set_my_short_description(say("telegram.short_description"), code or None)
        except TelegramError as error:
            logger.warning("The description was not taken: %s", error.message)
            whole = False
    if whole:
        async with database.writing() as connection:
            await items.set_value(connection, key, now)


def _fingerprint(scopes: Iterable[tuple[BotCommandScope, tuple[str, ...]]]) -> str:
    told = [[scope.to_dict(), names] for scope, names in scopes]
    words = [
        phrases(language).say(f"telegram.{key}")
        for _, language in TONGUES
        for key in ("description", "short_description", *(f"command.{name}" for name in OPERATOR))
    ]
    return hashlib.sha256(json.dumps([told, words], default=str).encode()).hexdigest()[:16]
