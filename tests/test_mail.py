"""The inbox and the outbox as tables."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import exposures, mail, schema, users
from storage.database import Database

ME = "host|1|me"


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.writing() as writing:
        yield writing


async def take(connection: AsyncConnection, turn_id: str, platform: str = "telegram") -> int | None:
    kept = await mail.take(
        connection,
        turn_id=turn_id,
        platform=platform,
        chat_id="c",
        person_id="p",
        body=f"body {turn_id}",
        owner=ME,
    )
    return None if kept is None else kept.id


async def post(
    connection: AsyncConnection,
    slot: str,
    body: str,
    *,
    chat_id: str = "c",
    exposure_id: str | None = None,
    person_id: str = "",
) -> None:
    await mail.post(
        connection,
        turn_id="t",
        platform="telegram",
        chat_id=chat_id,
        slot=slot,
        body=body,
        exposure_id=exposure_id,
        person_id=person_id,
        owner=ME,
    )


async def bodies(connection: AsyncConnection, chat_id: str | None = None) -> list[str]:
    return [outgoing.body for outgoing in await mail.due(connection, "telegram", ME, chat_id)]


async def test_a_turn_is_taken_once_a_platform(connection: AsyncConnection) -> None:
    first = await take(connection, "1")
    assert first is not None
    assert await take(connection, "1") is None
    assert await take(connection, "1", platform="discord") is not None
    await mail.finish(connection, first, "done", ME)
    assert await take(connection, "1") is None


async def test_unfinished_turns_come_in_order(connection: AsyncConnection) -> None:
    taken = [await take(connection, turn_id) for turn_id in ("b", "a", "c")]
    left = await mail.unfinished(connection, "telegram", ME)
    assert [inbox_id for inbox_id, _ in left] == taken
    assert [body for _, body in left] == ["body b", "body a", "body c"]
    assert taken[1] is not None
    await mail.finish(connection, taken[1], "superseded", ME)
    assert [body for _, body in await mail.unfinished(connection, "telegram", ME)] == ["body b", "body c"]
    assert await mail.unfinished(connection, "discord", ME) == []


async def test_a_slot_shows_its_latest_version_only(connection: AsyncConnection) -> None:
    await post(connection, "s", "찾는 중")
    await post(connection, "s", "찾았어요")
    (outgoing,) = await mail.due(connection, "telegram", ME)
    assert (outgoing.body, outgoing.version, outgoing.message_id) == ("찾았어요", 2, None)


async def test_due_replies_come_in_the_order_of_their_posts(connection: AsyncConnection) -> None:
    for slot, chat_id in (("a", "c"), ("b", "d"), ("c", "c"), ("a", "c")):
        await post(connection, slot, slot, chat_id=chat_id)
    assert await bodies(connection) == ["b", "c", "a"]
    assert await bodies(connection, "c") == ["c", "a"]


async def test_a_sent_slot_is_edited_by_a_later_post(connection: AsyncConnection) -> None:
    await post(connection, "s", "1")
    (outgoing,) = await mail.due(connection, "telegram", ME)
    await mail.sent(connection, outgoing, "m7", at=1.0)
    assert await bodies(connection) == []
    await post(connection, "s", "2")
    (outgoing,) = await mail.due(connection, "telegram", ME)
    assert (outgoing.body, outgoing.message_id) == ("2", "m7")


async def test_a_version_posted_while_sending_stays_due(connection: AsyncConnection) -> None:
    await post(connection, "s", "1")
    (outgoing,) = await mail.due(connection, "telegram", ME)
    await post(connection, "s", "2")
    await mail.sent(connection, outgoing, "m7", at=1.0)
    assert await bodies(connection) == ["2"]


async def test_a_version_is_for_whoever_asked_for_it(connection: AsyncConnection) -> None:
    """Keeps away a private edit shown to the person who asked for what stood there before."""
    await post(connection, "s", "1", person_id="p")
    await post(connection, "s", "2", person_id="q")
    await post(connection, "t", "3")
    assert [each.person_id for each in await mail.due(connection, "telegram", ME)] == ["q", ""]


async def test_sending_marks_the_exposure_that_was_sent(connection: AsyncConnection) -> None:
    """Keeps away marking the exposure of a later version, which nobody has seen yet."""
    user = await users.ensure(connection, platform="telegram", platform_id="p", name="", locale="")
    for exposure_id in ("x", "y"):
        await exposures.add(
            connection,
            exposure_id=exposure_id,
            user_id=user.id,
            platform="telegram",
            chat_id="c",
            domain="book",
            item_ids=["book:a"],
            body={},
        )
    await post(connection, "s", "1", exposure_id="x")
    (outgoing,) = await mail.due(connection, "telegram", ME)
    await post(connection, "s", "2", exposure_id="y")
    await mail.sent(connection, outgoing, "m", at=5.0)
    delivered = [await exposures.get(connection, exposure_id) for exposure_id in ("x", "y")]
    assert [exposure and exposure.delivered_at for exposure in delivered] == [5.0, None]


async def test_what_is_undeliverable_is_not_due_but_its_next_version_is(connection: AsyncConnection) -> None:
    await post(connection, "s", "1")
    (outgoing,) = await mail.due(connection, "telegram", ME)
    await mail.undeliverable(connection, outgoing, "the bot was blocked")
    assert await bodies(connection) == []
    await post(connection, "s", "2")
    assert await bodies(connection) == ["2"]


async def test_what_was_said_is_gone_when_the_turn_is_finished(connection: AsyncConnection) -> None:
    """Keeps away a mood or an allergy that lies in the inbox for a week, with consent or without."""
    inbox_id = await take(connection, "1")
    await take(connection, "2")
    assert inbox_id is not None
    await mail.finish(connection, inbox_id, "done", ME)
    assert list(await connection.scalars(select(schema.inbox.c.body))) == ["", "body 2"]


async def test_what_was_shown_is_gone_unless_a_newer_version_waits(connection: AsyncConnection) -> None:
    """Keeps away the text of answers kept for a week, and a blanked edit that nobody has seen."""
    kept = select(schema.outbox.c.body).order_by(schema.outbox.c.id)
    await post(connection, "sent", "1")
    await post(connection, "refused", "2")
    await post(connection, "edited", "3")
    sent, refused, edited = await mail.due(connection, "telegram", ME)
    await post(connection, "edited", "4")
    await mail.sent(connection, sent, "m1", at=1.0)
    await mail.undeliverable(connection, refused, "the bot was blocked")
    await mail.sent(connection, edited, "m3", at=1.0)
    assert list(await connection.scalars(kept)) == ["", "", "4"]


async def test_a_purge_keeps_what_is_not_finished(connection: AsyncConnection) -> None:
    for turn_id in ("done", "open"):
        await take(connection, turn_id)
        await post(connection, turn_id, turn_id)
    ((inbox_id, _), _) = await mail.unfinished(connection, "telegram", ME)
    await mail.finish(connection, inbox_id, "done", ME)
    (outgoing, _) = await mail.due(connection, "telegram", ME)
    await mail.sent(connection, outgoing, "m", at=1.0)
    assert await mail.purge(connection, before=time.time() - 60) == 0
    assert await mail.purge(connection, before=time.time() + 60) == 2
    assert await bodies(connection) == ["open"]
    assert [body for _, body in await mail.unfinished(connection, "telegram", ME)] == ["body open"]
