"""Updates pushed by Telegram: each call is answered once its update is stored, and only if it bears the secret.

https://core.telegram.org/bots/api#setwebhook. Any number of processes may serve one webhook.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
BODY_BYTES: Final = 1 << 20
"""An update is a few thousand bytes."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    path: str, port: int, secret: str, take: Callable[[Any], Awaitable[None]]
) -> AsyncIterator[int]:
    """A server on that port, all addresses, while the block runs; gives the port, a free one where 0 was asked.

    Raises:
        OSError: the port cannot be had.
    """

    async def receive(request: web.Request) -> web.Response:
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, "").encode(), secret.encode()):
            logger.warning("A call of the webhook without its secret, from %s", request.remote)
            return web.Response(status=403)
        try:
            raw = json.loads(await request.read())
        except (ValueError, RecursionError):
            return web.Response(status=400)
        try:
            await take(raw)
        except Exception:
            logger.exception("An update could not be stored; Telegram will send it again")
            return web.Response(status=500)
        return web.Response()

    async def health(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application(client_max_size=BODY_BYTES)
    app.router.add_post(path, receive)
    if path != "/":
        app.router.add_get("/", health)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
