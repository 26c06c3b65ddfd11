"""The bot as it runs in Telegram: everything put together, served until it is told to stop, closed in order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from telegram import Bot
from telegram.error import InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from bot import metrics
from bot.app import App
from bot.command import CommandError
from bot.settings import Settings
from bot.tasks import Tasks
from bot.telegram import menu, polling, webhook
from bot.telegram.adapter import Telegram
from bot.telegram.buttons import Buttons
from bot.telegram.inline import Inline
from bot.telegram.intake import Intake
from bot.telegram.keyboard import Seals
from bot.telegram.updates import ALLOWED, PLATFORM, Me
from data.phrases import Phrases
from handlers import inline, router
from handlers.turn import Card, Person

CONNECTIONS = 64
"""Calls under way at once: chats that are spoken in at the same moment."""
GRACE_SECONDS = 10.0
"""How long turns in hand may take once the bot is told to stop."""


async def serve(app: App, stop: asyncio.Event | None = None) -> None:
    """Serve Telegram until `stop` is set, or the process is told to stop (SIGINT, SIGTERM).

    Raises:
        CommandError: what stands in the way, in one line.
    """
    settings = app.settings
    async with _bot(settings) as bot:
        stopping = stop or _signalled()
        me = Me(bot.id, bot.username, router.knows)
        buttons = Buttons(Seals.of_token(bot.token), me.username, app.database)
        platform = Telegram(bot, app.database, buttons)
        delivery = app.delivery(platform, platform.signs.working)
        queries = Inline(bot, lambda person, text: _offer(app, person, text))
        intake = Intake(bot, platform, delivery, me, queries.answer)
        operators = [each for name, each in settings.admins if name == PLATFORM]
        tasks = Tasks()
        with metrics.told(app, delivery):
            await delivery.recover()
            async with app.beside(delivery):
                tasks.spawn(menu.publish(bot, app.database, operators))
                try:
                    await _receive(settings, bot, intake, tasks, stopping)
                finally:
                    await queries.close()
                    await delivery.close(GRACE_SECONDS)
                    await tasks.stop(0)
                    await platform.close()


async def _receive(
    settings: Settings, bot: Bot, intake: Intake, tasks: Tasks, stopping: asyncio.Event
) -> None:
    if settings.telegram_webhook_url is None:
        await bot.delete_webhook()
        fetching = tasks.spawn(polling.poll(bot, intake.take, tasks))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({fetching, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if fetching.done() and fetching.exception() is not None:
            raise _unusable()
        fetching.cancel()  # what it was holding comes again, and is known by its number
        await asyncio.wait({fetching})
        return
    url, secret = str(settings.telegram_webhook_url), _secret(bot.token)
    try:
        async with webhook.listening(urlsplit(url).path or "/", settings.port, secret, intake.take):
            await bot.set_webhook(url, secret_token=secret, allowed_updates=ALLOWED)
            await stopping.wait()
    except OSError as error:
        raise CommandError(
            f"Port {settings.port} cannot be had ({error.strerror}): set ONEULMWO_PORT to another."
        ) from error


@asynccontextmanager
async def _bot(settings: Settings) -> AsyncIterator[Bot]:
    """The bot, which Telegram knows by its token."""
    if settings.telegram_token is None:
        raise CommandError("There is no token: get one from @BotFather and set ONEULMWO_TELEGRAM_TOKEN.")
    server = str(settings.telegram_api_url).rstrip("/")
    bot = Bot(
        settings.telegram_token.get_secret_value(),
        base_url=f"{server}/bot",
        base_file_url=f"{server}/file/bot",
        request=HTTPXRequest(CONNECTIONS, pool_timeout=20.0),
        get_updates_request=HTTPXRequest(2),
    )
    try:
        await bot.initialize()
    except InvalidToken:
        raise _unusable() from None
    except TelegramError as error:
        raise CommandError(f"Telegram cannot be reached ({type(error).__name__}): try again.") from None
    try:
        yield bot
    finally:
        await bot.shutdown()


def _unusable() -> CommandError:
    return CommandError("Telegram does not take the token: check ONEULMWO_TELEGRAM_TOKEN with @BotFather.")


def _secret(token: str) -> str:
    """What Telegram is to say with each push; it follows from the token, so that all processes share it."""
    return hmac.digest(token.encode(), b"webhook", hashlib.sha256).hex()


def _signalled() -> asyncio.Event:
    stopping = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopping.set)
    return stopping


async def _offer(app: App, person: Person, text: str) -> tuple[Phrases, tuple[Card, ...]]:
    await app.ready()
    room = await app.visit(PLATFORM, person)
    _, cards = await inline.offer(room, text)
    return room.words, cards
