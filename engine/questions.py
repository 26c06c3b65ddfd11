"""What to ask next: the two or three wishes that would split what is left of the candidates best.

Each is a button that refines the request; nothing here sends or stores it. Where a worker is there, it words them anew,
as long as they still ask what they asked.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from data.item import Domain, Item
from data.phrases import Language, phrases
from engine import prompts
from engine.completion import Unavailable
from engine.llm import LLM
from engine.names import Names
from engine.quantities import Range
from engine.request import Request
from engine.text import is_korean

FIELDS: Final[dict[Domain, tuple[str, ...]]] = {
    Domain.BOOK: ("immersion", "genres", "country", "effects", "situations"),
    Domain.MOVIE: ("country", "genres", "immersion", "effects", "situations"),
    Domain.FOOD: ("soupy", "spicy", "cuisine", "served", "situations"),
}
LISTS: Final = frozenset({"genres", "effects", "situations", "served", "cuisine", "country"})
LEAST: Final = 2
"""A button must lead to at least so many picks."""

LABEL_TOKENS: Final = 40
_PLAIN: Final = re.compile(r"[가-힣A-Za-zÀ-ÿ '’,·-]{3,}\?")
"""Letters, and the mark at the end: no numbers, quotes, brackets, control tokens or pictures."""
_WRAPPED: Final = re.compile(r"""^[\s"'“”‘’*-]+|[\s"'“”‘’*]+$""")
_TURNS: Final = re.compile(
    r"말고|않|없|안 |못|빼|별로|싫|대신|\b(?:not|no|without|except|instead|avoid|skip|less)\b|n't", re.I
)
"""What turns a question round."""
_BARE: Final = frozenset({
    "것", "건", "거", "걸", "걸로", "작품", "더", "쪽", "쪽은", "a", "an", "the", "of", "to", "in", "for", "with", "how", "about",
    "something", "any", "more", "one", "ones",
})  # fmt: skip
"""Words that say nothing of a value."""


@dataclass(frozen=True, slots=True)
class Question:
    """`label` is what the button says; `data` is `FIELD=VALUE`, read back by `refinement`."""

    label: str
    data: str


def questions(left: Sequence[Item], request: Request, language: Language, most: int = 3) -> list[Question]:
    """The questions whose answers halve `left` most nearly, of different fields, best first."""
    if request.domain is None:
        return []
    best: dict[str, tuple[float, str]] = {}
    for field in FIELDS[request.domain]:
        if getattr(request, field) not in (None, (), Range()):
            continue
        for value, count in _counts(left, field).items():
            gain = _entropy(count / len(left)) if LEAST <= count < len(left) else 0.0
            if gain > best.get(field, (0.0, ""))[0] and _label(request.domain, field, value, language):
                best[field] = gain, value
    ordered = sorted(best.items(), key=lambda pair: -pair[1][0])[:most]
    return [
        Question(_label(request.domain, field, value, language) or "", f"{field}={value}")
        for field, (_, value) in ordered
    ]


def refinement(data: str, domain: Domain | None) -> Request | None:
    """The request that a question's `data` adds, or None when it is no such data."""
    field, _, value = data.partition("=")
    if domain is None or field not in FIELDS[domain]:
        return None
    parsed: Any
    match field:
        case "spicy":
            parsed = {"mild": Range(None, 0), "hot": Range(2, None)}.get(value)
        case "soupy":
            parsed = {"yes": True, "no": False}.get(value)
        case _ if field in LISTS:
            parsed = (value,)
        case _:
            parsed = value
    if parsed is None or not _label(domain, field, value, "ko"):
        return None
    return replace(Request(domain=domain), **{field: parsed})


async def phrased(
    questions: Sequence[Question],
    llm: LLM,
    request: Request,
    language: Language,
    *,
    budget: float,
    names: Names | None = None,
    seed: int | None = None,
) -> list[Question]:
    """The questions in the `question` adapter's words, within `budget` seconds; in the shipped ones wherever there is
    no answer, or it asks something else. `names` are the catalog's, none of which may be in a new wording."""

    async def one(question: Question) -> Question:
        field, _, value = question.data.partition("=")
        name = prompts.value_name(domain, field, value, language)
        messages = prompts.question(request, question.label, name, language)
        try:
            answer = await llm.text(
                messages, adapter="question", max_tokens=LABEL_TOKENS, budget=budget, stop=("\n",), seed=seed
            )
        except Unavailable:
            return question
        label = _WRAPPED.sub("", answer.text)
        if answer.finish == "stop" and asks_the_same(label, question.label, name, language, names):
            return replace(question, label=label)
        llm.counts["question_refused"] += 1
        return question

    if request.domain is None or not llm.available:
        return list(questions)
    domain = request.domain
    worded = await asyncio.gather(*map(one, questions))
    said = Counter(each.label for each in worded)
    return [new if said[new.label] == 1 else old for new, old in zip(worded, questions, strict=True)]


def asks_the_same(
    label: str, shipped: str, name: str, language: Language, names: Names | None = None
) -> bool:
    """Whether a new wording of a button asks what the shipped one asks: short, in the language, with the value's
    own words, turned round no more than they are, and naming nobody and nothing else."""
    if len(label) > prompts.LABEL_CHARS[language] or not _PLAIN.fullmatch(label):
        return False
    ours = f"{name} {shipped}".lower()
    if is_korean(label) != (language == "ko") or any(
        word not in ours for word in re.findall(r"[a-z]+", label.lower()) if language == "ko"
    ):
        return False
    said = label.lower()
    if not any(all(re.search(stem, said) for stem in _stems(words)) for words in (name, shipped)):
        return False
    if {turn.strip() for turn in _TURNS.findall(said)} - {turn.strip() for turn in _TURNS.findall(ours)}:
        return False
    found = names.find(label) if names is not None else ()
    return all(label[match.start : match.end].lower() in ours for match in found)


def _stems(words: str) -> list[str]:
    """How the words that say something begin, however they end in another sentence: as expressions."""
    telling = [word for word in re.findall(r"[가-힣]+|[a-zà-ÿ]+", words.lower()) if word not in _BARE]
    return [rf"(?<!\w){_stem(word)}" for word in telling] or [re.escape(words.lower())]


def _stem(word: str) -> str:
    if word[0] < "가":
        return word[:5]
    return word[:1] if len(word) == 2 and word[1] in "는은운한인" else word[:2]


def _counts(items: Sequence[Item], field: str) -> Counter[str]:
    """How many of the items have each value of a field."""
    values = map(attrgetter(field), items)
    match field:
        case "spicy":
            known = (value for value in values if value is not None)
            return Counter("hot" if value >= 2 else "mild" if value == 0 else "" for value in known)
        case "soupy":
            return Counter("yes" if value else "no" for value in values if value is not None)
        case "country" | "cuisine" | "immersion":
            return Counter(value for value in values if value is not None)
        case _:
            return Counter(chain.from_iterable(map(dict.fromkeys, values)))


def _entropy(p: float) -> float:
    return -(p * math.log2(p) + (1 - p) * math.log2(1 - p)) if 0 < p < 1 else 0.0


def _label(domain: Domain, field: str, value: str, language: Language) -> str | None:
    """How the question is put: words of its own where there are some, else the field's words with the label."""
    words = phrases(language)
    own = words.variants(f"ask.{field}.{value}")
    if own:
        return own[0]
    general = words.variants(f"ask.{field}.any.{domain}") or words.variants(f"ask.{field}.any")
    key = f"genres.{domain}" if field == "genres" else field
    name = words.variants(f"label.{key}.{value}")
    return words.fill(general[0], name=name[0]) if general and name else None
