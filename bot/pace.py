"""How fast a person may talk: a bucket of turns each, that fills again by the minute.

Knows no turn; kept in memory only, so that a restart forgives.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.told import Told

MINUTE = 60.0
"""Seconds in which an empty bucket is full again, and within which nobody is told twice to slow down."""


@dataclass(slots=True)
class _Bucket:
    turns: float
    at: float


@dataclass(slots=True, eq=False)
class Pace:
    """The buckets of one platform. `clock` tells seconds."""

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, _Bucket] = field(default_factory=dict, init=False)
    _swept_at: float = field(default=0.0, init=False)
    _told: Told = field(init=False)

    def __post_init__(self) -> None:
        self._told = Told(MINUTE, self.clock)

    def spend(self, person_id: str) -> bool:
        """Take a turn out of the person's bucket; False when there is none."""
        now = self.clock()
        if now - self._swept_at > MINUTE:  # who was silent for so long has a full bucket, or none
            self._buckets = {who: each for who, each in self._buckets.items() if now - each.at < MINUTE}
            self._swept_at = now
        bucket = self._buckets.setdefault(person_id, _Bucket(self.per_minute, now))
        grown = (now - bucket.at) * self.per_minute / MINUTE
        bucket.turns, bucket.at = min(bucket.turns + grown, self.per_minute), now
        if bucket.turns < 1:
            return False
        bucket.turns -= 1
        return True

    def tell(self, person_id: str) -> bool:
        """Whether it is time to tell the person, which then counts as told."""
        return self._told.due(person_id)
