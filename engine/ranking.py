"""How well each candidate fits, and which to take: wishes first, then retrieval and taste, then variety.

Without a worker the fused score orders the candidates; nothing here knows how they were found.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from data.item import Item
from engine.candidates import Candidate
from engine.leanings import leanings
from engine.lexicon import read
from engine.nearness import BUNDLED, Nearness
from engine.request import FORMS, Request
from engine.taste import Taste
from engine.version import Hit

WEIGHTS: Final[Mapping[str, float]] = {
    "genres": 3.0, "effects": 3.0, "ingredients": 3.0, "soupy": 2.5, "served": 2.5, "situations": 2.5,
    "meals": 2.0, "immersion": 2.0, "body": 2.0, "moods": 1.2, "splurge": 1.0,
}  # fmt: skip
"""What a kept wish counts, relative to the others; chosen by hand on `../shared/eval` (see `docs/log.md`)."""
COMMON: Final = FORMS | {"drama"}
"""Genres so common that sharing one is hardly a likeness."""
LIKENESS: Final = 0.6
"""What a trait of the item to be like counts against a wish that was said."""
TOLD: Final = 2.0
"""What a country, a cuisine or a person that somebody said to like counts where the request names none."""
IMPLIED: Final = 0.35
"""What a guessed wish counts against one that was said."""
WISH_SHARE, FOUND_SHARE, TASTE_SHARE, LEAN_SHARE = 0.53, 0.17, 0.1, 0.2
"""What of a score is for wishes kept, for being found, for nearness to what was liked, and for a leaning to the kind
of an item; the last two are nought, or less, for whoever has liked nothing yet."""
UNASKED, RULES_ONLY = 0.5, 0.75
"""The share for a request that wishes nothing, a pick for which is a fair guess; and for one that sets rules only,
which every candidate keeps."""
STALE, FADES = 0.36, 40
"""What an item shown just now loses, and after how many more of its domain a third of that is left."""
JITTER, OPEN_JITTER = 0.008, 0.2
"""Seeded noise: next to none for a clear request, enough to vary for one that says nothing."""
VARIETY: Final = 0.4
"""What likeness to an earlier pick costs (maximal marginal relevance, Carbonell and Goldstein, SIGIR 1998)."""
TWIN_FROM, TWIN, SAME_MAKER = 0.85, 0.4, 0.15
"""From which cosine (`nearness`) on two picks are too much alike, and what that, and the same maker, takes from a score."""
ALIKE_FROM, ALIKE_TO = 0.8, 0.93
"""Cosines (`nearness`) between two items of the catalog: hardly alike, and very much so."""
AFFINITY_ITEMS: Final = 30
"""How many liked, how many saved and how many disliked items bear on a choice by their likeness: the latest."""
EXPLORE: Final = 0.1
"""How often the last position of a live answer tries another eligible item."""
EXPLORE_WITHIN: Final = 0.1
"""How much worse than the best choice a tried item may be."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing wished: any of `values` of an item's `field`."""

    field: str
    values: tuple[Any, ...]
    weight: float
    said: bool = True


@dataclass(slots=True)
class Ranked:
    """A candidate with its score, 0 to 1, and what of the request it keeps: (field, value)."""

    candidate: Candidate
    score: float
    wish_share: float
    kept: tuple[tuple[str, str], ...]
    merit: float = 0.0
    """The score without the chance that varies answers."""
    propensity: float = 1.0
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def item(self) -> Item:
        return self.candidate.item

    @property
    def fit(self) -> int:
        """1 to 10 for a person to read: all that can be had by whoever is not known yet is nearly ten."""
        return max(1, min(10, round(3 + 7 * self.merit / (1 - LEAN_SHARE))))


