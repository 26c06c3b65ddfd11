"""Whether a text asks if somebody may eat something in their state of health, and whether it tells such a state.

Rules over the word list `data/lexicon/health.toml`. It judges no food: what it finds is left to a doctor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from engine.lexicon import read
from engine.templates import English, Korean, Templates
from engine.text import normalize


def asks_permission(text: str) -> bool:
    """Whether a text asks if a food is allowed to somebody whom it may harm: 임산부인데 초밥 먹어도 돼?"""
    return any(question.asked(reading) for question, reading in _read(text))


def tells_state(text: str) -> bool:
    """Whether a text tells a state of health in which food should be chosen with care: 당뇨라서 담백한 저녁."""
    return any(question.states.search(reading) is not None for question, reading in _read(text))


class _Question:
    """The words of one language."""

    def __init__(self, table: Mapping[str, Sequence[str]], templates: Templates) -> None:
        def of(*names: str) -> re.Pattern[str]:
            return templates.any_of(phrase for name in names for phrase in table[name])

        self.states, self._persons = of("states"), of("states", "tender")
        self._asks, self._unsure, self._wishes, self._open = (
            of("asks"),
            of("unsure"),
            of("wishes"),
            of("open"),
        )

    def asked(self, reading: str) -> bool:
        if not self._persons.search(reading) or self._open.search(reading):
            return False
        unsure = self._unsure.search(reading) and not self._wishes.search(reading)
        return bool(self._asks.search(reading) or unsure)


def _read(text: str) -> list[tuple[_Question, str]]:
    clean = normalize(text).lower()
    korean, english = _questions()
    return [(korean, Korean.reading(clean)), (english, English.reading(clean))]


@cache
def _questions() -> tuple[_Question, _Question]:
    korean, english = read("health")["ko"], read("health")["en"]
    return _Question(korean, Korean(korean)), _Question(english, English(english))
