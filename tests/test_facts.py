"""What the catalog and the readers say, against evidence that was looked up apart from them, in `facts.jsonl`.

A hundred shipped items were drawn by `random.Random(20261121)`: of the sorted ids of each catalog file, in the order
books, movies, foods, `sample(ids, n)` of 34, 33 and 33. Of each, what was known was written down before its line was
read; then the line was compared with that and with the data sets. A fact that nobody could vouch for (the pages of a
book in no data set, the Korean rating of an old film) is left out of the file, not taken over from the catalog.

Of each imported source 30 rows were drawn from the whole file by `sample(range(rows), 30)` of a new generator with that
seed (MovieLens: of latest-small, and some films of 100K; nutrition: of the dishes), and difficult ones added: two
ISBNs, HTML, titles turned around, volumes, roles, rows that stand twice. The cells were read with `csv` and `json`,
the values worked out by hand or by a few lines that share nothing with the readers.
"""

from __future__ import annotations

import collections
import csv
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from data.item import BadRow, Interaction, Item
from data.sources import SOURCES, catalog, korquad
from tests.shared import shared_data

Fact = dict[str, Any]
FACTS: list[Fact] = [
    json.loads(line) for line in (Path(__file__).parent / "facts.jsonl").read_text("utf-8").splitlines()
]
SHIPPED = [fact for fact in FACTS if "item" in fact]
IMPORTED = [fact for fact in FACTS if "source" in fact]
READ = {
    "aladin-csv": ("books-aladin/aladin_raw_data.csv",),
    "kmdb": ("movies-kmdb/movieDummy.js", "movies-kmdb/movie_seeds.js"),
    "korquad": ("korquad-1.0/KorQuAD_v1.0_dev.json",),
    "movielens": ("ml-latest-small", "ml-100k"),
    "movies-dataset": ("the-movies-dataset",),
    "nl": ("nl-saseo-picks/library_books_title_author.json", "nl-saseo-picks/api_sample_from_doc.xml"),
    "nutrition": ("food-nutrition-mfds/derived_nutrition_33cols.utf-8.csv",),
    "recipes": ("recipes-mafra",),
    "yes24": ("books-yes24/Books_Information.csv",),
}
"""What each reader is given: a file, or a folder of several."""
ENCODINGS = {"books-yes24/Books_Information.csv": "cp949", "ml-100k/u.item": "iso-8859-1"}


def place(name: str) -> Path:
    """A file or folder of the shared data; skips the test without it."""
    folder, _, rest = name.partition("/")
    return shared_data(folder) / rest


@cache
def raw(name: str) -> dict[int, Any]:
    """The rows of a file by the line that they begin on, or its records by their number, read without our readers."""
    path, encoding = place(name), ENCODINGS.get(name, "utf-8-sig")
    if path.suffix == ".csv":
        return dict(_table(path, encoding))
    text = path.read_text(encoding)
    if path.suffix == ".item":
        return {number: line.split("|") for number, line in enumerate(text.split("\n"), 1)}
    if path.suffix == ".xml":
        return {1: dict(re.findall(r"<(\w+)>([^<>]*(?:<p>[^<>]*</p>)?)</\1>", text))}
    if path.suffix == ".js":
        begin = re.search(r"[\[{]", text)
        assert begin is not None
        text = re.sub(r",(\s*[\]}])", r"\1", text[begin.start() :])
    value, _ = json.JSONDecoder(strict=False).raw_decode(text)
    if name.startswith("korquad"):
        value = [
            {"id": asked["id"], **asked["answers"][0]}
            for article in value["data"]
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
        ]
    elif isinstance(value, dict):
        value = value["Data"][0]["Result"]
    return dict(enumerate(value, 1))


def _table(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding=encoding, newline="") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows)]
        line = rows.line_num + 1
        for row in rows:
            yield line, dict(zip(header, row, strict=False))
            line = rows.line_num + 1


@cache
def read(source: str) -> tuple[dict[str, Any], list[str]]:
    """What the reader of a source yields: its items by id (pairs of questions by their number), and the rows that it
    refuses, as text. Ratings, which come behind the films, are not read."""
    entries: dict[str, Any] = {}
    refused: list[str] = []
    for name in READ[source]:
        found: Iterator[Any] = (
            korquad.read(place(name)) if source == "korquad" else SOURCES[source].read(place(name))
        )
        for number, entry in enumerate(takewhile(lambda one: not isinstance(one, Interaction), found), 1):
            if isinstance(entry, BadRow):
                refused.append(str(entry))
            else:
                entries[entry.id if isinstance(entry, Item) else str(number)] = entry
    return entries, refused