def wishes(request: Request, taste: Taste, like: Sequence[Item] = ()) -> list[Wish]:
    """What is wished, said things first: of the request, of what it is to be like, of the survey where the
    request is silent, and what all that implies."""
    found = [wish for name in WEIGHTS if (wish := _wish(name, getattr(request, name), WEIGHTS[name]))]
    said = {wish.field for wish in found}
    for item in like:
        telling = tuple(genre for genre in item.genres if genre not in COMMON) or item.genres
        if telling:
            found.append(Wish("genres", telling[:1], WEIGHTS["genres"] * LIKENESS, said=False))
        traits = {
            "genres": telling,
            "effects": item.effects,
            "cuisine": item.cuisine,
            "immersion": item.immersion,
        }
        for name, value in traits.items():
            wish = _wish(name, value, WEIGHTS.get(name, 3.0) * LIKENESS, said=False)
            if wish and name not in said:
                found.append(wish)
    survey = taste.wishes.get(request.domain) if request.domain else None
    if survey is not None:
        quiet = 0.3 if said else 0.8
        for name in WEIGHTS:
            wish = _wish(name, getattr(survey, name), WEIGHTS[name] * quiet, said=False)
            if wish and name not in said:
                found.append(wish)
        for name in ("cuisine", "country"):
            if getattr(survey, name) and not getattr(request, name):
                found.append(Wish(name, getattr(survey, name), TOLD * quiet, said=False))
        people = (*survey.people, *survey.creators)
        if people:
            found.append(Wish("names", people, TOLD * quiet, said=False))
    for name in ("moods", "situations", "body"):
        for value in getattr(request, name):
            for implied, values in read("implied").get(name, {}).get(value, {}).items():
                if implied not in said:
                    wish = _wish(
                        implied,
                        tuple(values) if isinstance(values, list) else values,
                        WEIGHTS[implied] * IMPLIED,
                        said=False,
                    )
                    if wish:
                        found.append(wish)
    return found


def rank(
    candidates: Sequence[Candidate],
    request: Request,
    taste: Taste,
    known: Mapping[str, Hit],
    seed: int,
    like: Sequence[Item] = (),
    nearness: Nearness = BUNDLED,
) -> list[Ranked]:
    """The candidates by score, best first.

    `known` are the items by id on which the person gave feedback (those missing are passed over), `like` those
    that the request names to resemble; `nearness` tells what their vectors' cosines mean.
    """
    wanted = wishes(request, taste, like)
    noise = random.Random(seed)  # noqa: S311
    jitter = (
        JITTER
        if any(wish.said for wish in wanted) or request.like or request.items or request.unknown
        else OPEN_JITTER
    )
    unwished = UNASKED if request.is_open else RULES_ONLY
    shown = _places(taste.shown)
    ranked = []
    ordered = sorted(candidates, key=lambda c: c.item.id)
    fused = [candidate.fused for candidate in ordered]
    best = max(fused, default=1.0)
    affinities = _affinities(ordered, taste, known, nearness)
    leaning = leanings(
        [candidate.item for candidate in ordered], taste, {key: hit.item for key, hit in known.items()}
    )
    for candidate, found, affinity, leans in zip(ordered, fused, affinities, leaning, strict=True):
        share, kept = _kept(candidate.item, wanted, unwished)
        found /= best
        score = WISH_SHARE * share + FOUND_SHARE * found + TASTE_SHARE * affinity + LEAN_SHARE * leans
        if "named" in candidate.places:
            score += 1.0
        place = shown.get(candidate.item.id)
        stale = (
            STALE * math.exp(-place / FADES) if place is not None and "named" not in candidate.places else 0.0
        )
        merit = min(1.0, score - stale)
        parts = {"wishes": share, "found": found, "taste": affinity, "leans": leans, "stale": stale}
        score = min(1.0, merit + jitter * noise.random())
        ranked.append(Ranked(candidate, score, share, kept, merit, parts=parts))
    return sorted(ranked, key=lambda r: -r.score)


def reordered(ranked: Sequence[Ranked], judged: Mapping[str, float]) -> list[Ranked]:
    """The candidates in the order of a model that judged some of them, `judged` by id from 0 to 1.

    Those trade places, and the scores that go with the places, among themselves; all others stay where they stand.
    Where the model sees no difference, the former order holds.
    """
    places = [at for at, each in enumerate(ranked) if each.item.id in judged]
    best_first = sorted((ranked[at] for at in places), key=lambda each: -judged[each.item.id])
    after = list(ranked)
    for at, each in zip(places, best_first, strict=True):
        parts = {**each.parts, "model": judged[each.item.id]}
        after[at] = replace(each, score=ranked[at].score, parts=parts)
    return after


