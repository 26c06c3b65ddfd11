"""Who was told something lately, so that nobody hears it twice in a row. Knows neither what nor why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Told:
    """Who was told something within the last `seconds`."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _at: dict[str, float] = field(default_factory=dict, init=False)
    _swept_at: float = field(default=0.0, init=False)

    def due(self, who: str) -> bool:
        """Whether it is time to tell them, which then count as told."""
        now = self.clock()
        if now - self._swept_at > self.seconds:
            self._at = {each: at for each, at in self._at.items() if now - at < self.seconds}
            self._swept_at = now
        if now - self._at.get(who, float("-inf")) < self.seconds:
            return False
        self._at[who] = now
        return True

    def forget(self) -> None:
        self._at.clear()
