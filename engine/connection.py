"""The one place where the `openai` package is loaded, beside everything else: that takes it a second or two."""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import Any

from engine.address import is_own


async def connect(url: str, key: str, seconds: float) -> tuple[Any, Any]:
    """The package, and a client of `url` that connects within `seconds` and leaves all other waiting to its caller."""
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        # where everything is logged, these log what is sent, and where to
        logging.getLogger(name).setLevel(logging.WARNING)
    openai: Any = await asyncio.to_thread(importlib.import_module, "openai")
    timeout = openai.Timeout(None, connect=seconds)
    transport = openai.DefaultAsyncHttpxClient(
        timeout=timeout,
        follow_redirects=False,  # or another machine would be told what this one was
        trust_env=not is_own(url),  # no proxy stands before a machine of one's own
    )
    client = openai.AsyncOpenAI(
        base_url=url, api_key=key or "none", max_retries=0, timeout=timeout, http_client=transport
    )
    return openai, client
