"""Items or interactions from any table, CSV, JSON lines or Parquet, as a mapping in TOML tells (see `mapping.py`).

Knows no data set. Rows are streamed, whatever the format.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from data.item import BadRow, Interaction, Item
from data.sources.files import EXCERPT, SourceError, checked, table, text
from data.sources.mapping import LISTS, NUMBERS, Column, Mapping, load
from data.sources.rows import amount, damaged, made, plain, reason

_LONGEST: Final = 1 << 24
"""Characters of a line of JSON."""
_BATCH: Final = 1024
"""Rows of a Parquet file held at a time."""
_SAFE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,49}")
_BOOLS: Final = {"true": True, "1": True, "false": False, "0": False}

Row = dict[str, Any]


def read(path: Path, mapping: Path) -> Iterator[Item | Interaction | BadRow]:
    """The rows of a table in order, each as what the mapping makes of it.

    Ids are `domain:name-` and the id column in small letters; one that is not ASCII goes by its hash. A BadRow's
    line is that of the text, or the number of the record in Parquet.

    Raises:
        SourceError: the mapping or the table cannot be read, or the table lacks a column of the mapping.
    """
    told = load(mapping)
    readers = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
    for row in readers[told.file.format](path, told):
        if isinstance(row, BadRow):
            yield row
            continue
        line, cells = row
        try:
            yield _item(path, line, cells, told) if told.kind == "item" else _interaction(cells, told)
        except ValidationError as error:
            yield BadRow(path.name, line, reason(error), _excerpt(cells))
        except (ValueError, OverflowError) as error:
            yield BadRow(path.name, line, str(error), _excerpt(cells))


def _item(path: Path, line: int, cells: Row, mapping: Mapping) -> Item | BadRow:
    fields = {name: _value(name, column, cells, mapping) for name, column in mapping.fields.items()}
    ids = {name: _text(cells.get(column), mapping) for name, column in mapping.external_ids.items()}
    fixed = {
        name: [value] if name in LISTS and not isinstance(value, list) else value
        for name, value in mapping.fixed.items()
    }
    if fields["title"] is None:
        raise ValueError(f"{mapping.fields['title'].column} is empty, and an item needs a title")
    return made(
        path.name,
        line,
        {
            "id": _id(cells, mapping),
            "domain": mapping.domain,
            "source": mapping.name,
            **fields,
            **fixed,
            "external_ids": {name: value for name, value in ids.items() if value is not None},
        },
    )


def _interaction(cells: Row, mapping: Mapping) -> Interaction:
    fields = {name: _value(name, column, cells, mapping) for name, column in mapping.fields.items()}
    if fields["user"] is None:
        raise ValueError(f"{mapping.fields['user'].column} is empty, and an interaction needs a user")
    extra = {name: _text(cells.get(column), mapping) for name, column in mapping.extra.items()}
    if damaged(fields["user"], *extra.values()):
        raise ValueError("characters are lost (U+FFFD); get the file again in its own encoding")
    return Interaction(
        item_id=_id(cells, mapping), **fields, extra={k: v for k, v in extra.items() if v is not None}
    )


def _id(cells: Row, mapping: Mapping) -> str:
    parts = [_text(cells.get(column), mapping) for column in mapping.ids]
    if None in parts:
        raise ValueError(f"{mapping.ids[parts.index(None)]} is empty, and an id is made of it")
    joined = "-".join(part for part in parts if part)
    if damaged(joined):
        raise ValueError("characters of the id are lost (U+FFFD)")
    safe = joined.lower() if joined.isascii() else ""
    if not _SAFE.fullmatch(safe):
        safe = "h" + hashlib.sha256(joined.encode()).hexdigest()[:16]
    return f"{mapping.domain}:{mapping.name}-{safe}"


def _value(name: str, column: Column, cells: Row, mapping: Mapping) -> Any:
    """What a field gets of a row; None where the row says nothing."""
    cell = cells.get(column.column)
    several = isinstance(cell, list | tuple)
    texts = (
        [_text(part, mapping) for part in cell] if isinstance(cell, list | tuple) else [_text(cell, mapping)]
    )
    words = [word for word in texts if word is not None]
    if column.split:
        split = (_text(part, mapping) for word in words for part in word.split(column.split))
        words = [word for word in split if word is not None]
    if not words:
        return None
    if name not in LISTS and several and len(words) > 1:
        raise ValueError(f"{column.column} holds {len(words)} values where {name} takes one")
    found: dict[Any, None] = {}
    for word in words:
        for value in _meanings(name, column, word):
            found[value] = None
    if name in LISTS:
        return tuple(found)
    return next(iter(found), None)


def _meanings(name: str, column: Column, word: str) -> list[Any]:
    """A word of a cell as values of the field: one, or as many as its table of values gives."""
    if column.values is not None:
        if word not in column.values:
            if column.other == "skip":
                return []
            raise ValueError(f"{column.column}: {word[:40]!r} is none of the mapping's values for {name}")
        value = column.values[word]
        return value if isinstance(value, list) else [value]
    if name == "soupy":
        if word.lower() not in _BOOLS:
            raise ValueError(f"{column.column}: {word[:40]!r} is neither true nor false; give values for it")
        return [_BOOLS[word.lower()]]
    if column.time:
        return [_seconds(word, column)]
    if name not in NUMBERS:
        return [word]
    try:
        number = amount(word, column.units)
    except ValueError as error:
        raise ValueError(f"{column.column}: {error}") from error
    if number is None or (number == 0 and column.zero == "unknown"):
        return []
    return [number if name == "rating" else round(number)]


def _seconds(word: str, column: Column) -> int:
    assert column.time is not None
    try:
        moment = datetime.strptime(word, column.time)  # noqa: DTZ007 (a zone may be in the format)
    except ValueError as error:
        raise ValueError(f"{column.column}: {word[:40]!r} is no time written {column.time}") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _text(cell: object, mapping: Mapping) -> str | None:
    """A cell as text; None where it is empty or one of the words for it.

    Raises:
        ValueError: it holds something that is not one value.
    """
    if isinstance(cell, bool):
        cell = str(cell).lower()
    elif isinstance(cell, datetime | date):
        cell = cell.isoformat()
    elif isinstance(cell, Decimal):
        cell = float(cell)
    if isinstance(cell, float) and math.isinf(cell):
        raise ValueError("a number is infinite")
    words = plain(cell)
    return None if words in mapping.file.missing else words


def _csv(path: Path, mapping: Mapping) -> Iterator[tuple[int, Row] | BadRow]:
    shape = mapping.file
    yield from table(path, mapping.needed, *shape.encodings, delimiter=shape.delimiter)


def _jsonl(path: Path, mapping: Mapping) -> Iterator[tuple[int, Row] | BadRow]:
    missing = set(mapping.needed)
    for row in _objects(path, mapping):
        if not isinstance(row, BadRow):
            missing -= row[1].keys()
        if not missing:
            break
    if missing:  # an object may leave a key out, but a key that none has is a mistake in the mapping
        raise SourceError(f"{path} has no key {', '.join(sorted(missing))} in any line; look at the mapping.")
    yield from _objects(path, mapping)


def _objects(path: Path, mapping: Mapping) -> Iterator[tuple[int, Row] | BadRow]:
    with text(path, *mapping.file.encodings) as file:
        number = 0
        while line := file.readline(_LONGEST):
            number += 1
            if len(line) == _LONGEST and not line.endswith("\n"):
                while (rest := file.readline(_LONGEST)) and not rest.endswith("\n"):
                    pass
                yield BadRow(path.name, number, f"a line of more than {_LONGEST} characters", line[:EXCERPT])
                continue
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield BadRow(path.name, number, f"no JSON: {error}", line.strip()[:EXCERPT])
                continue
            if isinstance(value, dict):
                yield number, value
            else:
                yield BadRow(path.name, number, "no JSON object", line.strip()[:EXCERPT])


def _parquet(path: Path, mapping: Mapping) -> Iterator[tuple[int, Row] | BadRow]:
    number = 0
    try:
        with pq.ParquetFile(checked(path), pre_buffer=False) as file:
            if missing := [name for name in mapping.needed if name not in file.schema_arrow.names]:
                raise SourceError(f"{path} has no column {', '.join(missing)}; is it the right file?")
            for batch in file.iter_batches(batch_size=_BATCH, columns=mapping.needed):
                for cells in batch.to_pylist():
                    number += 1
                    yield number, cells
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(f"{path} is no whole Parquet file ({str(error).splitlines()[0][:100]}).") from error


def _excerpt(cells: Row) -> str:
    return str({name: cell for name, cell in cells.items() if cell is not None})[:EXCERPT]
