"""Ranking without writing: the candidates get letters, and how likely each is as the first token of an answer orders
them (the verbalizer of LlamaRec, Yue et al., 2023): one forward pass for twenty candidates.

Knows how letters become scores, not how scores become an order (`ranking.py`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from data.item import Item
from data.phrases import Language
from engine import prompts
from engine.completion import Unavailable
from engine.llm import LLM
from engine.prompts import Line
from engine.ranking import Ranked
from engine.request import Request

LETTERS: Final = "ABCDEFGHIJKLMNOPQRST"
FRESH: Final = 0.1
"""What a candidate may have lost (`ranking.STALE`) and be judged all the same: what was shown lately has sunk for a
reason that no model is told."""
MISSED: Final = 0.5
"""What a letter that did not come back is worth of the least likely one that did."""

FAR: Final = 30.0
"""How much less likely than the likeliest letter, in log-probability, any is taken to be at most."""

HEEDED: Final = 0.1
"""How likely any letter at all must be: a model that would rather write something else has not judged."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model thinks of candidates, by id, 0 to 1; empty where there was nothing to choose between."""

    scores: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    adapter: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


NO_OPINION: Final = Judgement()


def lettered(ranked: Sequence[Ranked], seed: int) -> list[Item]:
    """The candidates to be judged, as many as there are letters at most, in an order that tells nothing.

    What was asked for by its name is not among them, nor is what was shown lately: both keep their places.
    """
    judged = [
        each.item
        for each in ranked
        if "named" not in each.candidate.places and each.parts.get("stale", 0.0) < FRESH
    ][: len(LETTERS)]
    random.Random(f"letters{seed}").shuffle(judged)  # noqa: S311
    return judged


def scores(logprobs: Mapping[str, float], ids: Sequence[str]) -> dict[str, float]:
    """A score for each id, the first of which is letter A: how likely its letter is among those that came back.

    Letters that did not come back share a score below all of those. Without any that did, there are no scores.
    """
    came = {letter: logprobs[letter] for letter in LETTERS[: len(ids)] if letter in logprobs}
    if not came:
        return {}
    most = max(came.values())
    weights = {letter: math.exp(max(logprob - most, -FAR)) for letter, logprob in came.items()}
    whole = sum(weights.values())
    missed = MISSED * min(weights.values()) / whole
    return {
        each: weights[letter] / whole if letter in weights else missed
        for letter, each in zip(LETTERS, ids, strict=False)
    }


async def judged(
    llm: LLM,
    ranked: Sequence[Ranked],
    request: Request,
    persona: Sequence[str],
    talk: Sequence[Line],
    language: Language,
    *,
    seed: int,
    budget: float,
) -> Judgement:
    """What the `rank` adapter thinks of the best candidates, within `budget` seconds. Raises Unavailable."""
    items = lettered(ranked, seed)
    if len(items) < 2:
        return Judgement()
    letters = LETTERS[: len(items)]
    messages = prompts.rank(request, persona, talk, items, language, letters)
    answer = await llm.letters(messages, letters, adapter="rank", budget=budget, seed=seed)
    found = scores(answer.logprobs, [item.id for item in items])
    if sum(map(math.exp, answer.logprobs.values())) < HEEDED:
        llm.counts["garbage"] += 1
        raise Unavailable("garbage")
    return Judgement(found, answer.model, answer.adapter, answer.prompt_tokens, answer.completion_tokens)