def choose(
    ranked: Sequence[Ranked], count: int, seed: int, explore: bool = False, nearness: Nearness = BUNDLED
) -> list[Ranked]:
    """The picks, each the best of what is left once likeness to the earlier picks is paid for.

    With `explore` the last place sometimes goes to another item nearly as good; `propensity` tells how
    likely each pick was to stand where it stands.
    """
    if not ranked:
        return []
    scores = np.array([each.score for each in ranked])
    vectors = np.stack([each.candidate.vector for each in ranked])
    makers = [each.item.creators for each in ranked]
    nearest, akin = np.full(len(ranked), -1.0), np.zeros(len(ranked))  # to what was chosen already
    chosen: list[Ranked] = []
    while len(chosen) < min(count, len(ranked)):
        likeness = np.clip((nearest - TWIN_FROM) / (1 - TWIN_FROM), 0.0, 1.0) * TWIN + SAME_MAKER * akin
        values = scores - VARIETY * likeness
        order = np.argsort(-values, kind="stable")
        place = order[0]
        pick = ranked[place]
        if explore and len(chosen) == count - 1 and count > 1:
            others = [
                at
                for at in order[1:6]
                if values[place] - values[at] <= EXPLORE_WITHIN and ranked[at].wish_share >= pick.wish_share
            ]
            if others:
                draw = random.Random(f"explore{seed}")  # noqa: S311
                pick.propensity = 1 - EXPLORE
                if draw.random() < EXPLORE:
                    place = draw.choice(others)
                    pick = ranked[place]
                    pick.propensity = EXPLORE / len(others)
        chosen.append(pick)
        scores[place] = -np.inf
        nearest = np.maximum(nearest, nearness.read(vectors @ vectors[place]))
        if own := set(pick.item.creators):
            akin = np.maximum(akin, [not own.isdisjoint(each) for each in makers])
    return chosen


def _wish(name: str, value: Any, weight: float, said: bool = True) -> Wish | None:
    if value in (None, (), False) and not (name == "soupy" and value is False):
        return None
    return Wish(name, value if isinstance(value, tuple) else (value,), weight, said)


def _kept(item: Item, wanted: Sequence[Wish], unwished: float) -> tuple[float, tuple[tuple[str, str], ...]]:
    """The share of the wishes that an item keeps, by weight, `unwished` where there are none, and those it keeps
    by name."""
    total = points = 0.0
    kept: list[tuple[str, str]] = []
    for wish in wanted:
        total += wish.weight
        hits = _hits(item, wish)
        if not hits:
            continue
        if wish.field != "genres":
            points += wish.weight * (0.8 + 0.2 * len(hits) / len(wish.values))
        else:
            points += wish.weight * (1.0 if FORMS.issuperset(wish.values) else len(hits) / len(wish.values))
        if wish.said:
            kept += [(wish.field, str(hit)) for hit in hits]
    return points / total if total else unwished, tuple(kept)


def _hits(item: Item, wish: Wish) -> list[Any]:
    match wish.field:
        case "ingredients":
            return [
                v
                for v in wish.values
                if any(v in ingredient for ingredient in (*item.ingredients, item.title))
            ]
        case "names":
            return [v for v in wish.values if v in item.people or v in item.creators]
        case "splurge":
            return [True] if item.price == 3 else []
        case _:
            has = getattr(item, wish.field)
            return [v for v in wish.values if (v in has if isinstance(has, tuple) else v == has)]


def _affinities(
    candidates: Sequence[Candidate], taste: Taste, known: Mapping[str, Hit], nearness: Nearness
) -> list[float]:
    """For each candidate -1 to 1: nearer to what was liked lately than to what was not."""
    whole = np.zeros(len(candidates))
    liked = (*taste.liked[-AFFINITY_ITEMS:], *taste.saved[-AFFINITY_ITEMS:])
    for sign, judged in ((1.0, liked), (-1.0, taste.disliked[-AFFINITY_ITEMS:])):
        others = [known[item].vector for item in judged if item in known]
        if others and candidates:
            vectors = np.stack([candidate.vector for candidate in candidates])
            nearest = nearness.read(np.max(vectors @ np.stack(others).T, axis=1))
            whole += sign * np.clip((nearest - ALIKE_FROM) / (ALIKE_TO - ALIKE_FROM), 0.0, 1.0)
    return [float(value) for value in whole]


def _places(shown: Sequence[str]) -> dict[str, int]:
    """For each item shown, oldest first, how many of its domain were shown since."""
    since: dict[str, int] = {}
    places: dict[str, int] = {}
    for item in reversed(shown):
        domain = item.split(":")[0]
        places.setdefault(item, since.get(domain, 0))
        since[domain] = since.get(domain, 0) + 1
    return places
