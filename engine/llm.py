"""The worker's client: asks whatever speaks OpenAI's protocol, each time within a budget, and never at the cost of a
person's patience: while nobody answers, asking costs nothing.

Knows neither prompts nor what the answers are for. What the worker is told, and its key, reach no log and no error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final, Literal, TypeVar

from engine.address import base
from engine.breaker import Breaker
from engine.completion import (
    Completion,
    Letters,
    Unavailable,
    alternatives,
    retry_after,
    tally,
    thinks,
    told,
    used,
)
from engine.connection import connect
from engine.errors import EngineError
from engine.stream import Stream

ADAPTERS: Final = ("reply", "rank", "question")
CONNECT_SECONDS: Final = 0.3
PROBE_SECONDS: Final = 3.0
"""How long a list of models may take; nobody waits for it."""
TOP: Final = 20
"""Alternatives of a first token that are asked for: vLLM gives no more."""
LOOK_SECONDS: Final = 60.0
"""How long it may take until an adapter that came while everything runs is asked."""
LONGEST: Final = 100_000
"""Characters of an answer that is meant to be JSON; a longer one is none."""
STRIKES, REST_SECONDS = 3, 600.0
"""Answers by a schema in a row that are no JSON, or too late, until the server is taken to be unable to; and how
long that is believed of one that is only slow."""

Message = Mapping[str, str]
Skill = Literal["letters", "json", "usage"]
"""What not every server can do: log-probabilities, keeping a schema, telling the tokens of a stream."""
T = TypeVar("T")

_ASKS: Final[Mapping[Skill, Sequence[str]]] = {
    "letters": ("logprobs",),
    "json": ("response_format", "json_schema", "grammar", "guided"),
    "usage": ("stream_options",),
}
"""Words by which a refusal tells what the server cannot do."""

logger = logging.getLogger(__name__)


class LLM:
    """One for the process. Every call raises `Unavailable`, and nothing else, where there is no answer."""

    def __init__(
        self,
        url: str,
        key: str = "",
        model: str = "",
        *,
        prompt: Literal["short", "full"] = "short",
        breaker: Breaker | None = None,
    ) -> None:
        """`url` with or without /v1; `model` answers where an adapter is not served, or what is listed first;
        `prompt` is the size that whoever writes with it is to use.

        Raises EngineError when the package that it needs is not installed.
        """
        if find_spec("openai") is None:
            raise EngineError(
                "ONEULMWO_LLM_URL is set, but what asks it is missing: run `pip install 'oneulmwo[llm]'`."
            )
        self._url = base(url)
        self._key, self.model, self.prompt = key, model, prompt
        self.models: tuple[str, ...] = ()
        """What the server serves, as far as it is known."""
        self.counts: Counter[str] = Counter()
        """Calls, probes, tokens, and failures by kind, since the start."""
        self._breaker = breaker or Breaker()
        self._cannot: dict[Skill, float] = {}
        """What the server cannot do, and until when (of the clock `time.monotonic`) that is believed."""
        self._strikes = 0
        self._looked = time.monotonic()
        self._openai: Any = None
        self._client: Any = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._why = Unavailable("open")

    @property
    def available(self) -> bool:
        """Whether asking makes sense now; costs nothing to read."""
        return self._breaker.allows

    def can(self, skill: Skill) -> bool:
        """Whether the server can do something, as far as it is known."""
        return time.monotonic() >= self._cannot.get(skill, 0.0)

    def serves(self, adapter: str) -> bool:
        """Whether the server lists an adapter."""
        return adapter in self.models

    def start(self) -> None:
        """Begin to load the client and to ask which models there are, beside everything else; needs a running
        loop."""
        if "begin" not in self._tasks:
            self._tasks["begin"] = asyncio.create_task(self._begin())

    async def ready(self) -> bool:
        """Wait until the server was first asked for its models; whether it may be asked for more."""
        self.start()
        await asyncio.shield(self._tasks["begin"])
        return self.available

    async def close(self) -> None:
        """Ask nothing any more; what is being asked breaks off."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def look(self, seconds: float = PROBE_SECONDS) -> tuple[str, ...]:
        """Ask the server for its models, whatever state the breaker is in; none where it lists none."""
        await self._load()
        try:
            async with asyncio.timeout(seconds):
                page = await self._client.models.list()
            self.models = tuple(str(model.id)[:200] for model in page.data[:200])
        except Exception as error:  # noqa: BLE001 (a server's garbage raises anything)
            failure = self._told(error)
            if failure.status not in (404, 405):
                raise failure from None
            self.models = ()
        return self.models

    async def text(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None,
        max_tokens: int,
        budget: float,
        stop: Sequence[str] = (),
        seed: int | None = None,
        temperature: float = 0.7,
    ) -> Completion:
        """A whole answer within `budget` seconds."""
        body = _body(messages, adapter, max_tokens, temperature, stop, seed)
        return await self._asked(body, budget, lambda answer: self._read(answer, body))

    def stream(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None,
        max_tokens: int,
        budget_first: float,
        budget_all: float,
        stop: Sequence[str] = (),
        seed: int | None = None,
        temperature: float = 0.7,
    ) -> Stream:
        """An answer as it is written: the first words within `budget_first` seconds, all within `budget_all`."""
        body = _body(messages, adapter, max_tokens, temperature, stop, seed) | {"stream": True}
        if self.can("usage"):
            body["stream_options"] = {"include_usage": True}
        return Stream(self, body, budget_first, budget_all)

    async def json(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any],
        *,
        adapter: str | None,
        max_tokens: int,
        budget: float,
    ) -> dict[str, Any]:
        """An object that the server was asked to make by a JSON schema; it may break it all the same."""
        self._needs("json")
        made = {"name": "answer", "schema": schema}
        body = _body(messages, adapter, max_tokens, 0.0) | {
            "response_format": {"type": "json_schema", "json_schema": made}
        }
        try:
            text = (await self._asked(body, budget, lambda answer: self._read(answer, body))).text
        except Unavailable as failure:
            self._strike(failure.kind == "slow", REST_SECONDS)
            raise
        try:
            whole = json.loads(text) if len(text) <= LONGEST else None
        except (ValueError, RecursionError):
            whole = None
        self._strike(not isinstance(whole, dict))
        if not isinstance(whole, dict):
            self.counts["garbage"] += 1
            raise Unavailable("garbage")
        return whole

    async def letters(
        self,
        messages: Sequence[Message],
        letters: Sequence[str],
        *,
        adapter: str | None,
        budget: float,
        seed: int | None = None,
    ) -> Letters:
        """How likely each letter is as the first token of the answer: one forward pass, nothing written."""
        self._needs("letters")
        body = _body(messages, adapter, 1, 1.0, (), seed) | {"logprobs": True, "top_logprobs": TOP}

        def read(answer: Any) -> Letters:
            tokens = alternatives(answer)
            if tokens is None:
                self._lacks("letters")
                raise Unavailable("lacking")
            made = self.completion("", body, "length", used(answer))
            return Letters(
                tally(tokens, letters), made.model, made.adapter, made.prompt_tokens, made.completion_tokens
            )

        return await self._asked(body, budget, read)

    async def _asked(self, body: dict[str, Any], budget: float, read: Callable[[Any], T]) -> T:
        self.admit()
        try:
            async with asyncio.timeout(budget):
                found = read(await self.create(body))
        except Exception as error:  # noqa: BLE001 (of the client's versions each raises its transport's own)
            raise self.failed(error) from None
        self.lives()
        return found

    def _read(self, answer: Any, body: dict[str, Any]) -> Completion:
        choice = answer.choices[0]
        text = choice.message.content or ""
        thinks(text)
        return self.completion(text, body, choice.finish_reason or "stop", used(answer))

    def admit(self) -> None:
        """Raises Unavailable while nothing is to be asked."""
        if not self.available:
            self.counts["open"] += 1
            raise Unavailable("open")
        if not set(ADAPTERS) <= set(self.models) and time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            self._beside("look", self._probe)  # an adapter may have come

    async def create(self, body: dict[str, Any]) -> Any:
        """Send a request to the adapter that it names in "model", or to what is served instead of it."""
        self.counts["calls"] += 1
        if not await self.ready():  # as was found while starting
            raise Unavailable(self._why.kind, self._why.status)
        if body["model"] not in self.models:
            body["model"] = self._base()
        return await self._client.chat.completions.create(**body)

    def completion(self, text: str, body: dict[str, Any], finish: str, spent: tuple[int, int]) -> Completion:
        """What a whole answer came to; its tokens are counted."""
        self.counts["prompt_tokens"] += spent[0]
        self.counts["completion_tokens"] += spent[1]
        model = body["model"]
        return Completion(text, model, model if model in ADAPTERS else None, finish, *spent)

    def lives(self) -> None:
        """There is an answer."""
        self._breaker.succeeded()

    def failed(self, error: Exception, *, late: bool = False) -> Unavailable:
        """What a failure is called; it is counted, and the breaker told of it. `late` says that part of the answer
        came: whoever writes is there, however long it writes."""
        failure = self._told(error)
        self.counts[failure.kind] += 1
        logger.info("%s [%s]", failure, type(error).__name__)
        begun = "begin" in self._tasks and self._tasks["begin"].done()
        ours = failure.kind == "lacking" or failure.status in (400, 413, 422)
        if not begun or ours or (late and failure.kind == "slow"):
            return failure
        if self._breaker.failed(at_once=failure.kind == "refused", hold=retry_after(error)):
            self._opened(failure)
        elif failure.status == 404:
            self._beside("look", self._probe)  # an adapter may have gone
        return failure

    def _base(self) -> str:
        bases = [name for name in self.models if name not in ADAPTERS] or list(self.models)
        return self.model or (bases[0] if bases else "default")

    def _needs(self, skill: Skill) -> None:
        if not self.can(skill):
            self.counts["lacking"] += 1
            raise Unavailable("lacking")

    def _strike(self, missed: bool, seconds: float = math.inf) -> None:
        self._strikes = self._strikes + 1 if missed else 0
        if self._strikes >= STRIKES:
            self._strikes = 0
            self._lacks("json", seconds)

    def _lacks(self, skill: Skill, seconds: float = math.inf) -> None:
        if self.can(skill):
            self._cannot[skill] = time.monotonic() + seconds
            logger.warning("The worker's server cannot do what %s needs; it is done without.", skill)

    async def _load(self) -> None:
        if self._client is not None:
            return
        self._openai, self._client = await connect(self._url, self._key, CONNECT_SECONDS)

    async def _begin(self) -> None:
        await self._load()
        failure = await self._probe()
        if failure is not None and self._breaker.failed(at_once=True):
            self._opened(failure)

    async def _probe(self) -> Unavailable | None:
        """Learn which models there are; what kept it from that, if anything did."""
        self.counts["probes"] += 1
        try:
            await self.look()
        except Unavailable as failure:
            logger.info("The worker lists no models: %s", failure)
            return failure
        return None

    def _opened(self, failure: Unavailable) -> None:
        self._why = failure
        logger.warning("%s The embedded parts go on without it until it answers.", failure)
        self._beside("mend", self._mend)

    async def _mend(self) -> None:
        while self._breaker.state == "open":
            await asyncio.sleep(self._breaker.pause)
            self._breaker.probed(await self._probe() is None)
        self._cannot.clear()  # another server may stand there now
        self._strikes = 0
        logger.warning("The worker answers again.")

    def _beside(self, name: str, work: Callable[[], Any]) -> None:
        if name not in self._tasks or self._tasks[name].done():
            self._tasks[name] = asyncio.create_task(work())

    def _told(self, error: Exception) -> Unavailable:
        """The same failure in a word; what a server says that it cannot do is not asked of it again."""
        failure = told(error, self._openai)
        if failure.status in (400, 422, 501):
            message = str(error).lower()
            for skill, words in _ASKS.items():
                if any(word in message for word in words):
                    self._lacks(skill)
        return failure


def _body(
    messages: Sequence[Message],
    adapter: str | None,
    max_tokens: int,
    temperature: float,
    stop: Sequence[str] = (),
    seed: int | None = None,
) -> dict[str, Any]:
    said = {"stop": list(stop)} if stop else {}
    dice = {"seed": seed} if seed is not None else {}
    return {
        "model": adapter, "messages": [dict(each) for each in messages], "max_tokens": max_tokens,
        "temperature": temperature, **said, **dice,
    }  # fmt: skip
