"""Servers in this process for tests: each in an event loop and a thread of its own, so that any test can ask it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from aiohttp import web

from engine.worker.metrics import Metrics
from engine.worker.plan import Plan
from engine.worker.server import Patience, Server
from engine.worker.service import Service

T = TypeVar("T")
KEY = "S3cret-key"


@contextmanager
def in_thread(
    opening: Callable[[], AbstractAsyncContextManager[T]],
) -> Iterator[tuple[T, asyncio.AbstractEventLoop]]:
    """What `opening` opens, in a loop that runs in a thread of its own while the block does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="a server of tests", daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    async def enter() -> tuple[AbstractAsyncContextManager[T], T]:
        manager = opening()
        return manager, await manager.__aenter__()

    manager, opened = run(enter())

    async def leave() -> None:
        await manager.__aexit__(None, None, None)

    try:
        yield opened, loop
    finally:
        run(leave())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """A plain server; gives its address."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def soon(condition: Callable[[], bool]) -> None:
    """Wait until something is so, which it is in no time, or never."""
    for _ in range(1_000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to be")


@dataclass(frozen=True)
class Worker:
    """A worker that runs."""

    service: Service
    url: str
    loop: asyncio.AbstractEventLoop
    headers: dict[str, str]
    """What opens it."""
    client: httpx.Client
    """Has the key."""

    def post(self, path: str, body: Any) -> httpx.Response:
        """Ask once, with the key."""
        return self.client.post(path, json=body)

    def get(self, path: str) -> httpx.Response:
        """Ask once, with the key."""
        return self.client.get(path)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Something in the worker's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def metric(self, name: str, **labels: str) -> float:
        """A figure of /metrics now; the sum over what has these labels."""
        total = 0.0
        for line in self.get("/metrics").text.splitlines():
            named, _, value = line.rpartition(" ")
            bare, _, told = named.partition("{")
            if bare == f"oneulmwo_worker_{name}" and all(
                f'{key}="{each}"' in told for key, each in labels.items()
            ):
                total += float(value)
        return total


@contextmanager
def working(
    plan: Plan, *, key: str = KEY, patience: Patience | None = None, wait: bool = True
) -> Iterator[Worker]:
    """A worker, loaded unless `wait` is false."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[tuple[Service, int]]:
        metrics = Metrics()
        service = Service(plan, metrics)
        async with Server(service, metrics, key, patience).listening("127.0.0.1", 0) as port:
            service.start()
            try:
                if wait:
                    await service.ready()
                yield service, port
            finally:
                await service.close(0.0)

    with in_thread(opening) as ((service, port), loop):
        url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {key}"} if key else {}
        with httpx.Client(base_url=url, headers=headers, timeout=60, verify=False) as client:
            yield Worker(service, url, loop, headers, client)
