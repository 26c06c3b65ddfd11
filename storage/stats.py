"""How much the bot is used, counted by day. Nobody is named, and guests and the forgotten count nowhere.

What fewer than `FEWEST` people did is not broken down further: it would tell of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import insert
from storage.schema import (
    days as day_table,
)
from storage.schema import (
    exposure_items,
    exposures,
    inbox,
    item_redirects,
    taste_events,
    users,
)

FEWEST: Final = 3
"""People of whom something may be told together."""
DAY: Final = 86_400
OPINIONS: Final = ("like", "dislike")
REACTIONS: Final = (*OPINIONS, "seen", "save", "never")


@dataclass(frozen=True, slots=True)
class Period:
    """Days one after the other, and the Unix seconds at which each begins, and the last one ends."""

    days: tuple[date, ...]
    bounds: tuple[float, ...]

    @staticmethod
    def between(first: date, last: date, zone: str) -> Period:
        """From the first day to the last, both included, as days are in that time zone (an IANA name)."""
        every = [first + timedelta(days=n) for n in range((last - first).days + 2)]
        tz = ZoneInfo(zone)
        bounds = [datetime.combine(day, time(), tz).timestamp() for day in every]
        return Period(tuple(every[:-1]), tuple(bounds))

    @staticmethod
    def last(count: int, today: date, zone: str) -> Period:
        """So many days, of which `today` is the last."""
        return Period.between(today - timedelta(days=count - 1), today, zone)

    def within(self, at: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(at >= self.bounds[0], at < self.bounds[-1])

    def place(self, at: ColumnElement[Any]) -> ColumnElement[int]:
        """The number of the day, from 0, that a time within the period belongs to."""
        first = int(self.bounds[0])
        if all(bound == first + n * DAY for n, bound in enumerate(self.bounds)):
            return (cast(at, BigInteger) - first) // DAY
        return case(*((at < bound, n) for n, bound in enumerate(self.bounds[1:])), else_=len(self.days))


def day_of(at: float, zone: str) -> date:
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).date()


def midnight(at: float, zone: str) -> float:
    """When the day of that time began; all in Unix seconds."""
    return Period.between(day_of(at, zone), day_of(at, zone), zone).bounds[0]


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on a day: people met for the first time, people who said something, turns, and how many of
    these were answered."""

    day: date
    new: int = 0
    people: int = 0
    turns: int = 0
    answered: int = 0


@dataclass(frozen=True, slots=True)
class Favourite:
    """An item and to how many people it was shown; `likes` are people too, None where they are too few to tell."""

    item_id: str
    people: int
    likes: int | None = None


@dataclass(frozen=True, slots=True)
class Opinions:
    """What people said of a domain's items; which way is None where they are too few to tell."""

    domain: str
    total: int
    likes: int | None
    dislikes: int | None


@dataclass(frozen=True, slots=True)
class Stats:
    """`users` are all who are remembered; `delivered` answers were shown in the period, and `reacted` of them got
    an opinion. `best` is what most people were shown on a day, of each domain."""

    days: tuple[Day, ...]
    users: int
    delivered: int
    reacted: int
    opinions: tuple[Opinions, ...]
    favourites: dict[str, tuple[Favourite, ...]]
    best: dict[date, dict[str, Favourite]]

    @property
    def turns(self) -> int:
        return sum(day.turns for day in self.days)

    @property
    def answered(self) -> int:
        return sum(day.answered for day in self.days)

    @property
    def item_ids(self) -> set[str]:
        listed = [each for every in self.favourites.values() for each in every]
        listed += [each for of_day in self.best.values() for each in of_day.values()]
        return {each.item_id for each in listed}


async def of(connection: AsyncConnection, period: Period, domains: Sequence[str], most: int) -> Stats:
    """All that is told of a period; of each domain the `most` popular items."""
    everybody = await connection.scalar(select(func.count()).select_from(users).where(~users.c.guest))
    delivered, reacted = await _answers(connection, period)
    return Stats(
        days=await _days(connection, period),
        users=everybody or 0,
        delivered=delivered,
        reacted=reacted,
        opinions=tuple([await _opinions(connection, period, domain) for domain in domains]),
        favourites={domain: await _favourites(connection, period, domain, most) for domain in domains},
        best=await _best(connection, period),
    )


async def keep_days(connection: AsyncConnection, before: float, zone: str) -> None:
    """Count the turns of the days that end at `before`, a midnight, for they are about to be purged."""
    ended = inbox.c.finished_at
    first = await connection.scalar(select(func.min(ended)).where(ended < before))
    if first is None:
        return
    period = Period.between(day_of(first, zone), day_of(before - 1, zone), zone)
    statement = insert(connection.dialect.name, day_table)
    given = statement.excluded
    more = {name: day_table.c[name] + given[name] for name in ("turns", "answered")}
    # Whoever came back on a day that was counted already is not counted twice.
    more["people"] = case((given.people > day_table.c.people, given.people), else_=day_table.c.people)
    for day in await _turns(connection, period):
        if day.turns:
            row = {
                "day": day.day.isoformat(),
                "people": day.people,
                "turns": day.turns,
                "answered": day.answered,
            }
            await connection.execute(statement.on_conflict_do_update(index_elements=["day"], set_=more), row)


