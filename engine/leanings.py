"""What likes and dislikes tell of kinds: a ridge regression from traits of items to how they were received.

Where `ranking` asks whether an item is near to one that was liked, this asks what the liked ones have in common
that the disliked ones have not. Knows nothing of the request.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from data.item import Item
from engine.taste import Taste

CAUTION: Final = 2.0
"""How much a trait must be heard of before it counts (the ridge penalty): one like alone moves little."""
LATEST: Final = 60
"""How many of each kind of feedback count."""


def leanings(items: Sequence[Item], taste: Taste, known: Mapping[str, Item]) -> list[float]:
    """For each item -1 to 1: how likely it is of the kind that a person likes, or dislikes; 0 is unknown.

    `known` are the items by id that the person gave feedback on; those missing are passed over.
    """
    said = dict.fromkeys((*taste.liked[-LATEST:], *taste.saved[-LATEST:]), 1.0)
    said |= dict.fromkeys((*taste.disliked[-LATEST:], *taste.never[-LATEST:]), -1.0)
    heard = {key: value for key, value in said.items() if key in known}
    if not heard or not items:
        return [0.0] * len(items)
    rows = [dict(_traits(known[key])) for key in heard]
    traits = list(dict.fromkeys(trait for row in rows for trait in row))
    past = np.array([[row.get(trait, 0.0) for trait in traits] for row in rows])
    weights = np.linalg.solve(past @ past.T + CAUTION * np.eye(len(past)), np.array([*heard.values()]))
    liking = dict(zip(traits, (past.T @ weights).tolist(), strict=True))
    leans = (
        sum(share * liking.get(trait, 0.0) for trait, share in dict(_traits(item)).items()) for item in items
    )
    return [min(1.0, max(-1.0, each)) for each in leans]


def _traits(item: Item) -> Iterator[tuple[tuple[str, str], float]]:
    """The traits of an item, those of one sort weighing together as much as those of another."""
    sorts: tuple[tuple[str, Sequence[str]], ...] = (
        ("is", (item.domain,)),
        ("genre", item.genres),
        ("effect", item.effects),
        ("cuisine", (item.cuisine,) if item.cuisine else ()),
        ("immersion", (item.immersion,) if item.immersion else ()),
        ("maker", (*item.creators, *item.people)),
    )
    for sort, values in sorts:
        if values:
            share = 1 / math.sqrt(len(values))
            for value in values:
                yield (sort, value), share
