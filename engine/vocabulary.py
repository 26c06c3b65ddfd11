"""The closed vocabularies of a request's fields, as far as a model may fill them.

What a request's rules must be sure of is not among them: allergens, what to avoid, diet, age, exclusions, numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from data.item import (
    BOOK_GENRES,
    MOVIE_GENRES,
    Body,
    Cuisine,
    Domain,
    Effect,
    Immersion,
    Meal,
    Mood,
    Served,
    Situation,
)

LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "genres": tuple(dict.fromkeys((*BOOK_GENRES, *MOVIE_GENRES))),
    "cuisine": get_args(Cuisine),
    "meals": get_args(Meal),
    "moods": get_args(Mood),
    "body": get_args(Body),
    "effects": get_args(Effect),
    "situations": get_args(Situation),
    "served": get_args(Served),
}
"""Fields that hold any number of values."""
ONES: Final[Mapping[str, tuple[str, ...]]] = {
    "domain": tuple(str(domain) for domain in Domain),
    "immersion": get_args(Immersion),
}
"""Fields that hold one."""
NAMES: Final = ("creators", "people", "ingredients")
"""Fields that hold names, which no list could close."""
