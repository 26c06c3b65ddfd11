"""The rows of an Excel workbook (.xlsx), one by one, after a look at how far its zip would unpack.

Knows no data set.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from data.sources.files import SourceError, checked

UNPACKED: Final = 256 << 20
"""Bytes that all parts of a workbook may unpack to; the ministry's table takes 20 MB."""
RATIO: Final = 100
"""Times its own size that a workbook may unpack to; the ministry's table does 8 times."""
_PARTS: Final = 2_000
_LAST: Final = 1 << 20
"""The last row that a sheet of Excel can have."""
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, InvalidFileException, SyntaxError, OSError, EOFError, RuntimeError,
    LookupError, ValueError, TypeError, AttributeError, OverflowError,
)  # fmt: skip
"""What the libraries raise where a workbook is none; XML's ParseError is a SyntaxError."""


def is_workbook(path: Path) -> bool:
    """Whether the file is a zip, as workbooks are. Raises SourceError where it cannot be read."""
    with checked(path).open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def rows(path: Path) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows of the first sheet that are not blank, with their numbers (from 1). A row ends at its last cell.

    Raises:
        SourceError: the file is no workbook, breaks off, or unpacks to more than a table would.
    """
    _unpacks_sanely(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and print areas that openpyxl does not know
            book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # a sheet may claim to be a million rows wide
            for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
                if number > _LAST:  # the rows before one that is numbered 9999999999 are made up by openpyxl
                    raise ValueError("a row beyond the last one of Excel")
                if any(cell is not None for cell in row):
                    yield number, row
        finally:
            book.close()
    except _BROKEN as error:
        raise SourceError(f"{path} is no whole Excel workbook ({error}); save it again as .xlsx.") from error


def _unpacks_sanely(path: Path) -> None:
    """Whether the zip's directory promises a table. What a part holds beyond its promise is never unpacked."""
    try:
        with zipfile.ZipFile(checked(path)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise SourceError(f"{path} is no whole Excel workbook ({error}); save it again as .xlsx.") from error
    unpacked = sum(part.file_size for part in parts)
    # Against the size of the whole file, for parts of a bomb may share their bytes.
    if len(parts) > _PARTS or unpacked > UNPACKED or unpacked > RATIO * path.stat().st_size:
        raise SourceError(
            f"{path} unpacks to {unpacked >> 20} MB in {len(parts)} parts, more than a table would; "
            "open it only if you trust it, and save it as CSV."
        )
