"""What a worker's answer is, and what there is instead of one; reading it out of whatever a server sends.

Knows no connection.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.errors import EngineError

THINKS: Final = "<think>"
"""How an answer begins that is no answer yet."""

Kind = Literal["refused", "slow", "cut", "status", "garbage", "open", "lacking"]
"""Why there is no answer: nobody listens; the budget was over; it broke off; an error by its number; nothing that
can be read; not asked, as nobody answered lately; not asked, as the server cannot do it."""

_WORDS: Final[Mapping[Kind, str]] = {
    "refused": "The worker cannot be reached.",
    "slow": "The worker did not answer in time.",
    "cut": "The worker's answer broke off.",
    "status": "The worker refused to answer.",
    "garbage": "The worker's answer could not be read.",
    "open": "The worker is not asked for a while, after it did not answer.",
    "lacking": "The worker's server cannot do what is asked.",
}
_UNREACHED: Final = frozenset({"ConnectError", "ConnectTimeout"})
_SLOW: Final = frozenset({"ReadTimeout", "WriteTimeout", "PoolTimeout"})
"""Errors as httpx and httpx2 call them, one of which `openai` brings."""


class Unavailable(EngineError):
    """There is no answer, and the embedded parts have to do; `kind` says why."""

    def __init__(self, kind: Kind, status: int | None = None) -> None:
        super().__init__(_WORDS[kind] + (f" ({status})" if status is not None else ""))
        self.kind: Kind = kind
        self.status = status


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `adapter` is the one that wrote it, None where the base model did; `finish` is "stop", or "length"
    when it was cut at the most tokens."""

    text: str
    model: str
    adapter: str | None = None
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Letters:
    """Log-probabilities of the letters that came back as a first token."""

    logprobs: Mapping[str, float]
    model: str
    adapter: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


def tally(tokens: Iterable[tuple[Any, Any]], letters: Sequence[str]) -> dict[str, float]:
    """The log-probability of each letter that came back: its spellings (" A", "A", full-width) together."""
    asked, found = frozenset(letters), dict[str, float]()
    for token, logprob in tokens:
        if (
            not isinstance(token, str)
            or not isinstance(logprob, int | float)
            or not -math.inf < logprob <= 0.01
        ):
            continue
        letter = unicodedata.normalize("NFKC", token.replace("▁", " ")).strip()
        if letter in asked:
            before = found.get(letter, -math.inf)
            high, low = max(before, logprob), min(before, logprob)
            found[letter] = min(0.0, high + math.log1p(math.exp(low - high)))
    return found


def alternatives(answer: Any) -> list[tuple[Any, Any]] | None:
    """The first token's alternatives; None where the server gives none. llama.cpp's server had a way of its own."""
    logprobs = getattr(answer.choices[0], "logprobs", None)
    content = getattr(logprobs, "content", None)
    if content:
        return [(each.token, each.logprob) for each in content[0].top_logprobs]
    for place in (answer, answer.choices[0]):
        listed = (getattr(place, "model_extra", None) or {}).get("completion_probabilities")
        if listed:
            first = listed[0]
            if "probs" in first:  # until 2024: probabilities
                return [
                    (each["tok_str"], math.log(each["prob"])) for each in first["probs"] if each["prob"] > 0
                ]
            return [(each["token"], each["logprob"]) for each in first["top_logprobs"]]
    return None


def used(answer: Any) -> tuple[int, int]:
    """Tokens of the prompt and of the answer; nought where the server does not tell."""
    usage = getattr(answer, "usage", None)
    prompt, completion = (
        value if isinstance(value := getattr(usage, name, 0), int) else 0
        for name in ("prompt_tokens", "completion_tokens")
    )
    return prompt, completion


def thinks(text: str) -> bool | None:
    """Whether an answer begins with thoughts that nobody is to read: False when it does not, None while it may.

    Raises ValueError when it does: the server's thinking has to be switched off.
    """
    start = text.lstrip()
    if start.startswith(THINKS):
        raise ValueError("thoughts")
    return None if THINKS.startswith(start) else False


def told(error: Exception, openai: Any) -> Unavailable:
    """A failure in a word, and nothing of what was sent; `openai` is the package, None while it is not loaded."""
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, TimeoutError):
        return Unavailable("slow")
    if openai is None:
        return Unavailable("refused")
    if isinstance(error, openai.APIStatusError):
        return Unavailable("status", error.status_code)
    match type(error.__cause__ or error).__name__:
        case name if name in _UNREACHED:
            return Unavailable("refused")
        case name if name in _SLOW:
            return Unavailable("slow")
    transport = type(error).__module__.startswith("httpx") or isinstance(error, openai.APIError)
    unread = isinstance(error, openai.APIResponseValidationError)
    return Unavailable("cut" if transport and not unread else "garbage")


def retry_after(error: Exception) -> float:
    """Seconds that a busy server asks for; nought where it does not say."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return float(headers.get("retry-after", 0)) if getattr(error, "status_code", 0) in (429, 503) else 0.0
    except ValueError:
        return 0.0
