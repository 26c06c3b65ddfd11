"""Several people, one list: their limits united, what each would make of an item, and one order of it all.

The strategies are those of J. Masthoff, "Group Recommender Systems: Combining Individual Models", in the
Recommender Systems Handbook (Springer, 2011), chapter 21. Her table, three people and the first five of ten
items, rated 1 to 10 (`tests/test_group.py` holds the strategies to it):

            A     B     C     D     E
    John   10     4     3     6    10
    Adam    1     9     8     9     7
    Mary   10     5     2     7     9

    average                          7.00  6.00  4.33  7.33  8.67   → E D A B C
    least misery                        1     4     2     6     7   → E D B C A
    average without misery (≥ 4)       out  6.00   out  7.33  8.67  → E D B
    Borda, points of John             3.5     1     0     2   3.5   (A and E share 4 and 3)
                     Adam               0   3.5     2   3.5     1   (B and D share 4 and 3)
                     Mary               4     1     0     2     3
           together                   7.5   5.5     2   7.5   7.5   → E D A B C (of A, D and E by their average)

Knows neither chats nor names: members are tastes, and what leaves this file tells of none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from data.item import Domain, Item
from engine.candidates import Candidate, Method, gather
from engine.embedder import Embedder
from engine.nearness import BUNDLED, Nearness
from engine.ranking import Ranked, rank
from engine.request import Exclude, Request, union
from engine.taste import Taste
from engine.version import Hit, Version

Strategy = Literal["average", "least_misery", "average_without_misery", "borda"]
Table: TypeAlias = npt.NDArray[np.float64]
"""What each member (row) makes of each item (column)."""

MISERY: Final = 0.2
"""Below this a member is miserable with an item: it keeps next to nothing of what they like, or they said no to it."""
SEEN_AGAIN: Final = 0.5
"""What an item is still worth to the member of a group who knows it already."""
GATHERS: Final = 8
"""Searches a group may cost; members of a larger one share them, so that a hundred are served like eight."""
EQUALS: Final = 0.1
"""What the mean adds to the group's score for choosing: it parts what a strategy calls equal, and hardly more."""
ROUNDED: Final = 9
"""Decimals to which scores are compared: what differs by less came from the order of an addition."""


@dataclass(frozen=True, slots=True)
class Order:
    """Ids of items, best for the group first, each with the group's score.

    `resigned` tells that every item made some member miserable, and that they come by least misery instead.
    """

    items: tuple[str, ...]
    scores: tuple[float, ...]
    resigned: bool = False


def average(items: Sequence[str], table: Table) -> Order:
    """By the mean of the members' scores."""
    table = _checked(items, table)
    return _ordered(items, table.mean(axis=0), table)


def least_misery(items: Sequence[str], table: Table) -> Order:
    """By the score of whoever likes it least: a group is as happy as its unhappiest member."""
    table = _checked(items, table)
    return _ordered(items, table.min(axis=0), table)


def average_without_misery(items: Sequence[str], table: Table, threshold: float = MISERY) -> Order:
    """By the mean, without the items that any member scores below `threshold`.

    Where that leaves nothing, the items come by least misery, and the order says so.
    """
    table = _checked(items, table)
    bearable = np.flatnonzero(table.min(axis=0) >= threshold).tolist()
    if not bearable:
        return replace(least_misery(items, table), resigned=bool(items))
    return average([items[place] for place in bearable], table[:, bearable])


def borda(items: Sequence[str], table: Table) -> Order:
    """By Borda count: a member's worst item gets 0 points, the next 1, and so on; ties share the mean of theirs.

    The score is the share, 0 to 1, of the points that an item could have got.
    """
    table = _checked(items, table)
    points = np.zeros(len(items))
    for scores in table:
        _, level, tied = np.unique(np.round(scores, ROUNDED), return_inverse=True, return_counts=True)
        points += (np.cumsum(tied) - tied + (tied - 1) / 2)[level]
    most = len(table) * (len(items) - 1)
    return _ordered(items, points / most if most else points + 1.0, table)


def aggregated(strategy: Strategy, items: Sequence[str], table: Table) -> Order:
    """The order of a strategy by its name. Raises ValueError for one that there is not."""
    match strategy:
        case "average":
            return average(items, table)
        case "least_misery":
            return least_misery(items, table)
        case "average_without_misery":
            return average_without_misery(items, table)
        case "borda":
            return borda(items, table)
        case _:
            raise ValueError(f"there is no strategy {strategy!r}")


def together(tastes: Sequence[Taste]) -> Taste:
    """The limits that hold for a group, and nothing else of its members.

    What one must not eat nobody is offered; of age, spice and price the least holds; what one never wants to
    see again is not shown to all. What all know or all dislike stays out; what only some do is a matter of
    their score (`satisfaction`).
    """
    return Taste(
        allergens=_united([taste.allergens for taste in tastes]),
        avoid=_united([taste.avoid for taste in tastes]),
        diet=_united([taste.diet for taste in tastes]),
        age=_least([taste.age for taste in tastes]),
        spicy=_least([taste.spicy for taste in tastes]),
        price=_least([taste.price for taste in tastes]),
        seen=_shared([taste.seen for taste in tastes]),
        disliked=_shared([taste.disliked for taste in tastes]),
        never=_united([taste.never for taste in tastes]),
    )


def common(tastes: Sequence[Taste], domain: Domain) -> Taste:
    """What every member's survey wishes: the only thing of them that a reason may speak of.

    Effects only: moods, body states and company are nobody else's business, even when all share them.
    """
    surveys = [taste.wishes.get(domain, Request()) for taste in tastes]
    effects = _shared([survey.effects for survey in surveys])
    return Taste(wishes={domain: Request(domain=domain, effects=effects)} if effects else {})


