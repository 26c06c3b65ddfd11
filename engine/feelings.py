"""Moods told without naming them ("면접 떨어졌어"): the example sentences of the lexicon that are nearest in meaning."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.embedder import Embedder, Vectors
from engine.lexicon import read
from engine.text import squeeze

LEAST_CHARS: Final = 4
FLOOR, DEVIATIONS = 0.045, 2.0
"""How much nearer than the average example the nearest must be for its mood to be taken: in cosine, and in
standard deviations of the examples. Requests that tell no mood stay below both (`docs/log.md`). Both were measured
with the embedder that ships: whatever the index is made with, moods are told by that one."""


def examples() -> list[tuple[str, str]]:
    """Every mood with an example sentence of it."""
    return [(mood, sentence) for mood, lines in read("feelings").items() for sentence in lines]


class Feelings:
    """The examples' vectors, made when they are first needed."""

    def __init__(self, embedder: Embedder) -> None:
        """`embedder` is the bundled one."""
        self._embedder = embedder
        self._moods = [mood for mood, _ in examples()]
        self._vectors: Vectors | None = None

    async def felt(self, text: str) -> tuple[str, ...]:
        """The mood whose example is nearest, if one clearly is."""
        if len(squeeze(text)[0]) < LEAST_CHARS:
            return ()
        if self._vectors is None:
            self._vectors = await self._embedder.passages([sentence for _, sentence in examples()])
        cosines = self._vectors @ await self._embedder.query(text)
        nearest = int(np.argmax(cosines))
        lead = float(cosines[nearest] - np.mean(cosines))
        clear = lead >= max(FLOOR, DEVIATIONS * float(np.std(cosines)))
        return (self._moods[nearest],) if clear else ()
