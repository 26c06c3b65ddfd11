"""A circuit breaker: whether something that fails may be tried again, so that nobody pays twice for one outage.

Knows neither what it guards nor how a probe is made: it is told what happened, and says what may be done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal

FAILURES: Final = 3
"""Failures in a row that open it, where none of them says outright that nobody is there."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the first probe, and at most; each probe that fails, and each return that does not last, doubles them."""
LONGEST_HOLD: Final = 30.0
"""Seconds that a busy server may ask for."""

State = Literal["closed", "open", "trial"]


class Breaker:
    """Closed: calls go through. Open: none does, until a probe succeeds. Trial: they go through again, and the
    first failure opens it anew, with a longer pause; the first success closes it."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        first: float = FIRST_PAUSE,
        longest: float = LONGEST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`first` and `longest` are seconds; `clock` gives seconds that never run backwards."""
        self.state: State = "closed"
        self.pause = first
        """Seconds to wait before the next probe."""
        self._most, self._first, self._longest = failures, first, longest
        self._clock = clock
        self._row = 0
        self._held = clock()

    @property
    def allows(self) -> bool:
        """Whether a call may be made now."""
        return self.state != "open" and self._clock() >= self._held

    def succeeded(self) -> None:
        """A call was answered. One that was begun before the breaker opened changes nothing."""
        if self.state != "open":
            self.state, self.pause, self._row = "closed", self._first, 0

    def failed(self, *, at_once: bool = False, hold: float = 0.0) -> bool:
        """A call failed; whether that opened the breaker.

        `at_once` says that nobody is there; `hold` are seconds for which the server asks not to be asked.
        """
        self._held = max(self._held, self._clock() + min(max(hold, 0.0), LONGEST_HOLD))
        if self.state == "open":
            return False
        self._row += 1
        if self.state == "closed" and not at_once and self._row < self._most:
            return False
        if self.state == "trial":
            self._wait_longer()
        self.state = "open"
        return True

    def probed(self, answered: bool) -> None:
        """A probe was answered, or not. It matters only while the breaker is open."""
        if self.state != "open":
            return
        if answered:
            self.state, self._row = "trial", 0
        else:
            self._wait_longer()

    def _wait_longer(self) -> None:
        self.pause = min(self.pause * 2, self._longest)
