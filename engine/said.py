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
        self.heard: Final = Counter(self.kept)
        """How often each was told lately, by its `mark`."""

    def times(self, sentence: str) -> int:
        """How often it was told lately."""
        return self.heard.get(mark(sentence), 0)

    def add(self, *sentences: str) -> None:
        told = [mark(sentence) for sentence in sentences]
        self.kept += told
        self.heard.update(told)
        for forgotten in self.kept[:-KEPT]:
            self.heard[forgotten] -= 1
            if not self.heard[forgotten]:
                del self.heard[forgotten]
        del self.kept[:-KEPT]


@lru_cache(16_384)
def mark(sentence: str) -> int:
    """What a sentence is remembered by."""
    return crc32(sentence.encode())
