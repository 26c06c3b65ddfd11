"""The command `oneulmwo import`: which source, from a file or from its web API, and what is said of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.command import CommandError, run, settings

if TYPE_CHECKING:
    from bot.imports import Import
    from data.sources import Source

_FILE_NAME = re.compile(r"\.[A-Za-z0-9]{2,8}$")


def command(
    source: Annotated[str, typer.Argument(help="A data set; --list names them.")] = "",
    what: Annotated[
        str,
        typer.Argument(
            metavar="PATH|QUERY",
            help="Its file or folder; of a source behind a web API what to ask for, or nothing.",
        ),
    ] = "",
    mapping: Annotated[
        Path | None, typer.Option(help="For `table`: a TOML file that says what the columns are.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would change, and store nothing.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write each row that was skipped to this file, one JSON object a line."),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Tell which data sets there are and what each takes.")
    ] = False,
) -> None:
    """Bring a data set into the catalog; doing it again changes nothing, and goes on where it was cut off."""
    from data.sources import SOURCES

    if listed:
        for each in SOURCES.values():
            _tell(each)
        return
    if source not in SOURCES:
        raise typer.BadParameter(f"choose one of {', '.join(SOURCES)}", param_hint="SOURCE")
    wanted = _wanted(SOURCES[source], what.strip(), mapping)
    run(_import(wanted, dry_run, report))


def _tell(source: Source) -> None:
    if source.takes:
        typer.echo(f"{source.name:<16} {source.takes}")
    if source.asks:
        name = source.name if not source.takes else "  or no file"
        typer.echo(f"{name:<16} {source.service.name} ({source.service.variable}): {source.asks}")


def _wanted(source: Source, what: str, mapping: Path | None) -> Import:
    """Raises typer.BadParameter where source, path, query and mapping do not go together."""
    from bot.imports import Import

    if source.wants_mapping != (mapping is not None):
        why = "is needed for this source" if mapping is None else "goes with the source `table` only"
        raise typer.BadParameter(why, param_hint="--mapping")
    if source.web and not (source.module and _is_path(what)):
        return Import(source, query=" ".join(what.split()))
    if not what:
        raise typer.BadParameter(f"name {source.takes}", param_hint="PATH")
    return Import(source, Path(what), mapping=mapping)


def _is_path(what: str) -> bool:
    """Whether it names a file rather than what to ask for: it is there, or is written like one."""
    if not what or "\0" in what:
        return False
    return os.sep in what or bool(_FILE_NAME.search(what)) or os.path.exists(what)  # noqa: PTH110 (says no to what is too long for a name)


async def _import(wanted: Import, dry_run: bool, report: Path | None) -> None:
    from bot import operate

    try:
        async for line in operate.import_source(settings(), wanted, dry_run, report):
            typer.echo(line)
    except operate.OperatorError as error:
        raise CommandError(str(error)) from None
