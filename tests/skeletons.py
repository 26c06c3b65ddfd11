"""What reasons look like once everything that fills them is masked: equal skeletons are one sentence said again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from data.item import Item
from data.phrases import Language, phrases

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LABELS = ("genres.book", "genres.movie", "cuisine", "country", "allergens")


def names_of(items: Iterable[Item]) -> re.Pattern[str]:
    """Every title, name and label that a reason may be filled with, longest first."""
    names = {
        name
        for item in items
        for name in (item.title, item.title_en or "", *item.creators, *item.people, *item.ingredients)
    }
    languages: tuple[Language, ...] = ("ko", "en")
    for language in languages:
        tree = phrases(language)._tree["label"]
        for key in _LABELS:
            values = tree
            for part in key.split("."):
                values = values[part]
            names |= set(values.values())
    longest = sorted((re.escape(name) for name in names if len(name) > 1), key=len, reverse=True)
    return re.compile("|".join(longest))


def skeletons(reasons: Iterable[str], names: re.Pattern[str]) -> Counter[str]:
    """How often each sentence is said, with titles, names, labels and numbers masked."""
    found: Counter[str] = Counter()
    for reason in reasons:
        for sentence in _SENTENCE.split(reason):
            masked = re.sub(r"\d+", "#", names.sub("@", sentence))
            found[
                re.sub(
                    r"@(?:은|는|이|가|을|를|과|와|으로|로|이라|라|이나|나|이랑|랑)(?![가-힣])", "@", masked
                )
            ] += 1
    return found
