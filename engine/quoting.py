"""Texts of people and catalogs as a model may be given them: as data, discreet, and not more of them than fits.

Knows no prompt.
"""

from __future__ import annotations

import math
import re
from typing import Final

import numpy as np

from engine.text import normalize

_CONTROL: Final = re.compile(
    r"<\|[^<>|\s]{0,40}\|>|\[\|[^\[\]|]{0,40}\|\]|</?(?:s|bos|eos|pad|unk|think|tool_call|start_of_turn|end_of_turn)>"
    r"|\[/?(?:INST|SYS|BOS|EOS|PAD|UNK|AVAILABLE_TOOLS|TOOL_CALLS)\]|<</?SYS>>",
    re.IGNORECASE,
)
"""What chat templates are made of: EXAONE, Llama, Qwen, Gemma, Mistral."""
_BRACKETS: Final = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")"})
_PRIVATE: Final = re.compile(
    r"알레르기|알러지|알레지|두드러기|아나필락시스|유당\s*불내|셀리악|allerg|anaphyla|\bhives\b|lactose.intoleran|c(?:o)?eliac",
    re.IGNORECASE,
)
_AGE: Final = re.compile(
    r"(?:만\s*)?\d{1,3}\s*(?:살|세(?![기대계트]))(?:짜리)?|\b\d{1,3}[- ]?years?[- ]old\b", re.IGNORECASE
)
_CLAUSE: Final = re.compile(r"(?<=[.!?,…。\n])\s*")


def quoted(text: str) -> str:
    """A text as data: on one line, without what a chat template or a section is made of."""
    plain = normalize(text)
    while (less := _CONTROL.sub(" ", plain)) != plain:
        plain = less
    return " ".join(plain.translate(_BRACKETS).split())


def discreet(text: str) -> str:
    """A text without the clauses that tell of an allergy, and without ages: rules keep both already."""
    if _PRIVATE.search(text):
        text = " ".join(clause for clause in _CLAUSE.split(text) if not _PRIVATE.search(clause))
    return " ".join(_AGE.sub(" ", text).split()).strip(" ,")


def tokens(text: str) -> int:
    """How many tokens a text is at most, for the tokenizers that Korean models have; without one at hand."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    hangul = (codes >= 0xAC00) & (codes <= 0xD7A3)
    rare = ~hangul & (codes >= 0x80)
    letters = ((codes | 0x20) >= 0x61) & ((codes | 0x20) <= 0x7A)
    blanks = codes == 0x20
    marks = ~(hangul | rare | letters | blanks)
    some = (1.15 * hangul.sum(), 0.34 * letters.sum(), 0.4 * blanks.sum(), 1.05 * marks.sum(), 3.0 * rare.sum())
    return math.ceil(sum(map(float, some)))
