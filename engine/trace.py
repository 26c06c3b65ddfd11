"""How an answer came about: what was found, what was chosen among, by whom, and how long each stage took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.candidates import Candidate, Method
from engine.ranking import Ranked
from engine.verbalizer import NO_OPINION, Judgement
from engine.version import Version

POLICY: Final = "embedded-2"
"""Names the way of choosing in stored exposures; changes whenever choosing changes."""
EMBEDDED: Final = "embedded"
"""What stands where no model did it."""


@dataclass(frozen=True, slots=True)
class Trace:
    """How an answer came about, for learning from it and for explaining it. Times are milliseconds."""

    policy: str
    method: int
    seed: int
    index_version: int | None
    candidates: tuple[dict[str, Any], ...]
    eligible: tuple[str, ...]
    propensity: tuple[float, ...]
    stages: dict[str, float]
    model: str = EMBEDDED
    adapter: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    ranker: str = EMBEDDED
    """What ordered the candidates: the model's name, or this."""
    writers: tuple[str, ...] = ()
    """Who wrote each pick's words, "model" or "embedded"; none where no model was asked."""
    refused: dict[str, int] = field(default_factory=dict)
    """Sentences of the model's that were not shown, by what was wrong with them."""


class Clock:
    """Milliseconds a stage."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._at = time.perf_counter()

    def stop(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = round((now - self._at) * 1000, 2)
        self._at = now


def traced(
    index: Version, method: Method, seed: int, candidates: Sequence[Candidate], ranked: Sequence[Ranked],
    chosen: Sequence[Ranked], clock: Clock, opinion: Judgement = NO_OPINION,
) -> Trace:  # fmt: skip
    """How an answer came about, before anything of it is put into a model's words."""
    scores = {r.item.id: r for r in ranked}
    return Trace(
        policy=f"{POLICY}.model" if opinion.scores else POLICY,
        method=method,
        seed=seed,
        index_version=index.number,
        candidates=tuple(
            {
                "id": c.item.id,
                "sources": c.places,
                "score": round(scores[c.item.id].score, 4),
                **{name: round(part, 4) for name, part in scores[c.item.id].parts.items()},
            }
            for c in candidates[:50]
        ),
        eligible=tuple(r.item.id for r in ranked),
        propensity=tuple(r.propensity for r in chosen),
        stages=clock.stages,
        prompt_tokens=opinion.prompt_tokens,
        completion_tokens=opinion.completion_tokens,
        ranker=opinion.model or EMBEDDED,
    )
