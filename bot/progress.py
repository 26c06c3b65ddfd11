"""How far long work has come, on stderr for whoever watches a terminal; silent in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from data.phrases import Phrases


@contextmanager
def index_progress(words: Phrases) -> Iterator[Callable[[str, int, int], None]]:
    """What moves a progress bar on stderr while an index is built: stage, done, total. Silent in a pipe."""
    out = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        console=out,
        transient=True,
    )
    task = bar.add_task(words.say("console.building"), total=1)

    def stop() -> None:
        if bar.live.is_started:  # stopping what was never started leaves an empty line
            bar.stop()

    def move(stage: str, done: int, total: int) -> None:
        if stage == "done" or not out.is_terminal:
            stop()
            return
        bar.start()  # only now: a start that builds nothing shows nothing
        named = words.variants(f"console.building_stage.{stage}")
        bar.update(task, completed=done, total=max(total, 1), description=named[0] if named else None)

    try:
        yield move
    finally:
        stop()


@contextmanager
def counting(name: str) -> Iterator[Callable[[int], None]]:
    """What shows how many rows of a data set were read."""
    out = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}  {task.completed:,} rows"), TimeElapsedColumn()
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda read: bar.update(task, completed=read)