def said(entry: Any, field: str) -> Any:
    """The value of a field such as `year` or `external_ids.imdb`, as JSON would hold it."""
    for part in field.split("."):
        entry = entry.get(part) if isinstance(entry, dict) else getattr(entry, part)
    return list(entry) if isinstance(entry, tuple) else entry


def cell(evidence: Fact) -> Any:
    """What stands in the file where the evidence says."""
    row = raw(evidence["file"])[evidence.get("line") or evidence["record"]]
    return row[evidence["column"]]


def bears_out(found: str, value: Any) -> bool:
    """Whether a cell says the value: the number (rounded) is one of its numbers, each word stands in it."""
    if isinstance(value, int):
        return value in {round(float(number)) for number in re.findall(r"\d+(?:\.\d+)?", found)}
    words = value if isinstance(value, list) else [value]
    return all(str(word).removeprefix("tt").replace(" ", "") in found.replace(" ", "") for word in words)


def untrue(facts: list[Fact], entries: dict[str, Any], refused: list[str]) -> list[str]:
    """The facts that do not agree with what is said, each told."""
    wrong = []
    for fact in facts:
        if fact["field"] == "refused":
            evidence = fact["evidence"]
            row = (
                f"{Path(evidence['file']).name}:{evidence.get('line') or evidence['record']}: {fact['value']}"
            )
            if row not in refused:
                wrong.append(f"{row} was not refused for that")
            continue
        name = fact.get("item") or fact.get("id") or str(fact["evidence"]["record"])
        got = said(entries[name], fact["field"]) if name in entries else "nothing"
        if got != fact["value"]:
            wrong.append(f"{name}: {fact['field']} is {fact['value']!r}, but {got!r} is said")
    return wrong


@cache
def shipped() -> dict[str, Any]:
    return {row.id: row for row in catalog.shipped() if isinstance(row, Item)}


def test_every_fact_has_its_evidence_and_there_are_enough() -> None:
    assert len({fact["item"] for fact in SHIPPED}) >= 100
    kinds = collections.Counter(name.partition(":")[0] for name in {fact["item"] for fact in SHIPPED})
    assert min(kinds["book"], kinds["movie"], kinds["food"]) >= 33
    for fact in FACTS:
        evidence = fact["evidence"]
        assert evidence.get("says") if "look" in evidence else {"file", "column", "cell"} <= set(evidence), (
            fact
        )
    rows: dict[str, set[tuple[str, int]]] = collections.defaultdict(set)
    for fact in IMPORTED:
        rows[fact["source"]].add(
            (fact["evidence"]["file"], fact["evidence"].get("line") or fact["evidence"]["record"])
        )
    assert set(rows) == set(READ)
    assert {source: len(found) for source, found in rows.items() if len(found) < 30} == {}


def test_the_catalog_says_what_was_looked_up() -> None:
    """A mended fact would go wrong again with the next batch of lines."""
    assert untrue(SHIPPED, shipped(), []) == []


def test_a_fact_that_is_not_so_is_told() -> None:
    """A comparison that never fails would hide every mistake."""
    fact = next(fact for fact in SHIPPED if fact["field"] == "year")
    assert untrue([{**fact, "value": fact["value"] + 1}], shipped(), []) != []
    assert untrue([{**fact, "item": "book:nobody-wrote-this"}], shipped(), []) != []
    assert (
        untrue([{"field": "refused", "value": "x", "evidence": {"file": "a.csv", "line": 1}}], {}, []) != []
    )
    assert not bears_out("Toy Story (1995)", 1996)
    assert not bears_out("김하나 (지은이)", ["김하나", "황선우"])
    assert bears_out("494.59899999999999", 495)


def test_the_files_say_what_the_evidence_of_shipped_items_says() -> None:
    """Evidence that stands nowhere is none."""
    wrong = []
    for fact in SHIPPED:
        if "file" not in (evidence := fact["evidence"]):
            continue
        found = cell(evidence)
        if found != evidence["cell"] or not bears_out(found, fact["value"]):
            wrong.append(f"{fact['item']} {fact['field']}: {found!r} does not say {fact['value']!r}")
    assert wrong == []


@pytest.mark.parametrize("source", sorted(READ))
def test_a_reader_says_what_the_rows_say(source: str) -> None:
    """A reader that takes the wrong column, volume or half of a name would fill thousands of items with it."""
    facts = [fact for fact in IMPORTED if fact["source"] == source]
    moved = [fact for fact in facts if cell(fact["evidence"]) != fact["evidence"]["cell"]]
    assert moved == []
    assert untrue(facts, *read(source)) == []
