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
    r"알레르기|알러지|알레지|두드러기|아나필락시스|유당\s*불내|셀리악|비건|채식|할랄|코셔"
    r"|(?:못|잘 ?못)\s*(?:먹|마시|드)|먹지\s*(?:못|않|마)|류[는은]?\s*안\s*[돼되]|소화\s*(?:를|가)?\s*(?:못|안)"
    r"|(?:먹|마시|닿|들어가)[가-힣]*면\s*(?:안|큰일|죽|숨|배|탈|토|붓|입|몸|목|가렵|가려|온몸)"
    r"|allerg|anaphyla|\bhives\b|lactose.intoleran|c(?:o)?eliac|can['’]?(?:no)?t (?:eat|have|drink)"
    r"|makes? me (?:sick|ill|swell)|\b(?:vegan|vegetarian|halal|kosher|intoleran\w+|i['’]d die|react to)\b",
    re.IGNORECASE,
)
_AGE: Final = re.compile(
    r"(?:만\s*)?\d{1,3}\s*(?:살|세(?![기대계트]))(?:짜리)?|\b\d{1,3}[- ]?years?[- ]old\b"
    r"|(?<![가-힣])(?:열|스물|스무|서른|마흔|쉰|예순|일흔|여든|아흔)?\s?"
    r"(?:한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|스무|서른|마흔|쉰|예순|일흔|여든)\s*살(?:짜리)?"
    r"|(?<!\d)\d{1,2}대(?=[\s에인가이의,.]|$)|\b\d{1,3}\s?(?:yo|y/o)\b|\bI\s?['’]?a?m \d{1,3}\b"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)[- ]years?[- ]old\b|초등학교?\s*\d학년",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(r"(?<=[.!?,…。\n])\s*")


def quoted(text: str) -> str:
    """A text as data: on one line, without what a chat template or a section is made of."""
    plain = normalize(text)
    while (less := _CONTROL.sub(" ", plain)) != plain:
        plain = less
    return " ".join(plain.translate(_BRACKETS).split())


def discreet(text: str) -> str:
    """A text without the clauses that tell of an allergy or a diet, and without ages: rules keep both already."""
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
    some = (
        1.15 * hangul.sum(),
        0.34 * letters.sum(),
        0.4 * blanks.sum(),
        1.05 * marks.sum(),
        3.0 * rare.sum(),
    )
    return math.ceil(sum(map(float, some)))
