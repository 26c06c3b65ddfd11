"""Users, sessions, taste and exposures: what is remembered of a person."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import exposures, sessions, taste, users
from storage.database import Database
from storage.schema import metadata
from storage.schema import users as user_table
from storage.taste import Event
from storage.users import User


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.writing() as writing:
        yield writing


async def minji(connection: AsyncConnection, name: str = "민지", locale: str = "ko") -> User:
    return await users.ensure(connection, platform="telegram", platform_id="7", name=name, locale=locale)


async def show(connection: AsyncConnection, exposure_id: str, user: User, *item_ids: str) -> None:
    await exposures.add(
        connection,
        exposure_id=exposure_id,
        user_id=user.id,
        platform="telegram",
        chat_id="c",
        domain="book",
        item_ids=item_ids,
        body={"trace": {"seed": 7}},
    )


async def test_a_person_is_one_user_a_platform(connection: AsyncConnection) -> None:
    first = await minji(connection)
    assert first == User(first.id, "telegram", "7", "민지", "ko", None, None)
    assert await minji(connection) == first
    other = await users.ensure(connection, platform="discord", platform_id="7", name="민지", locale="ko")
    assert other.id != first.id


async def test_a_person_met_anew_is_not_the_one_who_was_forgotten(connection: AsyncConnection) -> None:
    """Keeps away writes meant for somebody who is gone: SQLite gives the id of a row deleted to the next."""
    first = await minji(connection)
    assert await users.stands(connection, await minji(connection))
    await connection.execute(delete(user_table).where(user_table.c.id == first.id))
    assert not await users.stands(connection, first)
    second = await minji(connection)
    assert second.id == first.id
    assert not await users.stands(connection, first)
    assert await users.stands(connection, second)


async def test_a_new_name_is_taken_over_and_an_empty_one_is_not(connection: AsyncConnection) -> None:
    """Keeps away nameless people: a platform does not tell name and locale with everything."""
    await minji(connection)
    assert (await minji(connection, name="김민지")).name == "김민지"
    user = await minji(connection, name="", locale="en")
    assert (user.name, user.locale) == ("김민지", "en")


async def test_language_and_consent_outlive_a_new_name(connection: AsyncConnection) -> None:
    user = await minji(connection)
    await users.set_language(connection, user.id, "en")
    await users.set_consent(connection, user.id, False)
    user = await minji(connection, name="김민지")
    assert (user.language, user.consent) == ("en", False)


async def test_a_session_is_one_a_chat(connection: AsyncConnection) -> None:
    user = await minji(connection)
    assert await sessions.load(connection, user.id, "telegram", "c") == {}
    await sessions.save(connection, user.id, "telegram", "c", {"말": ["우울해"]})
    await sessions.save(connection, user.id, "telegram", "c", {"말": ["우울해", "책"]})
    assert await sessions.load(connection, user.id, "telegram", "c") == {"말": ["우울해", "책"]}
    assert await sessions.load(connection, user.id, "telegram", "d") == {}


async def test_an_empty_session_leaves_no_row(connection: AsyncConnection) -> None:
    """Keeps away a turn that fails because it forgets the person: its session has no owner then."""
    user = await minji(connection)
    await sessions.save(connection, user.id, "telegram", "c", {"step": 1})
    await connection.execute(delete(user_table).where(user_table.c.id == user.id))
    await sessions.save(connection, user.id, "telegram", "c", {})
    assert await sessions.load(connection, user.id, "telegram", "c") == {}


async def test_events_come_oldest_first(connection: AsyncConnection) -> None:
    user = await minji(connection)
    await taste.record(connection, user.id, "book:b", "like", at=20.0)
    await taste.record(connection, user.id, "book:a", "seen", exposure_id="x", position=2, at=10.0)
    await taste.record(connection, user.id, "book:c", "save", at=20.0)
    assert await taste.events(connection, user.id) == [
        Event("book:a", "seen", "x", 2, 10.0),
        Event("book:b", "like", None, None, 20.0),
        Event("book:c", "save", None, None, 20.0),
    ]


async def test_withdrawing_takes_back_the_latest_of_its_kind(connection: AsyncConnection) -> None:
    user = await minji(connection)
    for at, kind in ((1.0, "like"), (2.0, "like"), (3.0, "seen")):
        await taste.record(connection, user.id, "book:a", kind, at=at)
    assert await taste.withdraw(connection, user.id, "book:a", "like")
    assert [(e.kind, e.at) for e in await taste.events(connection, user.id)] == [("like", 1.0), ("seen", 3.0)]
    assert not await taste.withdraw(connection, user.id, "book:a", "never")


async def test_a_survey_is_replaced_as_a_whole(connection: AsyncConnection) -> None:
    user = await minji(connection)
    await taste.save_answers(connection, user.id, "book", {"genre": ["sf"], "pace": "느린"})
    await taste.save_answers(connection, user.id, "book", {"genre": ["essay"]})
    await taste.save_answers(connection, user.id, "food", {"spicy": 3})
    assert await taste.answers(connection, user.id) == {"book": {"genre": ["essay"]}, "food": {"spicy": 3}}


async def test_an_exposure_keeps_order_and_trace(connection: AsyncConnection) -> None:
    user = await minji(connection)
    await show(connection, "x", user, "book:b", "book:a")
    exposure = await exposures.get(connection, "x")
    assert exposure is not None
    assert exposure.item_ids == ("book:b", "book:a")
    assert exposure.body == {"trace": {"seed": 7}}
    assert (exposure.user_id, exposure.delivered_at) == (user.id, None)
    assert await exposures.get(connection, "y") is None


async def test_recent_items_come_newest_first(connection: AsyncConnection) -> None:
    user = await minji(connection)
    await show(connection, "x", user, "book:a", "book:b")
    await show(connection, "empty", user)
    await show(connection, "z", user, "book:c")
    shown = await exposures.recent(connection, user.id)
    assert [item_id for item_id, _ in shown] == ["book:c", "book:a", "book:b"]
    assert len(await exposures.recent(connection, user.id, limit=1)) == 1


async def test_everything_of_a_person_goes_with_the_person(connection: AsyncConnection) -> None:
    """Keeps away moods and tastes that outlive the wish to be forgotten."""
    user = await minji(connection)
    await sessions.save(connection, user.id, "telegram", "c", {"step": 1})
    await taste.save_answers(connection, user.id, "book", {"genre": ["sf"]})
    await taste.record(connection, user.id, "book:a", "like")
    await show(connection, "x", user, "book:a")
    await connection.execute(delete(user_table).where(user_table.c.id == user.id))
    for name in ("users", "sessions", "surveys", "taste_events", "exposures", "exposure_items"):
        assert await connection.scalar(select(func.count()).select_from(metadata.tables[name])) == 0, name
