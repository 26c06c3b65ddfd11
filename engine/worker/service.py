"""What is served: the model with its adapters, batcher and embeddings; how it comes up, and how far it has come.

Loading runs in a thread, so that whoever asks meanwhile is told how far it is. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from engine.worker.errors import WorkerError
from engine.worker.observer import Observer
from engine.worker.plan import Plan
from engine.worker.protocol import Refusal

if TYPE_CHECKING:  # read by the thread that loads, behind the server
    import torch

    from engine.worker.batcher import Batcher
    from engine.worker.embeddings import Embeddings
    from engine.worker.loading import Loaded

CHARACTERS_A_TOKEN: Final = 32
"""A text with more characters than that a token of the limit is too long without being tokenized."""
LOADING_RETRY_SECONDS: Final = 5.0

State = Literal["loading", "ready", "stopping", "failed"]


class _Abandoned(BaseException):
    """Nobody waits for this model any more; no handler of errors may take it for one of loading."""


class Service:
    """A plan, coming up or up. `start` returns at once; `ready` waits."""

    def __init__(
        self, plan: Plan, observe: Observer, tell: Callable[[float], None] = lambda share: None
    ) -> None:
        self.plan, self.name = plan, plan.name
        self.state: State = "loading"
        self.share = 0.0
        """How much of the model is loaded, 0 to 1."""
        self.failure = ""
        """Why it does not serve, where it failed."""
        self.created = int(time.time())
        self.context = 0
        self._observe, self._tell = observe, tell
        self._paths = dict(plan.adapters)
        self._used: Counter[str] = Counter()
        self._freed = asyncio.Event()
        self._leaving: set[str] = set()
        self._changing = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[None] | None = None
        self._abandoned = threading.Event()
        self._loaded: Loaded | None = None

    def start(self) -> None:
        """Begin to load."""
        self._starting = asyncio.create_task(self._start())

    async def ready(self) -> None:
        """Wait until it serves.

        Raises:
            WorkerError: it will not; the message says why.
        """
        assert self._starting is not None
        await asyncio.shield(self._starting)

    async def close(self, grace: float) -> None:
        """Take nothing more; finish what runs within `grace` seconds and tell the rest."""
        self.state = "stopping"
        self._abandoned.set()
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._loaded is not None:
            await self._loaded.batcher.close(grace)
            if self._loaded.embeddings is not None:
                self._loaded.embeddings.close()

    async def ended(self) -> None:
        """Wait until the model answers no more, once it is ready.

        Raises:
            WorkerError: a fault ended it.
        """
        await self.batcher.ended()
        if self.state == "ready":
            self.state, self.failure = "failed", "The model's thread ended; the log says why."
            raise WorkerError(self.failure)

    @property
    def batcher(self) -> Batcher:
        """What answers; only once it is ready."""
        return self._need().batcher

    @property
    def embeddings(self) -> Embeddings | None:
        """The model of embeddings, where one is served."""
        return self._loaded.embeddings if self._loaded is not None else None

    @property
    def adapters(self) -> Mapping[str, str]:
        """Where each adapter that may be asked for comes from."""
        return {name: path for name, path in self._paths.items() if name not in self._leaving}

    @property
    def device(self) -> torch.device | None:
        """Where the model is, once it is loaded."""
        return self._loaded.device if self._loaded is not None else None

    def check_ready(self) -> None:
        """Raises Refusal unless requests are taken."""
        if self.state == "loading":
            raise Refusal(
                503,
                f"The model is loading: {self.share:.0%} done.",
                code="loading",
                retry_after=LOADING_RETRY_SECONDS,
            )
        if self.state == "stopping":
            raise Refusal(503, "The worker is stopping.", code="stopping")
        if self.state == "failed":
            raise Refusal(503, f"The worker cannot serve: {self.failure}", code="failed")

    def named(self, model: str | None) -> tuple[str, str | None]:
        """The name, and the adapter where it is one's; without a name the base model's.

        Raises:
            Refusal: nothing of that name is served.
        """
        if model is None or model == self.name:
            return self.name, None
        if model in self.adapters:
            return model, model
        names = ", ".join([self.name, *self.adapters])
        raise Refusal(
            404,
            f"The model {model[:200]!r} does not exist here; there are {names}.",
            param="model",
            code="model_not_found",
        )

    @contextmanager
    def using(self, adapter: str | None) -> Iterator[None]:
        """Keeps an adapter from being unloaded while the block runs."""
        if adapter is None:
            yield
            return
        self._used[adapter] += 1
        try:
            yield
        finally:
            self._used[adapter] -= 1
            self._freed.set()

    async def encode(
        self, messages: Sequence[Mapping[str, str]], switches: Mapping[str, Any] | None
    ) -> list[int]:
        """The prompt's tokens.

        Raises:
            Refusal: it is far too long.
            UnfitMessages: the model's template does not take these messages.
        """
        characters = sum(len(each["content"]) for each in messages)
        if characters > self.context * CHARACTERS_A_TOKEN:
            raise Refusal(
                400,
                f"The prompt has {characters:,} characters; the limit is {self.context:,} tokens with the answer.",
                param="messages",
                code="context_length_exceeded",
            )
        return await asyncio.to_thread(self._need().template.encode, messages, switches)

    async def load_adapter(self, name: str, path: str) -> None:
        """Serve one more adapter, while others are answered; done to its end even when whoever asked has gone.

        Raises:
            WorkerError: the name is taken, there is none, or it does not fit; nothing has changed.
        """
        await self._unbroken(self._load(name, path))

    async def unload_adapter(self, name: str) -> None:
        """Serve an adapter no more: new requests are refused at once, those that run with it are finished first.

        Raises:
            KeyError: there is none of that name.
        """
        await self._unbroken(self._unload(name))

    async def _unbroken(self, change: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        await asyncio.shield(task)

    async def _load(self, name: str, path: str) -> None:
        async with self._changing:
            if name in self._paths or name == self.name:
                raise WorkerError(f"A model named {name} is served already.")
            adapters = self._need().adapters
            await self.batcher.between_steps(lambda: adapters.load(name, path))
            self._paths[name] = path

    async def _unload(self, name: str) -> None:
        async with self._changing:
            if name not in self._paths:
                raise KeyError(name)
            adapters = self._need().adapters
            self._leaving.add(name)
            try:
                while self._used[name]:
                    self._freed.clear()
                    await self._freed.wait()
                await self.batcher.between_steps(lambda: adapters.unload(name))
                del self._paths[name]
            finally:
                self._leaving.discard(name)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Loaded] = loop.create_future()

        def tell(what: Callable[..., None], *arguments: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(what, *arguments)

        def report(share: float) -> None:
            if self._abandoned.is_set():
                raise _Abandoned
            tell(self._move, share)

        def settle(loaded: Loaded | None, error: Exception | None) -> None:
            if done.done():
                return
            if loaded is not None:
                done.set_result(loaded)
            else:
                done.set_exception(error or WorkerError("Loading ended without a model."))

        def work() -> None:
            loaded: Loaded | None = None
            failure: Exception | None = None
            try:
                from engine.worker.loading import load

                loaded = load(self.plan, self._observe, report)
            except _Abandoned:
                return
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
                failure = error
            tell(settle, loaded, failure)

        # A daemon: a process that is told to stop does not wait for the rest of a model.
        threading.Thread(target=work, name="loading", daemon=True).start()
        try:
            loaded = await done
            await loaded.batcher.start()
        except Exception as error:
            self.state, self.failure = "failed", str(error)
            raise
        self._loaded = loaded
        self.context = loaded.batcher.context
        self.state, self.share = "ready", 1.0

    def _move(self, share: float) -> None:
        self.share = share
        self._tell(share)

    def _need(self) -> Loaded:
        assert self._loaded is not None
        return self._loaded
