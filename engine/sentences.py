"""Whole sentences out of a streamed text, as they end, in Korean and English.

Nothing is lost and nothing doubled: what it gave, joined, is what it was fed. Knows nothing of what is said.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 1_000
"""Characters after which what has no end is given away as it stands: a model that runs on never stops."""

_STOP: Final = re.compile(r"(?:(?<![.…])\.|[!?。！？]+)[\"'”’」』》〉)\]]{0,8}(?=\s)|\n")
"""What ends a sentence; dots that trail off ("글쎄… 그래도") do not."""
_ABBREVIATED: Final = re.compile(
    r"(?:^|[\s(\"'“‘])(?:(?:[A-Z]\.)*[A-Z]|Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|vs|No|Vol|etc|e\.g|i\.e)\.$"
)
_NUMBERED: Final = re.compile(r"(?:^|\n)\s*\d{1,2}\.$")
"""The number of a line of a list: "1. "."""
_REACH: Final = 16
"""Characters before the end of the text in which a stop may stand that what comes next decides."""


class Sentences:
    """Takes deltas, gives sentences with the blanks that follow them."""

    def __init__(self) -> None:
        self._text = ""
        self._seen = 0  # no sentence ends before here

    def feed(self, delta: str) -> list[str]:
        """The sentences that are whole by now: what follows a stop decides, so the last one waits for it."""
        self._text += delta
        whole: list[str] = []
        while (end := self._end()) is not None:
            whole.append(self._text[:end])
            self._text, self._seen = self._text[end:], 0
        return whole

    def rest(self) -> str:
        """What is left when the text has ended; empty where all was given."""
        rest, self._text, self._seen = self._text, "", 0
        return rest

    def _end(self) -> int | None:
        """Where the first sentence ends, its blanks with it."""
        for stop in _STOP.finditer(self._text, self._seen, LONGEST + 1):
            head = self._text[: stop.end()]
            if not head.strip() or _ABBREVIATED.search(head[-16:]) or _NUMBERED.search(head):
                continue
            rest = self._text[stop.end() :]
            blanks = len(rest) - len(rest.lstrip())
            return None if blanks == len(rest) else stop.end() + blanks
        if len(self._text) > LONGEST:
            return LONGEST
        self._seen = max(0, len(self._text.rstrip()) - _REACH)
        return None
