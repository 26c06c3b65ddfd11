"""The shipped catalog and files of the same form: one Item as JSON a line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from pydantic import ValidationError

from data.item import BadRow, Item
from data.sources.files import EXCERPT
from data.sources.rows import reason

FILES = ("books.jsonl", "movies.jsonl", "foods.jsonl")


def folder() -> Traversable:
    """Where the shipped catalog lies."""
    return files("data") / "catalog"


def read(path: Traversable) -> Iterator[Item | BadRow]:
    """The items of a file in order; a line that is none comes as a BadRow, and the rest goes on.

    Raises OSError when the file cannot be opened.
    """
    with path.open("r", encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _item(path.name, number, line)


def shipped() -> Iterator[Item | BadRow]:
    """The whole shipped catalog."""
    for name in FILES:
        yield from read(folder() / name)


@cache
def shipped_hash() -> str:
    """SHA-256 of the shipped files: a new one means that the catalog has changed."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((folder() / name).read_bytes())
    return digest.hexdigest()


def _item(name: str, number: int, line: str) -> Item | BadRow:
    try:
        return Item.model_validate_json(line)
    except ValidationError as error:
        return BadRow(name, number, reason(error), line.strip()[:EXCERPT])
