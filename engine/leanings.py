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
    names = sorted({name for row in rows for name in row})
    past = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    traits = [dict(_traits(item)) for item in items]
    wanted = np.array([[row.get(name, 0.0) for name in names] for row in traits])
    weights = np.linalg.solve(past @ past.T + CAUTION * np.eye(len(past)), np.array([*heard.values()]))
    return [float(value) for value in np.clip(wanted @ (past.T @ weights), -1.0, 1.0)]


def _traits(item: Item) -> Iterator[tuple[str, float]]:
    """The traits of an item, those of one sort weighing together as much as those of another."""
    sorts: Mapping[str, Sequence[object]] = {
        "is": (item.domain,),
        "genre": item.genres,
        "effect": item.effects,
        "cuisine": (item.cuisine,) if item.cuisine else (),
        "immersion": (item.immersion,) if item.immersion else (),
        "maker": (*item.creators, *item.people),
    }
    for sort, values in sorts.items():
        for value in values:
            yield f"{sort}.{value}", 1 / math.sqrt(len(values))
