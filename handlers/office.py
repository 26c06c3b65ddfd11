"""What the program can do for its operators besides what stands in the database: a conversation asks for it here.

Knows neither files nor processes nor pictures: whoever runs the program gives an `Office` to the room.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from data.phrases import Phrases
from handlers.turn import Attachment
from storage.stats import Stats


@dataclass(frozen=True, slots=True)
class Condition:
    """How this process is. `version` is that of the index, None where there is none, of so many `rows`, built at
    `built_at` (Unix seconds); `worker_says` are the names of its models, or what kept it from answering; `memory`
    is in bytes, 0 where it cannot be known; `counts` is what this process asked the worker and what came of it
    (`engine.llm.LLM.counts`)."""

    version: int | None
    rows: int
    built_at: float
    fresh: bool
    worker: Literal["none", "answers", "silent"]
    worker_says: str
    memory: int
    counts: Mapping[str, int] = field(default_factory=dict)


class Office(Protocol):
    """What operators have at hand."""

    @property
    def admins(self) -> Collection[tuple[str, str]]:
        """Everybody who is an operator, as (platform, id)."""

    async def condition(self) -> Condition:
        """How this process is now."""

    async def picture(self, stats: Stats, titles: Mapping[str, str], words: Phrases) -> Attachment | None:
        """The figures as a picture, with the titles of items by id; None where it cannot be drawn."""

    def importable(self) -> Sequence[str]:
        """Names of files and folders that may be imported from a chat."""

    def may_import(self, name: str) -> bool:
        """Whether there is such a file or folder, and it may be read."""
