"""What is to be imported, from a file or a service, opened: for the command line and for jobs alike.

From a chat only what lies in a folder meant for it can be read, whoever asks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from bot import jobs
from bot.private import PrivateFile
from bot.settings import Settings
from data.item import BadRow
from data.sources import SOURCES, Rows, Source
from data.sources.files import SourceError
from handlers.jobs import ROWS
from storage import imports
from storage.database import Database

FOLDER: Final = "imports"
LONGEST: Final = 300
"""Characters of a name."""
REPORTED: Final = 10_000
"""Skipped rows that are written down."""
WHYS: Final = 5
"""Reasons for skipping that are told."""
Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Import:
    """What is to be imported: the data set at `path`, or what its web API says to `query` where there is no path."""

    source: Source
    path: Path | None = None
    query: str = ""
    mapping: Path | None = None


async def rows_of(
    database: Database, settings: Settings, wanted: Import, sleep: Callable[[float], object]
) -> tuple[Rows, bool]:
    """The rows, and whether they go on where the last import stopped. `sleep` waits seconds."""
    source = wanted.source
    if wanted.path:
        return source.read(wanted.path, wanted.mapping), False
    async with database.reading() as connection:
        cursor = await imports.cursor(connection, source.name, wanted.query)
    secret: SecretStr | None = getattr(settings, source.service.setting)
    key = secret.get_secret_value() if secret else ""
    return source.ask(key, wanted.query, cursor or "", sleep), cursor is not None


def folders(settings: Settings) -> list[Path]:
    """Where what may be imported from a chat lies."""
    return [settings.home / FOLDER, *([settings.imports] if settings.imports else [])]


def inside(settings: Settings, name: str) -> Path | None:
    """The file or folder of that name in such a folder; None where there is none, or it leads out of there."""
    if not name or len(name) > LONGEST or "\0" in name:
        return None
    for folder in folders(settings):
        try:
            base = folder.resolve()
            path = (base / name).resolve()  # links are followed: what they lead to must lie there too
            if path != base and path.is_relative_to(base) and path.exists():
                return path
        except (OSError, RuntimeError, ValueError):
            continue
    return None


def names(settings: Settings) -> list[str]:
    """What lies there, folders with a slash behind them."""
    found = set()
    for folder in folders(settings):
        try:
            found |= {f"{each.name}/" if each.is_dir() else each.name for each in folder.iterdir()}
        except OSError:
            continue
    return sorted(name for name in found if not name.startswith("."))


def asked_for(settings: Settings, payload: Mapping[str, Any]) -> Import:
    """What a job is to import.

    Raises:
        SourceError: its source is not known here, or its file is not there or not to be read.
    """
    source = SOURCES.get(str(payload.get("source")))
    if source is None:
        raise SourceError("This version does not know that data set.")
    if "path" not in payload:
        if not source.web:
            raise SourceError(f"{source.name} is read from a file; name one.")
        return Import(source, query=str(payload.get("query", "")))
    if not source.module:
        raise SourceError(f"{source.name} is not read from a file; say what to ask for.")
    path = inside(settings, str(payload["path"]))
    mapping = (
        inside(settings, str(payload["mapping"])) if source.wants_mapping and "mapping" in payload else None
    )
    if path is None or (source.wants_mapping and mapping is None):
        raise SourceError("That file is not, or no longer, in a folder that may be imported from a chat.")
    return Import(source, path, mapping=mapping)


async def bring(
    database: Database, settings: Settings, payload: Mapping[str, Any], told: Told, report: Path
) -> dict[str, Any]:
    """Import as a job: what it did, JSON-able; skipped rows stand in the file `report`, where there are some.

    Raises:
        SourceError: the data set cannot be read, or the service refuses or fails; what came before is stored.
    """
    wanted, stopped = asked_for(settings, payload), threading.Event()
    lines: list[str] = []

    def skipped(row: BadRow) -> None:
        if len(lines) < REPORTED:
            lines.append(json.dumps(asdict(row), ensure_ascii=False))

    try:
        rows, _ = await rows_of(database, settings, wanted, stopped.wait)
        done = await jobs.import_rows(
            database, wanted.source.name, rows,
            query=None if wanted.path else wanted.query,
            skipped=skipped,
            progress=lambda read: told(f"{ROWS}{read:,}", 0, 0),
        )  # fmt: skip
    finally:
        stopped.set()  # whoever stops an import does not wait for its thread to wake up
    result = {**asdict(done), "source": wanted.source.name, "skipped": done.skipped.total()}
    result["why"] = done.skipped.most_common(WHYS)
    if lines:
        with PrivateFile(report) as file:
            file.writelines(f"{line}\n" for line in lines)
        result["report"] = str(report)
    return result
