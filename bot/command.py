"""What all commands have in common: how one runs, what it reads first, and how it says in a line what went wrong.

Knows no command.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any

import typer

from bot import settings as configuration

TELLTALES = ("aiosqlite", "httpcore", "httpx", "telegram")
"""Libraries whose lines below a warning hold what people said, or tokens as parts of addresses."""


class CommandError(Exception):
    """A command that could not be done; the message is one line that says why and what to do."""


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end; one that cannot be done says why on stderr and exits with 1.

    Raises:
        typer.Exit: it could not be done, or was interrupted.
    """
    from data.sources.files import SourceError
    from engine.errors import EngineError
    from storage.database import StorageError

    _open_standard_files()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(work)
    except (CommandError, configuration.SettingsError, EngineError, SourceError, StorageError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone: there is nobody to tell
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed, as for a bot that serves: it hears from threads sooner, of which a turn has a dozen
    (`docs/log.md`)."""
    if find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


def _open_standard_files() -> None:
    """Whoever starts a program may have closed them, and uvloop ends it where its first file gets one of their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


def settings() -> configuration.Settings:
    """The settings, with logging as they say.

    Raises:
        SettingsError: one of them cannot be.
    """
    loaded = configuration.load()
    logging.basicConfig(level=loaded.log_level, format="%(levelname)s %(name)s: %(message)s")
    hush()
    return loaded


def hush() -> None:
    """Let libraries say only what must be known, whatever is set for our own lines."""
    for name in TELLTALES:
        logging.getLogger(name).setLevel(logging.WARNING)
