"""What a recommendation is: picks with their words, next questions, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from data.item import Domain, Item
from engine.grounds import Ground
from engine.group import Strategy
from engine.questions import Question
from engine.request import Request
from engine.trace import Trace

Basis = tuple[Item, tuple[Ground, ...]]
"""What words for a pick are made of: its item, and what of the request it answers."""


@dataclass(frozen=True, slots=True)
class Pick:
    """One recommended item and its words. `score` is 0 to 1, `fit` 1 to 10 for a person to read."""

    id: str
    domain: Domain
    title: str
    score: float
    fit: int
    reason: str
    benefit: str
    facts: tuple[str, ...] = ()
    url: str | None = None
    grounds: tuple[str, ...] = ()
    cover: str | None = None
    check: str = ""
    """A question of the model's by which the person may tell whether it fits."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Picks in order; fewer than asked, or none, when no more fit."""

    request: Request
    picks: tuple[Pick, ...]
    followups: tuple[Question, ...]
    trace: Trace
    loosen: tuple[str, ...] = field(default=())
    """Rules of the request without any one of which something would fit; only when nothing does."""
    jointly: bool = False
    """Whether no one of those rules is enough: all of them have to go, one after the other."""
    blocked: tuple[str, ...] = ()
    """Titles that the request named though they break its rules or the person's limits."""
    basis: tuple[Basis, ...] = field(default=(), repr=False)
    """For each pick; it is not stored."""

    def to_dict(self) -> dict[str, Any]:
        whole: dict[str, Any] = _RECOMMENDATION.dump_python(self, mode="json", exclude={"basis"})
        return whole | {"request": self.request.to_dict()}


@dataclass(frozen=True, slots=True)
class GroupRecommendation(Recommendation):
    """One list for several people; a pick's `score` is the group's, its `fit` the members' mean.

    Nothing in it tells what one of them likes, feels or must not eat.
    """

    strategy: Strategy = "average"
    mean: tuple[float, ...] = ()
    """For each pick the mean of the members' scores, 0 to 1."""
    least: tuple[float, ...] = ()
    """For each pick the score of whoever it suits least; whose it is, nobody is told."""
    resigned: bool = False
    """Whether "average_without_misery" found nothing that all can bear, and gave what hurts least."""

    def to_dict(self) -> dict[str, Any]:
        whole: dict[str, Any] = _GROUP_RECOMMENDATION.dump_python(self, mode="json", exclude={"basis"})
        return whole | {"request": self.request.to_dict()}


_RECOMMENDATION: TypeAdapter[Recommendation] = TypeAdapter(Recommendation)
_GROUP_RECOMMENDATION: TypeAdapter[GroupRecommendation] = TypeAdapter(GroupRecommendation)
