"""What a source left out of an item, inferred from its text: effects, moods, situations, immersion; and allergens.

The text is embedded and held against the example sentences of `data/lexicon/enrichment.toml`; what nearness to
them and the facts of an item (genres, cuisine) tell was fitted on the shipped catalog (`finetune/calibrate.py`).
Knows neither where items are stored nor where vectors are kept. What a source itself said is never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import numpy as np

from data.item import Domain, Item
from data.sentence import reads
from engine.contents import allergens
from engine.embedder import Embedder, Vectors
from engine.errors import EngineError
from engine.lexicon import read
from engine.text import normalize

LEXICON: Final = "enrichment"
WEIGHTS: Final = "enrichment.npz"
SURE: Final = 0.7
"""How likely a value must be to be taken: so likely, four in five were right (`docs/log.md`)."""
MOST: Final = 3
"""Values of one field; an item that suits everything says nothing."""

UNTOLD: Final = frozenset({("food", "situations")})
"""What texts do not tell well enough: a little more than half were right, however sure. They help to tell the rest."""

Family = Literal["story", "food"]
FAMILIES: Final[tuple[Family, ...]] = ("story", "food")


@dataclass(frozen=True, slots=True)
class Mark:
    """One value that was inferred, and how likely it is (0 to 1). An empty value: the field is known to be empty."""

    field: str
    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Weights:
    """What is made of an item's features, for the values of one family.

    `names` are the features: the values (`effects.comfort`), then facts (`movie.comedy`); `mean` and `spread`
    are those of the values' features; `table` has a row for a constant and one a feature, a column a value.
    """

    model: str
    names: tuple[str, ...]
    mean: Vectors
    spread: Vectors
    table: Vectors


def values(family: Family) -> list[str]:
    """Every value that may be inferred, as `field.value`, in the order of the lexicon."""
    return [f"{field}.{value}" for field, table in read(LEXICON)[family].items() for value in table]


def examples() -> list[str]:
    """Every sentence of the lexicon, in its order."""
    return [
        sentence for family in FAMILIES for name in values(family) for sentence in _sentences(family, name)
    ]


def family(item: Item) -> Family:
    return "food" if item.domain is Domain.FOOD else "story"


def facts(item: Item) -> list[str]:
    """What is known of an item beside its text, as names of features."""
    told = [str(item.domain), *(f"{item.domain}.{genre}" for genre in item.genres)]
    told += [f"cuisine.{item.cuisine}"] if item.cuisine else []
    told += [f"spicy.{item.spicy}"] if item.spicy is not None else []
    told += [f"soupy.{item.soupy}".lower()] if item.soupy is not None else []
    return told + [f"served.{served}" for served in item.served]


def described(item: Item) -> str | None:
    """The text that tells what an item is like, as it is embedded; None where nothing reads as one."""
    for text in (item.summary, item.summary_en):
        if text and reads(text):
            return normalize(text)
    return None


def missing(item: Item) -> list[str]:
    """The fields of an item that may be inferred from its text and are empty."""
    kind = family(item)
    fields = [field for field in read(LEXICON)[kind] if (kind, field) not in UNTOLD]
    return [field for field in fields if getattr(item, field) in (None, ())]


class Enricher:
    """Infers, with the vectors of the lexicon at hand."""

    def __init__(self, lexicon: dict[Family, Vectors], weights: dict[Family, Weights]) -> None:
        self._lexicon, self._weights = lexicon, weights

    @classmethod
    async def opened(cls, embedder: Embedder) -> Enricher:
        """With the lexicon embedded, and what was fitted for this embedder.

        Raises:
            EngineError: nothing was fitted for it, or for another lexicon.
        """
        weights = {each: shipped(each) for each in FAMILIES}
        for each, fitted in weights.items():
            if fitted.model != embedder.name or list(fitted.names[: len(values(each))]) != values(each):
                raise EngineError(
                    f"Nothing was fitted for the embedder {embedder.name} and this lexicon: "
                    "run `python -m finetune.calibrate --write`."
                )
        return cls(await lexicon_vectors(embedder), weights)

    def enriched(self, item: Item, vector: Vectors | None) -> tuple[Item, tuple[Mark, ...]]:
        """The item with what its text and its ingredients tell where it said nothing, and what was inferred.

        `vector` is that of `described(item)`; without one only the ingredients tell.
        """
        marks = [*self._told(item, vector), *_allergens(item)]
        found: dict[str, Any] = {}
        for mark in marks:
            if mark.field == "immersion":
                found[mark.field] = mark.value
            else:
                found.setdefault(mark.field, []).extend([mark.value] if mark.value else [])
        if not found:
            return item, ()
        return Item.model_validate(item.model_dump() | found), tuple(marks)

    def _told(self, item: Item, vector: Vectors | None) -> Iterator[Mark]:
        empty = missing(item)
        if vector is None or not empty:
            return
        kind = family(item)
        weights = self._weights[kind]
        chances = likely(weights, features(weights, self._lexicon[kind] @ vector, facts(item)))
        for field in empty:
            sure = sorted(
                (-float(chance), name.partition(".")[2])
                for name, chance in zip(values(kind), chances, strict=True)
                if name.startswith(f"{field}.") and chance >= SURE
            )
            for chance, value in sure[: 1 if field == "immersion" else MOST]:
                yield Mark(field, value, round(-chance, 3))


async def lexicon_vectors(embedder: Embedder) -> dict[Family, Vectors]:
    """The mean vector of each value's sentences, so that nearness to it is the mean nearness to them."""
    vectors = dict(zip(examples(), await embedder.passages(examples()), strict=True))
    return {
        each: np.stack(
            [np.mean([vectors[s] for s in _sentences(each, name)], axis=0) for name in values(each)]
        )
        for each in FAMILIES
    }


def features(weights: Weights, cosines: Vectors, told: Sequence[str]) -> Vectors:
    """The row that `Weights.table` takes: a constant, how near each value is beside the others, the facts."""
    near = (cosines - np.mean(cosines) - weights.mean) / weights.spread
    known = [name in told for name in weights.names[len(cosines) :]]
    return np.concatenate([[1.0], near, known]).astype(np.float32)


def likely(weights: Weights, row: Vectors) -> Vectors:
    """The chance of each value."""
    chances: Vectors = 1 / (1 + np.exp(-(row @ weights.table)))
    return chances


@cache
def shipped(each: Family) -> Weights:
    """What was fitted on the shipped catalog."""
    with (files("data") / "lexicon" / WEIGHTS).open("rb") as file, np.load(file, allow_pickle=False) as held:
        return Weights(
            str(held["model"]),
            tuple(held[f"{each}.names"].tolist()),
            *(held[f"{each}.{name}"].astype(np.float32) for name in ("mean", "spread", "table")),
        )


def _allergens(item: Item) -> list[Mark]:
    """The allergens of a dish that does not tell them, where all that is in it is known; certain then.

    Only of sources whose recipes name everything: of 103 shipped dishes, whose lists name what matters, 20 would
    have lacked an allergen (`docs/log.md`).
    """
    if item.domain is not Domain.FOOD or item.allergens is not None:
        return []
    if item.source not in read("ingredients")["whole"]:
        return []
    held = allergens(item.ingredients, item.title)
    return [] if held is None else [Mark("allergens", name, 1.0) for name in held or ("",)]


def _sentences(each: Family, name: str) -> list[str]:
    field, _, value = name.partition(".")
    sentences: list[str] = read(LEXICON)[each][field][value]
    return sentences
