"""What an item is: one book, movie or dish, with the closed vocabularies its fields draw from.

Knows nothing of how items are stored, searched or shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from data.sentence import opening


class Domain(StrEnum):
    """What kind of thing an item is."""

    BOOK = "book"
    MOVIE = "movie"
    FOOD = "food"


BOOK_GENRES: Final = (
    "novel", "short_story", "essay", "poetry", "psychology", "self_help", "philosophy", "history",
    "science", "economics", "art", "travel", "health", "society", "mystery", "sf", "fantasy",
    "romance", "classic", "children", "comic",
)  # fmt: skip
MOVIE_GENRES: Final = (
    "drama", "romance", "comedy", "thriller", "mystery", "horror", "action", "adventure", "sf",
    "fantasy", "animation", "family", "war", "crime", "history", "music", "documentary", "western",
    "sport",
)  # fmt: skip
GENRES: Final[dict[Domain, tuple[str, ...]]] = {
    Domain.BOOK: BOOK_GENRES,
    Domain.MOVIE: MOVIE_GENRES,
    Domain.FOOD: (),
}

Effect = Literal[
    "comfort", "empathy", "inspiration", "perspective", "escape", "laughter", "thrill", "romance",
    "calm", "energy",
]  # fmt: skip
Mood = Literal["happy", "tired", "anxious", "sad", "excited", "confused", "lonely", "angry", "bored", "calm"]
Situation = Literal[
    "bedtime", "commute", "weekend", "destress", "rainy", "hot_day", "cold_day", "date", "family",
    "friends", "alone", "party", "hangover", "late_night", "quick",
]  # fmt: skip
Immersion = Literal["light", "deep", "gripping"]
Age = Literal[0, 7, 12, 15, 19]
Cuisine = Literal[
    "korean", "chinese", "japanese", "western", "southeast_asian", "indian", "mexican", "bunsik",
    "fastfood", "cafe", "fusion",
]  # fmt: skip
Allergen = Literal[
    "egg", "milk", "buckwheat", "peanut", "soy", "wheat", "mackerel", "crab", "shrimp", "pork",
    "peach", "tomato", "sulfite", "walnut", "chicken", "beef", "squid", "shellfish", "pine_nut",
    "oyster", "abalone", "mussel",
]  # fmt: skip
Served = Literal["hot", "cold", "room"]
Diet = Literal["vegetarian", "vegan", "pescatarian"]
Meal = Literal["breakfast", "lunch", "dinner", "late_night", "snack"]
Body = Literal["cold", "stomachache", "hangover", "fatigue", "heat", "diet", "workout"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
ItemId = Annotated[str, StringConstraints(pattern=r"^(book|movie|food):[a-z0-9][a-z0-9_.-]{0,79}$")]

FOOD_FIELDS: Final = (
    "cuisine", "ingredients", "allergens", "spicy", "soupy", "served", "diet", "meals", "kcal",
    "price", "body",
)  # fmt: skip
"""Fields that only a dish may fill."""


class Item(BaseModel):
    """One book, movie or dish as the catalog, the importers and the index know it.

    Fields and vocabularies are those of the design's catalog schema; `None` and empty mean unknown,
    and `allergens` tells unknown (`None`) from none (`()`). Lengths: pages of a book, minutes of a
    film, minutes to make a dish.

    Raises:
        pydantic.ValidationError: a field outside its vocabulary or range, or one that the domain
            does not have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: ItemId
    domain: Domain
    title: Text
    title_en: Text | None = None
    aliases: tuple[Text, ...] = ()
    creators: tuple[Text, ...] = ()
    people: tuple[Text, ...] = ()
    year: Annotated[int, Field(ge=-3000, le=2100)] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    genres: tuple[Text, ...] = ()
    effects: tuple[Effect, ...] = ()
    moods: tuple[Mood, ...] = ()
    situations: tuple[Situation, ...] = ()
    immersion: Immersion | None = None
    age: Age | None = None
    length: Annotated[int, Field(ge=1, le=20000)] | None = None
    summary: Text | None = None
    summary_en: Text | None = None
    pitch: tuple[Text, ...] = ()
    pitch_en: tuple[Text, ...] = ()
    cuisine: Cuisine | None = None
    ingredients: tuple[Text, ...] = ()
    allergens: tuple[Allergen, ...] | None = None
    spicy: Literal[0, 1, 2, 3] | None = None
    soupy: bool | None = None
    served: tuple[Served, ...] = ()
    diet: tuple[Diet, ...] = ()
    meals: tuple[Meal, ...] = ()
    kcal: Annotated[int, Field(ge=0, le=5000)] | None = None
    price: Literal[1, 2, 3] | None = None
    body: tuple[Body, ...] = ()
    external_ids: dict[str, str] = Field(default_factory=dict)
    cover: Text | None = None
    source: Text | None = None
    url: Text | None = None

    @model_validator(mode="after")
    def _fits_its_domain(self) -> Self:
        if not self.id.startswith(f"{self.domain}:"):
            raise ValueError(f"id {self.id} does not start with {self.domain}:")
        if unknown := set(self.genres) - set(GENRES[self.domain]):
            raise ValueError(f"no such {self.domain} genre: {', '.join(sorted(unknown))}")
        if self.domain is not Domain.FOOD:
            filled: list[str] = [name for name in FOOD_FIELDS if getattr(self, name) not in (None, ())]
            if filled:
                raise ValueError(f"only a dish has {', '.join(filled)}")
        return self

    @property
    def showable(self) -> bool:
        """Whether the item has what a card needs: what it does for one, and a pitch or a description whose first
        sentence can stand in for one. A stub from rating data has not."""
        return bool(self.summary and self.effects and (self.pitch or opening(self.summary)))

    def to_json(self) -> str:
        """One line of a catalog file: compact, fields in schema order, unknown ones left out."""
        return self.model_dump_json(exclude_defaults=True)


class Interaction(BaseModel):
    """One thing a person did with an item, as an outside data set tells it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: Text
    item_id: Text
    rating: float | None = None
    at: int | None = None
    """Unix seconds."""
    extra: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a file that is no item: where it stands (lines from 1), why, and how it begins."""

    file: str
    line: int
    why: str
    value: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Stands between rows: everything before it is complete, and its reader begins there again when given `cursor`."""

    cursor: str


@dataclass(frozen=True, slots=True)
class QuestionPair:
    """A question, and its answer as it stands in the context from character `start` (from 0) on."""

    context: str
    question: str
    answer: str
    start: int
    title: str