async def _days(connection: AsyncConnection, period: Period) -> tuple[Day, ...]:
    found = await _turns(connection, period)
    place = {day.day.isoformat(): number for number, day in enumerate(found)}
    kept = await connection.execute(select(day_table).where(day_table.c.day.in_(place)))
    for row in kept:
        number = place[row.day]
        day = found[number]
        found[number] = replace(
            day, people=max(day.people, row.people), turns=day.turns + row.turns,
            answered=day.answered + row.answered,
        )  # fmt: skip
    met = users.c.created_at
    new = await connection.execute(
        select(period.place(met), func.count())
        .where(period.within(met), ~users.c.guest)
        .group_by(period.place(met))
    )
    for number, count in new:
        found[number] = replace(found[number], new=count)
    return tuple(found)


async def _turns(connection: AsyncConnection, period: Period) -> list[Day]:
    """The days with the turns that are still known."""
    ended = inbox.c.finished_at
    place = period.place(ended).label("place")
    rows = await connection.execute(
        select(
            place,
            func.count(distinct(users.c.id)),
            func.count(),
            func.sum(case((inbox.c.outcome == "done", 1), else_=0)),
        )
        .select_from(
            inbox.join(
                users, and_(users.c.platform == inbox.c.platform, users.c.platform_id == inbox.c.person_id)
            )
        )
        .where(period.within(ended), inbox.c.outcome != "limited", ~users.c.guest)
        .group_by(place)
    )
    counted = {number: tuple(counts) for number, *counts in rows}
    return [
        Day(day, 0, *(int(count) for count in counted.get(number, (0, 0, 0))))
        for number, day in enumerate(period.days)
    ]


async def _answers(connection: AsyncConnection, period: Period) -> tuple[int, int]:
    shown = and_(period.within(exposures.c.delivered_at), ~users.c.guest)
    of_people = exposures.join(users, users.c.id == exposures.c.user_id)
    delivered = await connection.scalar(select(func.count()).select_from(of_people).where(shown))
    reacted = await connection.scalar(
        select(func.count(distinct(exposures.c.id)))
        .select_from(of_people.join(taste_events, taste_events.c.exposure_id == exposures.c.id))
        .where(shown, taste_events.c.kind.in_(REACTIONS))
    )
    return delivered or 0, reacted or 0


async def _opinions(connection: AsyncConnection, period: Period, domain: str) -> Opinions:
    kinds = [func.sum(case((taste_events.c.kind == kind, 1), else_=0)) for kind in OPINIONS]
    people, *counts = (
        await connection.execute(
            select(func.count(distinct(taste_events.c.user_id)), *kinds)
            .select_from(taste_events.join(users, users.c.id == taste_events.c.user_id))
            .where(
                period.within(taste_events.c.at),
                taste_events.c.kind.in_(OPINIONS),
                taste_events.c.item_id.startswith(f"{domain}:"),
                ~users.c.guest,
            )
        )
    ).one()
    likes, dislikes = (int(count or 0) for count in counts)
    if people < FEWEST:
        return Opinions(domain, likes + dislikes, None, None)
    return Opinions(domain, likes + dislikes, likes, dislikes)


_NOW: Final = func.coalesce(item_redirects.c.new_id, exposure_items.c.item_id)
"""What was shown, as the item that it is now."""
_PEOPLE: Final = func.count(distinct(exposures.c.user_id))
_SHOWN: Final = (
    exposures.join(users, users.c.id == exposures.c.user_id)
    .join(exposure_items, exposure_items.c.exposure_id == exposures.c.id)
    .outerjoin(item_redirects, item_redirects.c.old_id == exposure_items.c.item_id)
)


async def _favourites(
    connection: AsyncConnection, period: Period, domain: str, most: int
) -> tuple[Favourite, ...]:
    rows = await connection.execute(
        select(_NOW, _PEOPLE)
        .select_from(_SHOWN)
        .where(period.within(exposures.c.delivered_at), ~users.c.guest, _NOW.startswith(f"{domain}:"))
        .group_by(_NOW)
        .having(_PEOPLE >= FEWEST)
        .order_by(_PEOPLE.desc(), _NOW)
        .limit(most)
    )
    found = {row[0]: row[1] for row in rows}
    liked = func.coalesce(item_redirects.c.new_id, taste_events.c.item_id)
    people = func.count(distinct(taste_events.c.user_id))
    likes = await connection.execute(
        select(liked, people)
        .select_from(
            taste_events.join(users, users.c.id == taste_events.c.user_id).outerjoin(
                item_redirects, item_redirects.c.old_id == taste_events.c.item_id
            )
        )
        .where(
            period.within(taste_events.c.at), taste_events.c.kind == "like", liked.in_(found), ~users.c.guest
        )
        .group_by(liked)
        .having(people >= FEWEST)
    )
    of_item = {row[0]: row[1] for row in likes}
    return tuple(Favourite(item_id, count, of_item.get(item_id)) for item_id, count in found.items())


async def _best(connection: AsyncConnection, period: Period) -> dict[date, dict[str, Favourite]]:
    place = period.place(exposures.c.delivered_at).label("place")
    rows = await connection.execute(
        select(place, _NOW, _PEOPLE)
        .select_from(_SHOWN)
        .where(period.within(exposures.c.delivered_at), ~users.c.guest)
        .group_by(place, _NOW)
        .having(_PEOPLE >= FEWEST)
        .order_by(_PEOPLE.desc(), _NOW)
    )
    best: dict[date, dict[str, Favourite]] = {}
    for number, item_id, people in rows:
        of_day = best.setdefault(period.days[number], {})
        of_day.setdefault(item_id.partition(":")[0], Favourite(item_id, people))
    return dict(sorted(best.items()))
