"""Where people are, as they told a moment ago: in memory only, for minutes, under keys that tell nothing.

No table, no session and no button holds a place: a button holds its key, and after a restart the key opens nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from handlers.turn import Turn

KEPT_SECONDS: Final = 15 * 60
MOST: Final = 2_000
"""Places kept at once; the oldest go."""

Who = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that a person told at a time (Unix seconds), in degrees, and what is looked for there, if that is known."""

    who: Who
    at: float
    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    wanted: str = ""


@dataclass(slots=True)
class Whereabouts:
    """The places of everybody who speaks with this process, and what they wish to find where they will be."""

    _spots: dict[str, Spot] = field(default_factory=dict, repr=False)
    _wishes: dict[Who, tuple[float, str]] = field(default_factory=dict)

    def find(self, turn: Turn, key: str) -> Spot | None:
        """The spot of this key, if it is this person's and not too old."""
        self._forget(turn.at)
        spot = self._spots.get(key)
        return spot if spot is not None and spot.who == who(turn) else None

    def latest(self, turn: Turn) -> Spot | None:
        """Where this person was last, if that is not too long ago."""
        self._forget(turn.at)
        return next((spot for spot in reversed(self._spots.values()) if spot.who == who(turn)), None)

    def keep(self, spot: Spot) -> str:
        """The key that a spot is kept under."""
        key = secrets.token_urlsafe(6)
        self._spots[key] = spot
        while len(self._spots) > MOST:
            del self._spots[next(iter(self._spots))]
        return key

    def wish(self, turn: Turn, wanted: str) -> None:
        """Remember what is to be found where this person will tell to be, in whatever chat."""
        self._wishes.pop(who(turn), None)
        self._wishes[who(turn)] = turn.at, wanted
        while len(self._wishes) > MOST:
            del self._wishes[next(iter(self._wishes))]

    def wished(self, turn: Turn) -> str | None:
        """What this person wished to find, once."""
        self._forget(turn.at)
        return self._wishes.pop(who(turn), (0.0, None))[1]

    def _forget(self, now: float) -> None:
        self._spots = {key: spot for key, spot in self._spots.items() if now - spot.at <= KEPT_SECONDS}
        self._wishes = {whose: each for whose, each in self._wishes.items() if now - each[0] <= KEPT_SECONDS}


def who(turn: Turn) -> Who:
    return turn.chat.platform, turn.person.id
