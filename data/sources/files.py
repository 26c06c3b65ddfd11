"""Files of other people's data, opened with care: what is no data file says so, and a broken row stops nothing.

Knows no data set: which columns there are and what they mean is told by the reader of each.
"""

from __future__ import annotations

import codecs
import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from data.item import BadRow

EXCERPT: Final = 200
"""Characters of a row that a BadRow shows."""
_BLOCK: Final = 1 << 20
_POINTER: Final = b"version https://git-lfs.github.com/"

csv.field_size_limit(min(sys.maxsize, 1 << 30))  # the crew of one film alone passes the default


class SourceError(Exception):
    """A file or a service that cannot be read at all: one sentence that says what to do."""


def checked(path: Path) -> Path:
    """The path of a file that can be read.

    Raises:
        SourceError: it is missing, a folder, not ours to read, empty, or a pointer of Git LFS.
    """
    try:
        if path.is_dir():
            raise SourceError(f"{path} is a folder; name a file in it.")
        with path.open("rb") as file:
            head = file.read(len(_POINTER))
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}; check the path.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); check whose it is.") from error
    if head == _POINTER:
        raise SourceError(f"{path} is a pointer of Git LFS, not the data; fetch it with `git lfs pull`.")
    if not head:
        raise SourceError(f"{path} is empty; get it again.")
    return path


def encoding_of(path: Path, *tried: str) -> str:
    """The first of the encodings that the whole file is in, read in blocks. `utf-8-sig` drops a byte order mark.

    Raises:
        SourceError: it is in none of them.
    """
    for encoding in tried:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with checked(path).open("rb") as file:
                while block := file.read(_BLOCK):
                    decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise SourceError(f"{path} is not text in {' or '.join(tried)}; save it in one of these.")


@contextmanager
def text(path: Path, *tried: str) -> Iterator[TextIO]:
    """The file open for reading, line breaks as they stand, in the first encoding that fits it (UTF-8 where none
    is named). Raises SourceError as `checked` and `encoding_of` do."""
    with checked(path).open(encoding=encoding_of(path, *(tried or ("utf-8-sig",))), newline="") as file:
        yield file


def table(
    path: Path, needed: Sequence[str], *tried: str, delimiter: str = ","
) -> Iterator[tuple[int, dict[str, str]] | BadRow]:
    """The rows of a CSV file with a header, each with the line it begins on (from 1), streamed.

    A row of too few or too many fields is a BadRow; one of nothing but delimiters is passed over.

    Raises:
        SourceError: it cannot be read, or a `needed` column is missing from the header.
    """
    with text(path, *tried) as file:
        rows = csv.reader(file, delimiter=delimiter)
        header = [name.strip() for name in next(rows, [])]
        if missing := [name for name in needed if name not in header]:
            raise SourceError(f"{path} has no column {', '.join(missing)}; is it the right file?")
        while True:
            line = rows.line_num + 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield BadRow(path.name, line, f"no CSV: {error}", "")
                continue
            if row is None:
                return
            if not any(field.strip() for field in row):
                continue
            if len(row) != len(header):
                why = f"{len(row)} fields where the header has {len(header)}"
                yield BadRow(path.name, line, why, delimiter.join(row)[:EXCERPT])
                continue
            yield line, dict(zip(header, row, strict=True))
