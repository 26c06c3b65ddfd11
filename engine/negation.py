"""What of a text is not wanted: the words before 말고 and 빼고, after "no", and those coordinated with them.

Knows nothing of what the words stand for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from engine.lexicon import Match, pattern, read

Span = tuple[int, int]
_TOO: Final = re.compile(r"(?:(?:너무|넘|지나치게)|\b(?:way )?too)\s*$", re.I)
_ALL_THE_SAME: Final = re.compile(r"\s*(?:어|아)?도\s*(?:돼|되|괜찮|좋|상관)")
_SEEMS: Final = re.compile(r"\s*(?:것|거|듯)")
_DEGREES: Final = ("spicy", "immersion", "length", "genres")
"""Of what there may be too much; who says 너무 지쳤다 turns nothing down."""


class Negation:
    """The rules, compiled from `data/lexicon/dialogue.toml`."""

    def __init__(self) -> None:
        words = read("dialogue")["words"]
        between = pattern(words["between"]).pattern
        self._after = re.compile(
            rf"(?:\s|{between}|지|하지|한|인)*?(?:{pattern(words['without']).pattern})", re.I
        )
        self._before = re.compile(
            rf"(?:{pattern(words['before_without']).pattern})"
            r"(?:\s|any|a|an|the|too|so|very|to|eat|have|watch|read|more|of|about|with|much|many|really|that|is|something)*$",
            re.I,
        )

    def spans(self, text: str, matches: Sequence[Match]) -> set[Span]:
        """The spans of those matches that are not wanted."""
        out: set[Span] = set()
        for match in sorted(matches, key=lambda m: -m.end):
            if (
                self._after.match(text[match.end :])
                or re.search(r"(?:^|\s)안\s*$", text[: match.start])
                or self._before.search(text[: match.start])
                or _is_too_much(text, match)
                or any(
                    re.fullmatch(r"\s*(?:이?랑|하고|과|와|이?나|및|도|,|·|/)\s*", text[match.end : start])
                    for start, _ in out
                )
            ):
                out.add((match.start, match.end))
        for match in sorted(matches, key=lambda m: m.start):
            if any(re.fullmatch(r"\s*(?:or|and|,|nor|/)\s*", text[end : match.start]) for _, end in out):
                out.add((match.start, match.end))
        return out

    def follows(self, text: str, end: int) -> bool:
        """Whether what ends there is turned down by what comes right after it."""
        return bool(self._after.match(text[end:]))

    def begins(self, text: str) -> bool:
        """Whether a text begins by turning something down: "말고 다른 거"."""
        return bool(self._after.match(text))


def _is_too_much(text: str, match: Match) -> bool:
    """Whether a text complains of what it names: 너무 매워 보여, too long; 너무 매운 게 당겨 does not."""
    field = match.field.removeprefix("quantity.").split(".")[0]
    if field not in _DEGREES or not _TOO.search(text[: match.start]):
        return False
    after = text[match.end :]
    describes = "가" <= text[match.end - 1] <= "힣" and (ord(text[match.end - 1]) - ord("가")) % 28 == 4  # ㄴ
    return not _ALL_THE_SAME.match(after) and (not describes or bool(_SEEMS.match(after)))
