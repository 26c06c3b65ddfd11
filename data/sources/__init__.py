"""Readers of data sets: each yields items, and the rows that could not be read, with where and why.

A source is read from a file or folder, from a web API, or from either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data.item import BadRow, Interaction, Item, Mark, QuestionPair

if TYPE_CHECKING:
    from data.sources.web import Service

Rows = Iterator[Item | Interaction | QuestionPair | BadRow | Mark]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that can be imported.

    `module` reads what lies at a path, and `takes` says what that is; `wants_mapping` that a TOML file goes with it.
    `web` reads the API, and `asks` says what a query may be and what an empty one gives. Either may be missing.
    """

    name: str
    module: str = ""
    takes: str = ""
    wants_mapping: bool = False
    web: str = ""
    asks: str = ""

    def read(self, path: Path, mapping: Path | None = None) -> Rows:
        """The rows of the set at `path`. Raises SourceError of `data.sources.files` when it cannot be read."""
        read: Callable[..., Any] = import_module(f"data.sources.{self.module}").read
        rows: Rows = read(path, mapping) if self.wants_mapping else read(path)
        return rows

    @property
    def service(self) -> Service:
        """The API that is asked."""
        service: Service = import_module(f"data.sources.{self.web}").SERVICE
        return service

    def ask(
        self, key: str, query: str, cursor: str = "", sleep: Callable[[float], object] = time.sleep
    ) -> Rows:
        """The rows that the API gives, with Marks between, from where a Mark's cursor says. `sleep` waits seconds.

        Raises:
            SourceError: of `data.sources.files`, when there is no key, it is refused, or the service fails.
        """
        from data.sources.web import Client

        with Client(self.service, key, sleep=sleep) as client:
            rows: Rows = import_module(f"data.sources.{self.web}").read(client, query, cursor)
            yield from rows


SOURCES: Final = {
    source.name: source
    for source in (
        Source(
            "aladin",
            web="aladin",
            asks="words to search for, or an ISBN; without, bestsellers of every department",
        ),
        Source("aladin-csv", "aladin_csv", "aladin_raw_data.csv, bestsellers of aladin.co.kr"),
        Source(
            "kmdb",
            "kmdb",
            "an answer of KMDb's search_json2, or a seed file made of some",
            web="kmdb_web",
            asks="years of release such as 2020-2024, or a title; without, every film, newest first",
        ),
        Source(
            "kofic",
            web="kofic",
            asks="years of opening such as 2024, or a title; without, this year and the last",
        ),
        Source("korquad", "korquad", "questions about texts as SQuAD 1.1 has them, such as KorQuAD_v1.0_dev.json"),
        Source("movielens", "movielens", "the folder of MovieLens 100K or latest-small"),
        Source("movies-dataset", "movies_dataset", "the folder with movies_metadata.csv, credits.csv and keywords.csv"),
        Source(
            "nl",
            "national_library",
            "librarian picks of the National Library of Korea, XML or JSON",
            web="national_library_web",
            asks="years such as 2020-2024; without, every pick",
        ),
        Source(
            "nutrition",
            "nutrition",
            "the ministry's nutrition table, xlsx or CSV",
            web="nutrition_web",
            asks="part of a dish's name; without, every representative dish",
        ),
        Source("recipes", "recipes", "the folder with recipes.json, recipe_ingredients.json and recipe_process.json"),
        Source("table", "mapped", "any CSV, JSONL or Parquet file, with --mapping FILE", wants_mapping=True),
        Source(
            "tmdb",
            web="tmdb",
            asks="years such as 2020-2024, or a title; without, the 10,000 films most voted on",
        ),
        Source("yes24", "yes24", "Books_Information.csv or Books_Information_final.csv of yes24.com"),
    )
}  # fmt: skip
