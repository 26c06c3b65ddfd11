"""What operators have at hand in a chat, made of the parts of a running program."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bot import imports, indexing
from data.phrases import Phrases
from handlers.office import Condition
from handlers.turn import Attachment
from storage import items
from storage.stats import Stats

if TYPE_CHECKING:
    from bot.app import App

PNG = "image/png"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """The `Office` of an app."""

    app: App

    @property
    def admins(self) -> Collection[tuple[str, str]]:
        return self.app.settings.admins

    async def condition(self) -> Condition:
        from bot.doctor import Finding, worker_models

        app = self.app
        async with app.database.reading() as connection:
            active = await items.active_index(connection)
        state: Literal["none", "answers", "silent"] = "none"
        says = ""
        if app.settings.llm_url is not None:
            try:
                state, says = "answers", ", ".join(await worker_models(app.settings))
            except Finding as finding:
                state, says = "silent", type(finding.__cause__).__name__
        return Condition(
            version=active.version if active else None,
            rows=active.rows if active else 0,
            built_at=active.created_at if active else 0.0,
            fresh=await indexing.stale(app.database, app.embedder) is None,
            worker=state,
            worker_says=says,
            memory=memory(),
            counts=dict(app.engine.llm.counts) if app.engine.llm is not None else {},
        )

    async def picture(self, stats: Stats, titles: Mapping[str, str], words: Phrases) -> Attachment | None:
        from bot import charts

        try:
            drawn = await asyncio.to_thread(charts.draw, stats, titles, words)
        except charts.NoCharts as missing:
            logger.info("%s", missing)
            return None
        except Exception:
            logger.exception("The picture of the figures could not be drawn")
            return None
        name = f"oneulmwo-{stats.days[-1].day:%Y%m%d}-{len(stats.days)}.png"
        return Attachment(name, PNG, b64encode(drawn).decode(), base64=True)

    def importable(self) -> Sequence[str]:
        return imports.names(self.app.settings)

    def may_import(self, name: str) -> bool:
        return imports.inside(self.app.settings, name) is not None


def memory() -> int:
    """Bytes of memory that this process holds; where the system tells only the most it ever held, that."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
