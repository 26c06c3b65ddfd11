"""Readers of data sets: each yields items, and the rows that could not be read, with where and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from data.item import BadRow, Interaction, Item

Rows = Iterator[Item | Interaction | BadRow]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that can be imported: `takes` says what its path is, `wants_mapping` that a TOML file goes with it."""

    name: str
    module: str
    takes: str
    wants_mapping: bool = False

    def read(self, path: Path, mapping: Path | None = None) -> Rows:
        """The rows of the set at `path`. Raises SourceError of `data.sources.files` when it cannot be read."""
        read: Callable[..., Any] = import_module(f"data.sources.{self.module}").read
        rows: Rows = read(path, mapping) if self.wants_mapping else read(path)
        return rows


SOURCES: Final = {
    source.name: source
    for source in (
        Source("aladin-csv", "aladin_csv", "aladin_raw_data.csv, bestsellers of aladin.co.kr"),
        Source("kmdb", "kmdb", "an answer of KMDb's search_json2, or a seed file made of some"),
        Source("movielens", "movielens", "the folder of MovieLens 100K or latest-small"),
        Source("movies-dataset", "movies_dataset", "the folder with movies_metadata.csv, credits.csv and keywords.csv"),
        Source("nl", "national_library", "librarian picks of the National Library of Korea, XML or JSON"),
        Source("nutrition", "nutrition", "the ministry's nutrition table, xlsx or CSV"),
        Source("recipes", "recipes", "the folder with recipes.json, recipe_ingredients.json and recipe_process.json"),
        Source("table", "mapped", "any CSV, JSONL or Parquet file, with --mapping FILE", wants_mapping=True),
        Source("yes24", "yes24", "Books_Information.csv or Books_Information_final.csv of yes24.com"),
    )
}  # fmt: skip