def satisfaction(ranked: Ranked, request: Request, taste: Taste) -> float:
    """0 to 1: what an item is worth to one member, given how it ranks for them alone.

    Nothing, where they said no to it or to its kind, or where the request asks for more spice or a higher price
    than they bear: such a request overrules the person's own limit, never another's contentment.
    """
    item = ranked.item
    hot = taste.spicy is not None and taste.spicy < 3 and item.spicy is not None and item.spicy > taste.spicy
    dear = taste.price is not None and item.price is not None and item.price > taste.price
    told = taste.wishes.get(item.domain, Request()).exclude.sparing(request)
    if item.id in taste.disliked or hot or dear or _is_out(item, told):
        return 0.0
    worth = min(1.0, max(0.0, ranked.merit))
    return worth * SEEN_AGAIN if item.id in taste.seen else worth


async def gather_for(
    index: Version, embedder: Embedder, request: Request, tastes: Sequence[Taste], method: Method
) -> list[list[Candidate]]:
    """The candidates for each member: the same items for all, each with its places in that member's search.

    Every item keeps the limits of `together`; each member's likings are searched with, so that what only one
    of them would have found is there for all to judge.
    """
    limits = together(tastes)
    voices = [_voiced(limits, tastes[n::GATHERS]) for n in range(min(GATHERS, len(tastes)))]
    said = [(voice.says, voice.liked) for voice in voices]
    apart = dict(zip(said, voices, strict=True))
    await embedder.query(request.text)  # once, and not by each of the searches below at the same time
    pools = await asyncio.gather(
        *(gather(index, embedder, request, voice, method) for voice in apart.values())
    )
    found = {candidate.item.id: candidate for pool in pools for candidate in pool}
    searched = {
        key: [own.get(item) or Candidate(each.item, each.vector) for item, each in sorted(found.items())]
        for key, own in zip(apart, ({c.item.id: c for c in pool} for pool in pools), strict=True)
    }
    return [searched[said[n % GATHERS]] for n in range(len(tastes))]


def rank_for(
    pools: Sequence[Sequence[Candidate]],
    request: Request,
    tastes: Sequence[Taste],
    known: Mapping[str, Hit],
    strategy: Strategy,
    seed: int,
    like: Sequence[Item] = (),
    nearness: Nearness = BUNDLED,
) -> tuple[list[Ranked], bool]:
    """One list for all, best first, and whether every item made somebody miserable.

    `pools` are by member, as `gather_for` gives them; `known` are the items by id that any of them judged.
    `merit` of what comes back is the members' mean and `parts` hold the group's score, the mean and the least of them; `kept` is of the
    request alone. The noise that varies answers is added once for all, after the strategy has spoken.
    """
    if not pools[0]:
        return [], False
    plain = {each.item.id: each for each in rank(_joined(pools), request, Taste(), {}, seed, like)}
    items = sorted(plain)
    rows = []
    for pool, taste in zip(pools, tastes, strict=True):
        own = {each.item.id: each for each in rank(pool, request, taste, known, seed, like, nearness)}
        rows.append([satisfaction(own[item], request, taste) for item in items])
    table = np.array(rows)
    order = aggregated(strategy, items, table)
    mean = dict(zip(items, table.mean(axis=0).tolist(), strict=True))
    least = dict(zip(items, table.min(axis=0).tolist(), strict=True))
    ranked = []
    for item, group in zip(order.items, order.scores, strict=True):
        each = plain[item]
        parts = {"group": round(group, 4), "mean": round(mean[item], 4), "least": round(least[item], 4)}
        score = (group + EQUALS * mean[item]) / (1 + EQUALS) + each.score - each.merit
        ranked.append(replace(each, score=score, merit=mean[item], parts=parts))
    return sorted(ranked, key=lambda each: -each.score), order.resigned


def _checked(items: Sequence[str], table: Table) -> Table:
    table = np.asarray(table, dtype=np.float64)
    if table.ndim != 2 or not len(table) or table.shape[1] != len(items):
        raise ValueError(f"{len(items)} items want a score each of at least one member, not {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("a score is no number")
    return table


def _ordered(items: Sequence[str], scores: Table, table: Table) -> Order:
    """Best first; equals by their mean, then by their id."""
    rounded, means = np.round(scores, ROUNDED), np.round(table.mean(axis=0), ROUNDED)
    places = sorted(range(len(items)), key=lambda n: (-rounded[n], -means[n], items[n]))
    return Order(tuple(items[n] for n in places), tuple(float(scores[n]) for n in places))


def _voiced(limits: Taste, tastes: Sequence[Taste]) -> Taste:
    """The limits of the group with the likings of some of its members to search by."""
    return replace(
        limits,
        says=_united([taste.says for taste in tastes]),
        liked=_united([taste.liked for taste in tastes]),
    )


def _is_out(item: Item, out: Exclude) -> bool:
    """Whether an item is of what somebody told that they don't like."""
    return bool(
        {*out.genres} & {*item.genres}
        or {*out.creators} & {*item.creators}
        or {*out.people} & {*item.people}
        or item.cuisine in out.cuisine
        or item.country in out.country
        or any(title in item.title for title in out.titles)
    )


def _joined(pools: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """The candidates with the best place that each has in any member's search."""
    joined = {each.item.id: Candidate(each.item, each.vector) for each in pools[0]}
    for pool in {id(pool): pool for pool in pools}.values():
        for each in pool:
            places = joined[each.item.id].places
            for source, place in each.places.items():
                places[source] = min(place, places.get(source, place))
    return list(joined.values())


def _united(values: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return union([value for each in values for value in each], ())


def _shared(values: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """What all hold, in the order of the first."""
    return tuple(value for value in values[0] if all(value in each for each in values)) if values else ()


def _least(values: Sequence[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)
