"""Where candidates come from: rules as a filter, then sources that each order what keeps them, fused by rank.

Knows the index and what is wanted; does not judge how well a candidate fits (`ranking.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from data.item import Domain, Item
from engine.allergies import holds_any
from engine.embedder import Embedder, Vectors
from engine.quantities import Range
from engine.request import FORMS, Request
from engine.tables import of_domain, up_to_age
from engine.taste import Taste
from engine.version import Hit, Version, quoted

Method = Literal[1, 2]
"""1: the taste is searched for what bears on the request, and enriches the query. 2: the raw query
searches, and the taste comes in when ranking."""

POOL: Final = 60
"""Candidates each source may bring."""
RRF_K: Final = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""
STATEMENTS, LIKED = 2, 3
"""How many sentences about the person and liked items method 1 takes into the query, at most."""
STATEMENT_WEIGHT, LIKED_WEIGHT = 0.2, 0.3


@dataclass(slots=True)
class Candidate:
    """An item that keeps every rule, its place (from 0) in each source, and the fused score."""

    item: Item
    vector: Vectors
    places: dict[str, int] = field(default_factory=dict)

    @property
    def fused(self) -> float:
        """Reciprocal rank fusion over the sources."""
        return sum([1.0 / (RRF_K + place) for place in self.places.values()])


def hidden(request: Request, taste: Taste) -> set[str]:
    """The ids of what is not to be shown, whatever rules it keeps."""
    known = () if request.items else (*taste.seen, *taste.disliked)
    return {*taste.limited(request).exclude.items, *taste.never, *request.like, *known}


def rules(request: Request, taste: Taste) -> tuple[str, ...]:
    """What every pick must keep, as conditions of the index: nothing that breaks one is ever a candidate.

    An unknown value never passes a rule about it: no allergens known, no age rating known.
    """
    wanted = taste.limited(request)
    clauses: list[str] = []
    if wanted.domain is not None:
        clauses.append(of_domain(wanted.domain))
    themes = tuple(genre for genre in wanted.genres if genre not in FORMS)
    clauses += _any("genres", themes or wanted.genres)
    clauses += _among("cuisine", wanted.cuisine) + _among("country", wanted.country)
    clauses += _any("creators", wanted.creators) + _any("people", wanted.people)
    for name, span in (("year", wanted.years), ("length", wanted.length)):
        clauses += _between(name, span)
    food = [
        *_between("kcal", wanted.kcal),
        *_between("spicy", wanted.spicy),
        *_between("price", Range(None, wanted.price)),
    ]
    if wanted.diet:
        food.append(f"array_has_all(diet, [{_list(wanted.diet)}])")
    for allergen in wanted.allergens:
        food.append(f"allergens IS NOT NULL AND NOT array_has_any(allergens, [{quoted(allergen)}])")
    if wanted.avoid:
        food.append("array_length(ingredients) > 0")
    # Each for itself, and of the domain asked for alone: what keeps a condition is remembered, and is the dearer
    # the more there is of it.
    if wanted.domain is None:
        clauses += [f"(domain <> 'food' OR ({each}))" for each in food]
    elif wanted.domain is Domain.FOOD:
        clauses += food
    if wanted.age is not None and wanted.domain is not Domain.FOOD:
        aged = up_to_age(int(wanted.age))
        clauses.append(aged if wanted.domain else f"(domain = 'food' OR {aged})")
    out = wanted.exclude
    for name, values in (("genres", out.genres), ("creators", out.creators), ("people", out.people)):
        if values:
            clauses.append(f"({name} IS NULL OR NOT array_has_any({name}, [{_list(values)}]))")
    for name, values in (("cuisine", out.cuisine), ("country", out.country)):
        if values:
            clauses.append(f"({name} IS NULL OR {name} NOT IN ({_list(values)}))")
    clauses += [f"NOT contains(title, {quoted(title)})" for title in out.titles]
    return tuple(clauses)


def among(ids: Sequence[str]) -> str:
    """The condition of the index that an item is one of these."""
    return f"id IN ({_list(ids)})"


async def gather(
    index: Version, embedder: Embedder, request: Request, taste: Taste, method: Method
) -> list[Candidate]:
    """The candidates of all sources, fused by rank, best first."""
    where, out = rules(request, taste), hidden(request, taste)
    words = " ".join((request.text, *request.ingredients))
    scope = index.scope(where, out)
    query, worded, kept, _ = await asyncio.gather(
        _query_vector(index, embedder, request, taste, method),
        scope.worded(words, POOL),
        _wished(index, request, where, out),
        scope.look_up(),
    )
    if request.text and not query.any() and not kept:
        # an embedder that does not answer must not leave somebody without any
        kept = await _wished(index, replace(request, text=""), where, out)
    sources = {"vector": await scope.nearest(query, POOL), "words": worded, "wishes": kept}
    liked = await index.get(request.like)
    for number, hit in enumerate(liked.values()):
        sources[f"like{number}"] = await scope.nearest(hit.vector, POOL)
    if request.items:
        whole = index.scope((*where, among(request.items)), out)
        sources["named"] = await whole.all(len(request.items))
    return fuse(sources, (*taste.avoid, *request.avoid))


def fuse(sources: Mapping[str, Sequence[Hit]], avoid: Sequence[str] = ()) -> list[Candidate]:
    """Join sources by reciprocal rank; what cannot be shown, or holds something to avoid, falls out."""
    found: dict[str, Candidate] = {}
    for source, hits in sources.items():
        for place, hit in enumerate(hits):
            item = hit.item
            if (candidate := found.get(item.id)) is None:
                if not item.showable or (avoid and item.domain is Domain.FOOD and holds_any(item, avoid)):
                    continue
                candidate = found[item.id] = Candidate(item, hit.vector)
            candidate.places.setdefault(source, place)
    return sorted(found.values(), key=lambda candidate: (-candidate.fused, candidate.item.id))


async def _query_vector(
    index: Version, embedder: Embedder, request: Request, taste: Taste, method: Method
) -> Vectors:
    query = index.fitting(await embedder.query(request.text))
    if method == 2:
        return query
    parts = [query]
    if taste.says:
        said = index.fitting(await embedder.statements(taste.says))
        best = np.argsort(-(said @ query))[:STATEMENTS]
        parts.append(STATEMENT_WEIGHT * np.mean(said[best], axis=0))
    if taste.liked:
        liked = [hit.vector for hit in (await index.get(taste.liked[-50:])).values()]
        if liked:
            vectors = np.stack(liked)
            best = np.argsort(-(vectors @ query))[:LIKED]
            parts.append(LIKED_WEIGHT * np.mean(vectors[best], axis=0))
    whole = np.sum(parts, axis=0)
    norm = float(np.linalg.norm(whole))
    return np.asarray(whole / norm if norm else whole, dtype=np.float32)


async def _wished(index: Version, request: Request, where: Sequence[str], out: Collection[str]) -> list[Hit]:
    """What keeps the rules and every wish at once: at scale the other sources may not reach it.

    For a request that says nothing but rules, what keeps those.
    """
    clauses = list(where)
    for name in ("effects", "situations", "moods", "meals", "served", "body"):
        clauses += _any(name, getattr(request, name))
    if request.immersion:
        clauses.append(f"immersion = {quoted(request.immersion)}")
    if request.soupy is not None:
        clauses.append(f"soupy = {str(request.soupy).lower()}")
    if request.text and len(clauses) == len(where):
        return []
    hits = await index.scope(clauses, out).all(POOL)
    return sorted(hits, key=lambda hit: hit.item.id)


def _list(values: Sequence[str]) -> str:
    return ", ".join(map(quoted, values))


def _any(name: str, values: Sequence[str]) -> list[str]:
    return [f"array_has_any({name}, [{_list(values)}])"] if values else []


def _among(name: str, values: Sequence[str]) -> list[str]:
    return [f"{name} IN ({_list(values)})"] if values else []


def _between(name: str, span: Range) -> list[str]:
    low = [f"{name} >= {int(span.low)}"] if span.low is not None else []
    return low + ([f"{name} <= {int(span.high)}"] if span.high is not None else [])
