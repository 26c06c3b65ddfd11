"""One request on its way through the batch: what was asked, how far it has come, and what a step adds to it.

Knows neither model nor threads.
"""

import asyncio
import math
import random
import time
from dataclasses import dataclass, field
from typing import Literal

from engine.worker.grammar import Constraint
from engine.worker.transcript import Transcript

MOST_LOGPROBS = 20

Raw = bytes


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. Raises ValueError for what no request can mean."""

    max_tokens: int
    temperature: float = 1.0
    """0 takes the most likely token each time."""
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    """None: none are told; n: that of the chosen token, and the n most likely ones."""
    schema: str | None = None
    """A JSON schema, as JSON text, that the answer follows."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError("max_tokens is 1 or more")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError("temperature is 0 or more")
        if not 0 < self.top_p <= 1:
            raise ValueError("top_p is above 0 and at most 1")
        if self.logprobs is not None and not 0 <= self.logprobs <= MOST_LOGPROBS:
            raise ValueError(f"logprobs is 0 to {MOST_LOGPROBS}")
        if not all(self.stop):
            raise ValueError("a stop string has at least one character")


@dataclass(frozen=True, slots=True)
class Token:
    """One token that was chosen."""

    id: int
    text: str
    """What its bytes say alone; half a character reads as U+FFFD here."""
    bytes: Raw
    logprob: float = 0.0
    """By the model alone, before temperature, top_p and grammar; 0 where none was asked for."""
    top: tuple[tuple[int, str, Raw, float], ...] = ()
    """The most likely tokens at this place, best first: id, text, bytes, logprob."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens: of the prompt, of the answer (its end token included), and those of the prompt not computed again."""

    prompt: int
    completion: int
    cached: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What a step adds to an answer."""

    text: str
    """What may be shown now: whole characters, and nothing that may yet become a stop string."""
    tokens: tuple[Token, ...]
    finish: Literal["stop", "length"] | None = None
    usage: Usage | None = None
    """With the last piece."""


@dataclass(eq=False, slots=True)
class Sequence:
    """A request while it waits and runs. Only `cancelled` and `inbox` are touched by the event loop."""

    prompt: list[int]
    sampling: Sampling
    adapter: str | None
    limit: int
    """Tokens that it may generate."""
    deadline: float
    """By time.monotonic()."""
    transcript: Transcript
    constraint: Constraint | None = None
    inbox: asyncio.Queue[Piece | Exception] = field(default_factory=asyncio.Queue)
    cancelled: bool = False
    born: float = field(default_factory=time.monotonic)
    row: int = -1
    """Where its keys and values lie; -1 while it waits."""
    filled: int = 0
    """Columns of the row that hold keys and values."""
    last: int = -1
    """The token chosen last, which the next step reads."""
    made: int = 0
    """Tokens generated."""
    cached: int = 0
    """Tokens of the prompt whose keys and values were there already."""
    _random: random.Random = field(init=False)
    _luck: tuple[int, float] = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.sampling.seed)  # noqa: S311 - for sampling, not for secrets
        self._luck = 0, self._random.random()

    def luck(self) -> float:
        """The random number for the next token, the same until that is made: a step may have to be done again."""
        if self._luck[0] != self.made:
            self._luck = self.made, self._random.random()
        return self._luck[1]

    @property
    def reserved(self) -> int:
        """Columns that it may need."""
        return len(self.prompt) + self.limit

    @property
    def left(self) -> int:
        """Tokens of the prompt that are still to be read."""
        return len(self.prompt) - self.filled

    @property
    def usage(self) -> Usage:
        """What it has taken so far."""
        return Usage(len(self.prompt), self.made, self.cached)
