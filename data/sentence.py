"""Whether a description reads as sentences, and its first one: what a card may say of an item that has no pitch.

Knows no item and no source.
"""

from __future__ import annotations

import re
from typing import Final

SHORTEST, LONGEST = 12, 200
"""Characters of a sentence that tells something, and that a card has room for."""
_END: Final = re.compile(
    r"""(?<!\b[A-Z])(?<!\bMr|\bMs|\bDr|\bSt|\bJr|\bvs)(?<!\bMrs)(?:[.!?…。]+["'”’」』》)\]]*|~)(?=\s|$)"""
)
_NONE: Final = re.compile(r"^(?:Keywords: |https?://)")
"""How what is no sentence begins: lists that readers put behind a description."""


def opening(text: str | None) -> str | None:
    """The first sentence that stands by itself; None where there is none, or where it is too long for a card.

    What breaks off ("…하는데...") is no sentence; one that is very short takes the next one with it.
    """
    whole = (text or "").strip()
    if not whole or _NONE.match(whole):
        return None
    for match in _END.finditer(whole, 0, LONGEST + 1):
        head = whole[: match.end()]
        if SHORTEST <= len(head) <= LONGEST and not head.rstrip("\"'”’」』》)]").endswith(("..", "…")):
            return head
    return None


def reads(text: str | None) -> bool:
    """Whether a description has a whole sentence at all, however long."""
    whole = (text or "").strip()
    return len(whole) >= SHORTEST and not _NONE.match(whole) and _END.search(whole) is not None
