"""What is measured of simulated days. Knows neither people nor bot, only what was served.

repeat       share of picks that this person was shown before, ever and in the last 7 days (the rest is new);
             spare is the share that repeats the last 7 days while something fresh kept the rules too
bits         mean self-information of a pick: -log2 of its share of all picks
varied       1 - mean cosine between the picks of one answer
catalog      share of the catalog shown so far, mean over people
first, all   hidden utility, 0 to 1, of the first pick and of all; plain is without the taste, random any item
             that kept the rules; gain is how much of the way from random to the best of them the first went
liked        share of the picks whose hidden utility is above 0.6
wishes       share of what was wished that the picks keep, as the ranking counts it
few, none    answers with fewer than asked, and with nothing, each with the share of those that said so
rules        share of picks that keep what was said, the allergies and the age
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Served:
    """One answer to `text`: what was shown, what else could have been, and whether it kept what it had to.

    `before` and `lately` tell of each pick whether this person was shown it ever, or in the last 7 days;
    `utility`, `plain` and `eligible` are the hidden worth of the picks, of those for somebody unknown, and of
    all that kept the rules, of which `fresh` were not shown in the last 7 days; `wishes` is the share
    of the wishes that each pick keeps.
    """

    person: int
    day: int
    asked: int
    text: str
    picks: tuple[str, ...] = ()
    before: tuple[bool, ...] = ()
    lately: tuple[bool, ...] = ()
    utility: tuple[float, ...] = ()
    plain: tuple[float, ...] = ()
    eligible: tuple[float, ...] = ()
    fresh: int = 0
    wishes: tuple[float, ...] = ()
    honest: bool = False
    broken: tuple[str, ...] = ()
    spread: float | None = None


def measured(served: Sequence[Served], popularity: Counter[str]) -> dict[str, float]:
    """The figures of these answers; a share of nothing is not a number."""
    picks = [pick for each in served for pick in each.picks]
    total = sum(popularity.values())
    few = [each for each in served if 0 < len(each.picks) < each.asked]
    none = [each for each in served if not each.picks]
    judged = [each for each in served if each.picks and each.plain and len(each.eligible) > 1]
    firsts = [each.utility[0] for each in judged]
    randoms = [statistics.mean(each.eligible) for each in judged]
    bests = [max(each.eligible) for each in judged]
    worth = [value for each in served for value in each.utility]
    return {
        "answers": len(served),
        "repeat": _mean([was for each in served for was in each.before]),
        "in 7 d": _mean([was for each in served for was in each.lately]),
        "spare": sum(min(sum(e.lately), e.fresh - len(e.picks) + sum(e.lately)) for e in served)
        / max(1, len(picks)),
        "bits": _mean([-math.log2(popularity[pick] / total) for pick in picks]),
        "varied": _mean([each.spread for each in served if each.spread is not None]),
        "first": _mean(firsts),
        "plain": _mean([each.plain[0] for each in judged]),
        "random": _mean(randoms),
        "gain": (_mean(firsts) - _mean(randoms)) / max(1e-9, _mean(bests) - _mean(randoms)),
        "all": _mean(worth),
        "all pl": _mean([value for each in judged for value in each.plain]),
        "liked": _mean([value > 0.6 for value in worth]),
        "wishes": _mean([share for each in served for share in each.wishes]),
        "few": len(few) / max(1, len(served)),
        "said": _mean([each.honest for each in few]),
        "none": len(none) / max(1, len(served)),
        "said ": _mean([each.honest for each in none]),
        "rules": 1 - _mean([bool(each.broken) for each in served if each.picks]),
    }


def report(served: Sequence[Served], days: int, catalog: int) -> str:
    """A table: ten days a row, then the whole, then each person."""
    popularity = Counter(pick for each in served for pick in each.picks)
    people = sorted({each.person for each in served})
    rows = []
    for start in range(0, days, 10):
        now = [each for each in served if start <= each.day < start + 10]
        until = [each for each in served if each.day < start + 10]
        rows.append((f"{start + 1}-{min(days, start + 10)}", now, until))
    rows.append(("all", list(served), list(served)))
    rows += [(f"p{seed}", own, own) for seed in people for own in [[e for e in served if e.person == seed]]]
    lines: list[str] = []
    for name, now, until in rows:
        own = [{pick for each in until if each.person == seed for pick in each.picks} for seed in people]
        figures = measured(now, popularity) | {
            "catalog": sum(map(len, own)) / catalog / max(1, sum(map(bool, own)))
        }
        if not lines:
            lines.append(f"{'days':<7}" + "".join(f"{key.strip():>8}" for key in figures))
        lines.append(f"{name:<7}" + "".join(_shown(value) for value in figures.values()))
    broken = Counter(name for each in served for name in each.broken)
    return "\n".join([*lines, f"broken: {dict(broken) or 'nothing'}"])


def _shown(value: float) -> str:
    return f"{'-':>8}" if math.isnan(value) else f"{value:>8}" if isinstance(value, int) else f"{value:>8.3f}"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan
