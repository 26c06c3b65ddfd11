"""Files that only their owner may read, and that are whole or not there at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import TextIO


class PrivateFile:
    """A text file, open for writing while the block lasts, and in its place only when that ends without an error.

    Raises OSError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")

    def __enter__(self) -> TextIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        return self._file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._file as file:
                if error is None:
                    file.flush()
                    os.fsync(file.fileno())
            if error is None:
                self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)
