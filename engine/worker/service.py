"""What is served: the model with its adapters, batcher and embeddings; how it comes up, and how far it has come.

Loading runs in a thread, so that whoever asks meanwhile is told how far it is. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.worker.adapters import Adapters
from engine.worker.batcher import Batcher
from engine.worker.embeddings import Embeddings
from engine.worker.errors import WorkerError
from engine.worker.model import load_model, load_tokenizer
from engine.worker.observer import Observer
from engine.worker.protocol import Refusal
from engine.worker.stepper import Limits
from engine.worker.template import Template

GIB: Final = 1 << 30
CPU_CACHE_BYTES: Final = GIB
GPU_RESERVE: Final = 0.1
"""Share of a GPU's memory that stays free for what a step needs beside weights and cache."""
CONTEXT: Final = 8_192
CHARACTERS_A_TOKEN: Final = 32
"""A text with more characters than that a token of the limit is too long without being tokenized."""
LOADING_RETRY_SECONDS: Final = 5.0

State = Literal["loading", "ready", "stopping", "failed"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be served, and within which limits."""

    model: str
    """A folder, or a name on the Hugging Face hub."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Folders by the names that requests ask for."""
    device: str = "auto"
    nf4: bool = True
    context: int | None = None
    """Tokens of a request with its answer; without one, 8,192 or what the model has."""
    cache_bytes: int | None = None
    """Without one: on a GPU what is left there less a reserve, on a CPU 1 GiB."""
    rows: int = 32
    queue: int = 64
    seconds: float = 120.0
    """How long a request may take, its waiting included."""
    embeddings: str | None = None

    @property
    def name(self) -> str:
        """What requests call the base model: a folder's own name, or its name on the hub."""
        path = Path(self.model).expanduser()
        return path.resolve().name if path.is_dir() else self.model


class _Abandoned(BaseException):
    """Nobody waits for this model any more; no handler of errors may take it for one of loading."""


@dataclass(slots=True)
class _Loaded:
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    adapters: Adapters
    embeddings: Embeddings | None


class Service:
    """A plan, coming up or up. `start` returns at once; `ready` waits."""

    def __init__(self, plan: Plan, observe: Observer, tell: Callable[[float], None] = lambda share: None) -> None:
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
        self._starting: asyncio.Task[None] | None = None
        self._abandoned = threading.Event()
        self._loaded: _Loaded | None = None
        self._batcher: Batcher | None = None
        self._template: Template | None = None

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
        if self._batcher is not None:
            await self._batcher.close(grace)
        if self._loaded is not None and self._loaded.embeddings is not None:
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
        assert self._batcher is not None
        return self._batcher

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
        return self._loaded.model.device if self._loaded is not None else None

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

    async def encode(self, messages: Sequence[Mapping[str, str]], switches: Mapping[str, Any] | None) -> list[int]:
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
        assert self._template is not None
        return await asyncio.to_thread(self._template.encode, messages, switches)

    async def load_adapter(self, name: str, path: str) -> None:
        """Serve one more adapter, while others are answered.

        Raises:
            WorkerError: the name is taken, there is none, or it does not fit; nothing has changed.
        """
        async with self._changing:
            if name in self._paths or name == self.name:
                raise WorkerError(f"A model named {name} is served already.")
            loaded = self._need()
            await self.batcher.between_steps(lambda: loaded.adapters.load(name, path))
            self._paths[name] = path

    async def unload_adapter(self, name: str) -> None:
        """Serve an adapter no more: new requests are refused at once, those that run with it are finished first.

        Raises:
            KeyError: there is none of that name.
        """
        async with self._changing:
            if name not in self._paths:
                raise KeyError(name)
            loaded = self._need()
            self._leaving.add(name)
            try:
                while self._used[name]:
                    self._freed.clear()
                    await self._freed.wait()
                await self.batcher.between_steps(lambda: loaded.adapters.unload(name))
                del self._paths[name]
            finally:
                self._leaving.discard(name)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Loaded] = loop.create_future()

        def tell(what: Callable[..., None], *arguments: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(what, *arguments)

        def report(share: float) -> None:
            if self._abandoned.is_set():
                raise _Abandoned
            tell(self._move, share)

        def settle(loaded: _Loaded | None, error: Exception | None) -> None:
            if done.done():
                return
            if loaded is not None:
                done.set_result(loaded)
            else:
                done.set_exception(error or WorkerError("Loading ended without a model."))

        def work() -> None:
            loaded: _Loaded | None = None
            failure: Exception | None = None
            try:
                loaded = _load(self.plan, report)
            except _Abandoned:
                return
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
                failure = error
            tell(settle, loaded, failure)

        # A daemon: a process that is told to stop does not wait for the rest of a model.
        threading.Thread(target=work, name="loading", daemon=True).start()
        try:
            loaded = await done
            limits = await asyncio.to_thread(self._limits, loaded)
            batcher = Batcher(loaded.adapters, loaded.tokenizer, limits, self._observe)
            await batcher.start()
        except Exception as error:
            self.state, self.failure = "failed", str(error)
            raise
        self._template = Template(loaded.tokenizer)
        self.context = batcher.context
        self._loaded, self._batcher = loaded, batcher
        self.state, self.share = "ready", 1.0

    def _move(self, share: float) -> None:
        self.share = share
        self._tell(share)

    def _limits(self, loaded: _Loaded) -> Limits:
        plan = self.plan
        config = loaded.model.config.get_text_config()
        positions = getattr(config, "max_position_embeddings", None) or CONTEXT
        if plan.context is not None and plan.context > positions:
            raise WorkerError(f"{self.name} reads {positions:,} tokens at most: give --context {positions} or less.")
        return Limits(
            context=plan.context or min(CONTEXT, positions),
            cache_bytes=plan.cache_bytes or _spare_bytes(loaded.model.device),
            rows=plan.rows,
            queue=plan.queue,
            seconds=plan.seconds,
        )

    def _need(self) -> _Loaded:
        assert self._loaded is not None
        return self._loaded


def _load(plan: Plan, report: Callable[[float], None]) -> _Loaded:
    for name, path in plan.adapters.items():
        if not Path(path).is_dir():
            raise WorkerError(f"There is no folder {path} for the adapter {name}.")
    tokenizer = load_tokenizer(plan.model)
    model = load_model(plan.model, nf4=plan.nf4, device=plan.device, progress=report)
    adapters = Adapters(model, reserved=(plan.name,))
    for name, path in plan.adapters.items():
        adapters.load(name, path)
    embeddings = Embeddings(plan.embeddings, str(model.device)) if plan.embeddings is not None else None
    report(1.0)
    return _Loaded(model, tokenizer, adapters, embeddings)


def _spare_bytes(device: torch.device) -> int:
    """What the cache may have where nobody said."""
    if device.type != "cuda":
        return CPU_CACHE_BYTES
    torch.cuda.empty_cache()
    free, whole = torch.cuda.mem_get_info(device)
    spare = int(free - whole * GPU_RESERVE)
    if spare < GIB // 8:
        raise WorkerError(
            f"{free / GIB:.1f} GB of the GPU are free beside the model, too little for any request: "
            "free some, or give --nf4, a smaller model or --cache."
        )
    return spare
