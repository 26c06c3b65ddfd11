"""What a person was told lately, so that it is told otherwise the next time.

Knows sentences by a short hash only: what is kept of a talk tells nobody what was talked about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from zlib import crc32

KEPT: Final = 400
"""How many sentences are remembered: those of about 130 recommendations."""


class Said:
    """Sentences told, oldest first, and how often each; `kept` is what to make the next one of."""

    def __init__(self, kept: Iterable[int] = ()) -> None:
        self.kept: list[int] = list(kept)[-KEPT:]
        self._times = Counter(self.kept)

    def times(self, sentence: str) -> int:
        """How often it was told lately."""
        return self._times.get(_hash(sentence), 0)

    def add(self, *sentences: str) -> None:
        told = [_hash(sentence) for sentence in sentences]
        self.kept += told
        self._times.update(told)
        for forgotten in self.kept[:-KEPT]:
            self._times[forgotten] -= 1
            if not self._times[forgotten]:
                del self._times[forgotten]
        del self.kept[:-KEPT]


@lru_cache(16_384)
def _hash(sentence: str) -> int:
    return crc32(sentence.encode())
