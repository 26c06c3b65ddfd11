"""What a text does in a talk: a wish, a question about the last answer, feedback, small talk; and what it points at.

Knows the words only; what the wish is stands in `understanding.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from data.item import Domain
from engine.korean import Morpheme
from engine.lexicon import Lexicon, pattern, read
from engine.request import DEFAULT_COUNT, Exclude, Request
from engine.text import squeeze

Intent = Literal[
    "recommend", "why", "more", "detail", "similar", "like", "dislike", "seen", "save", "never",
    "stop", "greet", "thanks", "help", "who", "survey", "saved", "unclear",
    "profile", "consent", "language", "korean", "english", "export", "forget", "inquiry", "inquiries",
    "taste", "persona", "history", "undo", "choose", "guest", "limits", "retract",
    "which_allergy", "nearby",
    "robot", "maker", "age", "night", "bye", "love", "praise", "insult", "sorry", "weather", "doing", "cry",
    "laugh", "no", "yes",
]  # fmt: skip
FEEDBACK: Final[tuple[Intent, ...]] = ("never", "dislike", "seen", "save", "like")
TOLD_BY_A_WORD: Final[tuple[Intent, ...]] = ("who", "help", "thanks", "greet")
SMALL_TALK: Final[tuple[Intent, ...]] = (
    "robot", "maker", "age", "stop", *TOLD_BY_A_WORD[:3], "night", "bye", "love", "praise", "insult", "sorry", "weather",
    "doing", "greet", "cry", "laugh", "no", "yes",
)  # fmt: skip
"""In this order: "ㅋㅋ 고마워" thanks. Those told by a word need only be short, the others nothing else at all:
"바보" is an insult, "바보 같은 영화" a wish; "그만" stops, "회사 그만두고 싶어" tells of a day."""
ABOUT_ANSWERS: Final[tuple[Intent, ...]] = (
    "never", "undo", "guest", "persona", "history", "limits", "saved", "survey", "nearby", "choose", "why",
    "similar",
    "detail", "more", "dislike", "seen", "save", "like",
)  # fmt: skip
"""In this order: "1번이랑 비슷한 거 더" asks for similar ones, not for more."""
ABOUT_ONESELF: Final[tuple[Intent, ...]] = (
    "forget", "export", "consent", "inquiries", "inquiry", "english", "korean", "language", "profile",
)  # fmt: skip
"""In this order: "내 정보 지워줘" asks to be forgotten, not for the profile."""
ABOUT_ONESELF_CHARS: Final = 32
"""A longer text is a story, in which somebody speaks English or wants to be forgotten."""
SMALL_TALK_CHARS: Final = 16
QUESTION_CHARS: Final = 14
"""A longer text that also wishes something is a wish, whatever question words stand in it."""
_THIS = re.compile(r"(?:^|\s)(?:이거|그거|이건|그건|저거|이 책|이 영화|그 책|그 영화|it|this|that)")
_ENGLISH_PLACE = re.compile(
    r"(?:#|\b(?:number|about|save|liked?|loved?|seen|why|option|than|hated?|disliked?|skip|watched|read) )(\d{1,2})\b"
)
_ALL = re.compile(
    r"(?:둘|셋|전부|모두|싹) ?다|(?:전부|모두)(?= )|다 (?=별로|싫|봤|읽|저장)|\b(?:all of them|both|none of them)\b"
)
_AROUND = re.compile(r"(?:이 |내 |여기 )?(?:근처|주변) (?=\S)")
"""How a text begins that wants a place where something is served: 근처 라멘집."""
_LIKE_THIS = re.compile(r"이거|그거|이런|그런|this|that")


class Intents:
    """The words of each intent, compiled from `data/lexicon/dialogue.toml`."""

    def __init__(self) -> None:
        intents, words = read("dialogue")["intents"], read("dialogue")["words"]
        self._lexicon = Lexicon({"intent": intents})
        self._chatter = pattern([*words["chatter"], *(word for kind in SMALL_TALK for word in intents[kind])])
        self._tells = re.compile(rf"(?:{pattern(words['tells']).pattern})\s*[.!~]*$")
        self._tells_en = re.compile(
            rf"^i\s?(?:(?:really|also|just|actually) )*(?:{pattern(words['tells_en']).pattern})", re.I
        )
        self._of_self = pattern(words["of_self"])

    def tells_taste(self, text: str, midway: bool) -> bool:
        """Whether a text says what somebody likes in general, and asks for nothing.

        `midway` in a talk it must speak of the person: after picks, "로맨스는 안 좋아해" turns those down.
        """
        if "?" in text:
            return False
        if self._tells_en.search(text):
            return not re.search(r"\b(?:recommend|suggest|something|anything|today|tonight)\b", text, re.I)
        return bool(self._tells.search(text) and (not midway or self._of_self.search(text)))

    def first(self, text: str, morphemes: Sequence[Morpheme]) -> Intent:
        """The intent by its words alone."""
        found = {match.value for match in self._lexicon.find(text, morphemes)}
        for intent in ABOUT_ONESELF:
            if intent in found and len(squeeze(text)[0]) <= ABOUT_ONESELF_CHARS:
                return intent
        small = [intent for intent in SMALL_TALK if intent in found]
        if small and self.is_chatter(text):
            return small[0]
        for intent in ABOUT_ANSWERS:
            if intent in found:
                return intent
        for intent in TOLD_BY_A_WORD:
            if intent in found and len(squeeze(text)[0]) <= SMALL_TALK_CHARS:
                return intent
        return "recommend"

    def is_chatter(self, text: str) -> bool:
        """Whether a text holds words of small talk and nothing that could be a wish."""
        return not squeeze(self._chatter.sub(" ", text))[0]


def refers(text: str) -> tuple[int, ...]:
    """Which of the last picks are pointed at: numbers from 1, -1 for the last one, 0 for all of them."""
    found = [int(match[1]) for match in re.finditer(r"(?<!\d)(\d{1,2}) ?번(?!째로 )", text)]
    found += [int(match[1]) for match in _ENGLISH_PLACE.finditer(text)]
    for place, words in enumerate((r"첫 ?번?째|first", r"두 ?번째|둘째|second", r"세 ?번째|셋째|third"), 1):
        if re.search(words, text):
            found.append(place)
    if _ALL.search(text):
        found.append(0)
    if re.search(r"마지막|last one", text):
        found.append(-1)
    return tuple(dict.fromkeys(found))


def points(text: str) -> bool:
    """Whether a text points at something without its name: 이거."""
    return bool(_THIS.search(text))


def settled(
    intent: Intent,
    request: Request,
    explicit: bool,
    titles: tuple[str, ...],
    refers: tuple[int, ...],
    text: str,
) -> Intent:
    """The intent in the light of what else was said: "별로" beside a whole wish is no feedback."""
    pointed = bool(titles or refers or points(text))
    wishes = not replace(request, items=(), exclude=Exclude(), creators=(), people=()).is_open
    if intent in ABOUT_ONESELF:
        spoken = replace(request, country=(), cuisine=(), exclude=Exclude())  # in 한국어로 and in Korean
        asks = explicit or titles or not spoken.is_open
        return "recommend" if asks else intent
    if intent == "nearby" and explicit and request.domain in (Domain.BOOK, Domain.MOVIE):
        return "detail" if pointed else "recommend"
    dish = replace(request, items=(), cuisine=(), ingredients=(), unknown="").is_open
    if intent == "recommend" and dish and _AROUND.match(text) and request.domain in (None, Domain.FOOD):
        return "nearby"
    if intent in FEEDBACK and not pointed and (wishes or explicit):
        return "recommend"
    if intent in SMALL_TALK and (wishes or explicit or titles or request.creators or request.people):
        return "recommend"
    if intent in ("why", "detail") and not pointed and (wishes or explicit) and len(text) > QUESTION_CHARS:
        return "recommend"
    if intent == "more" and (wishes or explicit or titles):
        return "recommend"
    if intent == "similar" and not refers and (titles or wishes) and not _LIKE_THIS.search(text):
        return "recommend"
    if intent == "recommend" and not (
        wishes
        or explicit
        or titles
        or request.creators
        or request.people
        or request.count != DEFAULT_COUNT
        or request.exclude != Exclude()
    ):
        return (
            "unclear" if len(squeeze(text)[0]) < 2 or not re.search(r"[가-힣a-z]{2}", text) else "recommend"
        )
    return intent
