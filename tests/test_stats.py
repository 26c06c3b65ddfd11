"""The figures that operators look at: counted by day, of everybody but guests and the forgotten, naming nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, update

from storage import account, exposures, items, mail, stats, taste, users
from storage.database import Database
from storage.schema import exposures as exposure_table
from storage.schema import inbox
from storage.schema import users as user_table
from storage.stats import FEWEST, Day, Favourite, Opinions, Period, Stats

TODAY = date(2026, 11, 22)
SEOUL = "Asia/Seoul"
DOMAINS = ("book", "movie", "food")


def at(day: date, hour: float = 12.0, zone: str = SEOUL) -> float:
    return (datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(hours=hour)).timestamp()


class Past:
    """A database in which things happened on other days."""

    def __init__(self, database: Database) -> None:
        self.database, self.turns = database, 0

    async def person(self, name: str, met: date = TODAY, guest: bool = False) -> int:
        async with self.database.writing() as connection:
            user = await users.ensure(connection, platform="test", platform_id=name, name=name, locale="")
            given = {"created_at": at(met), "guest": guest}
            await connection.execute(update(user_table).where(user_table.c.id == user.id).values(**given))
        return user.id

    async def turn(self, name: str, when: float, outcome: str = "done") -> None:
        self.turns += 1
        row = {
            "platform": "test", "turn_id": str(self.turns), "chat_id": "c", "person_id": name, "body": "",
            "outcome": outcome, "taken_at": when, "finished_at": when,
        }  # fmt: skip
        async with self.database.writing() as connection:
            await connection.execute(insert(inbox).values(row))

    async def shown(self, person: int, when: float, *item_ids: str, delivered: bool = True) -> str:
        self.turns += 1
        key = f"e{self.turns}"
        async with self.database.writing() as connection:
            await exposures.add(
                connection, exposure_id=key, user_id=person, platform="test", chat_id="c", domain="",
                item_ids=item_ids, body={},
            )  # fmt: skip
            if delivered:
                reached = update(exposure_table).where(exposure_table.c.id == key)
                await connection.execute(reached.values(delivered_at=when))
        return key

    async def reacts(
        self, person: int, when: float, item_id: str, kind: str, exposure: str | None = None
    ) -> None:
        async with self.database.writing() as connection:
            await taste.record(connection, person, item_id, kind, exposure_id=exposure, position=1, at=when)

    async def stats(self, days: int = 7, most: int = 3, zone: str = SEOUL) -> Stats:
        async with self.database.reading() as connection:
            return await stats.of(connection, Period.last(days, TODAY, zone), DOMAINS, most)


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


def days_ago(count: int) -> date:
    return TODAY - timedelta(days=count)


async def test_people_and_turns_are_counted_on_their_days(past: Past) -> None:
    for name, met in (("a", 0), ("b", 3), ("c", 40)):
        await past.person(name, days_ago(met))
    for name, hour in (("a", 0.0), ("a", 9), ("b", 23.99)):
        await past.turn(name, at(TODAY, hour))
    await past.turn("c", at(days_ago(3)), "superseded")
    await past.turn("c", at(days_ago(7)))
    found = await past.stats()
    assert found.users == 3
    assert found.days[-1] == Day(TODAY, new=1, people=2, turns=3, answered=3)
    assert found.days[-4] == Day(days_ago(3), new=1, people=1, turns=1, answered=0)
    assert (found.turns, found.answered, len(found.days)) == (4, 3, 7)
    assert (await past.stats(30)).turns == 5


async def test_what_was_put_aside_or_is_under_way_is_no_turn(past: Past) -> None:
    """Keeps away a flood that looks like a lively day."""
    await past.person("a")
    await past.turn("a", at(TODAY), "limited")
    assert (await past.stats()).days[-1] == Day(TODAY, new=1)


async def test_guests_and_the_forgotten_leave_no_trace(past: Past) -> None:
    everybody = [await past.person(name, guest=name == "g") for name in ("a", "b", "c", "g", "f")]
    for person, name in zip(everybody, "abcgf", strict=True):
        await past.turn(name, at(TODAY))
        shown = await past.shown(person, at(TODAY), "book:x")
        await past.reacts(person, at(TODAY), "book:x", "like", shown)
    async with past.database.writing() as connection:
        await account.forget(connection, everybody[-1], "-")
    found = await past.stats()
    assert found.users == 3
    assert found.days[-1] == Day(TODAY, new=3, people=3, turns=3, answered=3)
    assert (found.delivered, found.reacted) == (3, 3)
    assert found.favourites["book"] == (Favourite("book:x", 3, 3),)
    assert found.opinions[0] == Opinions("book", 3, 3, 0)


async def test_what_few_people_did_is_not_told_apart(past: Past) -> None:
    """Keeps away figures in which two people find each other."""
    few = [await past.person(str(n)) for n in range(FEWEST - 1)]
    for person in few:
        await past.shown(person, at(TODAY), "movie:x", "food:y")
        await past.shown(person, at(TODAY), "movie:x")  # often, and yet to the same people
        await past.reacts(person, at(TODAY), "movie:x", "like")
        await past.reacts(person, at(TODAY), "movie:x", "dislike")
    found = await past.stats()
    assert (found.favourites, found.best, found.item_ids) == (dict.fromkeys(DOMAINS, ()), {}, set())
    assert found.opinions[1] == Opinions("movie", 4, None, None)
    one_more = await past.person("one more")
    await past.shown(one_more, at(TODAY), "movie:x")
    await past.reacts(one_more, at(TODAY), "movie:z", "dislike")
    found = await past.stats()
    assert found.favourites["movie"] == (Favourite("movie:x", 3, None),), "two likes are not told"
    assert found.best == {TODAY: {"movie": Favourite("movie:x", 3)}}
    assert found.opinions[1] == Opinions("movie", 5, 2, 3)


async def test_the_popular_are_by_domain_and_by_day(past: Past) -> None:
    people = [await past.person(str(n)) for n in range(5)]
    for place, person in enumerate(people):
        await past.shown(person, at(TODAY), "food:soup", "movie:a" if place < 3 else "movie:b")
        await past.shown(person, at(days_ago(1)), "food:rice")
        await past.shown(person, at(days_ago(40)), "food:old")
        await past.shown(person, at(TODAY), "food:unseen", delivered=False)
    found = await past.stats(most=1)
    assert found.favourites["food"] == (Favourite("food:rice", 5),)
    assert found.best == {
        days_ago(1): {"food": Favourite("food:rice", 5)},
        TODAY: {"food": Favourite("food:soup", 5), "movie": Favourite("movie:a", 3)},
    }


async def test_what_was_joined_counts_as_one_item(past: Past) -> None:
    for place in range(3):
        person = await past.person(str(place))
        await past.shown(person, at(TODAY), "book:old" if place else "book:new")
    async with past.database.writing() as connection:
        await items.redirect(connection, "book:old", "book:new")
    assert (await past.stats()).favourites["book"] == (Favourite("book:new", 3),)


async def test_answers_that_got_a_reaction_count_once(past: Past) -> None:
    person = await past.person("a")
    first = await past.shown(person, at(TODAY), "book:x", "book:y")
    await past.shown(person, at(TODAY), "book:z")
    for item, kind in (("book:x", "like"), ("book:y", "save"), ("book:y", "shown_detail")):
        await past.reacts(person, at(TODAY), item, kind, first)
    found = await past.stats()
    assert (found.delivered, found.reacted) == (2, 1)


async def test_the_days_of_purged_turns_are_kept_as_numbers(past: Past) -> None:
    """Keeps away a month that is empty but for its last week."""
    for name in ("a", "b"):
        await past.person(name, days_ago(60))
        for day in (20, 10, 10, 2):
            await past.turn(name, at(days_ago(day), 23.5))
    await past.person("g", guest=True)
    await past.turn("g", at(days_ago(10)))
    before = await past.stats(30)
    midnight = stats.midnight(at(days_ago(7)), SEOUL)
    for _ in range(2):
        async with past.database.writing() as connection:
            await stats.keep_days(connection, midnight, SEOUL)
            await mail.purge(connection, midnight)
    async with past.database.reading() as connection:
        assert len((await connection.execute(inbox.select())).all()) == 2
    assert await past.stats(30) == before
    assert before.days[-11] == Day(days_ago(10), people=2, turns=4, answered=4)


async def test_days_follow_the_clocks_of_their_zone(past: Past) -> None:
    """Keeps away evenings that are counted as the next day where clocks were set back."""
    await past.person("a")
    zone, day = "Europe/Berlin", date(2026, 10, 25)
    for hour in (0.1, 24.9):  # that day has 25 hours
        start = datetime(2026, 10, 25, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        await past.turn("a", (start + timedelta(hours=hour)).timestamp())
    found = {each.day: each.turns for each in (await past.stats(40, zone=zone)).days if each.turns}
    assert found == {day: 2}


async def test_nothing_at_all_is_nothing(past: Past) -> None:
    found = await past.stats(90)
    assert (found.users, found.turns, found.delivered, found.best) == (0, 0, 0, {})
    assert [each.total for each in found.opinions] == [0, 0, 0]


@pytest.mark.parametrize("zone", [SEOUL, "America/New_York", "Pacific/Auckland"])
def test_a_period_ends_with_today(zone: str) -> None:
    period: Callable[[int], Period] = lambda days: Period.last(days, TODAY, zone)  # noqa: E731
    for days in (1, 7, 90):
        found = period(days)
        assert (len(found.days), found.days[-1], len(found.bounds)) == (days, TODAY, days + 1)
        assert all(
            stats.day_of(bound, zone) == day for bound, day in zip(found.bounds, found.days, strict=False)
        )
