"""Rounds in the database: one a chat, held while they change, gone with what was told; a chat that moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import account, exposures, groups, inquiries, jobs, mail, sessions, users
from storage.database import Database
from storage.groups import OTHER, Picked, Round
from storage.schema import exposures as exposure_table
from storage.schema import inquiries as inquiry_table
from storage.schema import jobs as job_table
from storage.schema import outbox, rounds
from storage.schema import sessions as session_table
from storage.users import User


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.writing() as writing:
        yield writing


async def person(connection: AsyncConnection, key: str = "7") -> User:
    return await users.ensure(
        connection, platform="telegram", platform_id=key, name=f"이름{key}", locale="ko"
    )


async def begin(connection: AsyncConnection, by: User, chat: str = "g", **of: Any) -> int | None:
    given: dict[str, Any] = {
        "platform": "telegram", "chat_id": chat, "opened_by": by.id, "domain": "food", "settings": {"kind": "group"},
        "token": "t", "at": 1.0, "closes_at": 100.0,
    }  # fmt: skip
    return await groups.begin(connection, **{**given, **of})


async def opened(connection: AsyncConnection, by: User, chat: str = "g", **of: Any) -> int:
    key = await begin(connection, by, chat, **of)
    assert key is not None
    return key


async def found(connection: AsyncConnection, key: int) -> Round:
    one = await groups.get(connection, key)
    assert one is not None
    return one


async def test_a_chat_has_one_round_that_is_not_over(connection: AsyncConnection) -> None:
    """Keeps away two rounds of two people who asked for one at the same time, also in two processes."""
    mine = await person(connection)
    first = await opened(connection, mine)
    assert await begin(connection, mine) is None
    assert await begin(connection, mine, platform="discord") is not None
    assert await begin(connection, mine, "another") is not None
    await groups.end(connection, first, 5.0)
    second = await opened(connection, mine)
    running = await groups.running(connection, "telegram", "g")
    assert running is not None
    assert running.id == second
    with pytest.raises(Exception, match="UNIQUE"):
        await groups.change(connection, first, state="open")


async def test_a_round_is_as_it_was_opened(connection: AsyncConnection) -> None:
    mine = await person(connection)
    key = await opened(connection, mine, settings={"wish": {"text": "국물"}})
    assert await found(connection, key) == Round(
        key, "telegram", "g", mine.id, "food", "open", {"wish": {"text": "국물"}}, "t", None, 1.0, 100.0
    )
    assert await groups.get(connection, key + 1) is await groups.running(connection, "telegram", "x") is None


async def test_members_come_in_order_and_once(connection: AsyncConnection) -> None:
    one, two, three = [await person(connection, key) for key in "789"]
    key = await opened(connection, one)
    assert await groups.join(connection, key, two.id, 3.0)
    assert await groups.join(connection, key, one.id, 2.0)
    assert await groups.join(connection, key, three.id, 3.0)
    await groups.tell(connection, key, two.id, {"told": {"text": "국물"}})
    assert not await groups.join(connection, key, two.id, 9.0)
    assert [(each.user, each.answers) for each in await groups.members(connection, key)] == [
        (one, {}), (two, {"told": {"text": "국물"}}), (three, {}),
    ]  # fmt: skip
    await groups.vote(connection, key, two.id, ["food:a"], ["food:a"], 4.0)
    assert await groups.leave(connection, key, two.id)
    assert not await groups.leave(connection, key, two.id)
    assert await groups.votes(connection, key) == []
    assert await groups.member(connection, key, two.id) is None


async def test_a_vote_replaces_the_one_before_among_the_same_items_only(connection: AsyncConnection) -> None:
    """Keeps away votes of a former poll that go when somebody votes in the next."""
    mine = await person(connection)
    key = await opened(connection, mine)
    first, second = ["food:a", "food:b", OTHER], ["food:c", OTHER]
    await groups.vote(connection, key, mine.id, ["food:a", OTHER], first, 2.0)
    await groups.vote(connection, key, mine.id, ["food:b", OTHER, "food:x"], first, 3.0)
    assert await groups.votes(connection, key) == [(mine.id, "food:b"), (mine.id, OTHER)]
    await groups.clear_other(connection, key)
    await groups.vote(connection, key, mine.id, ["food:c"], second, 4.0)
    assert await groups.votes(connection, key) == [(mine.id, "food:b"), (mine.id, "food:c")]
    await groups.vote(connection, key, mine.id, [], second, 5.0)
    assert await groups.votes(connection, key) == [(mine.id, "food:b")]


async def test_picks_go_on_where_they_ended(connection: AsyncConnection) -> None:
    key = await opened(connection, await person(connection))
    both = [Picked(1, "food:a", {"title": "가"}), Picked(2, "food:b", {"title": "나"})]
    await groups.pick(connection, key, both[:1])
    await groups.pick(connection, key, both[1:])
    assert await groups.picks(connection, key) == both


async def test_what_was_told_goes_with_the_end_and_guests_wholly(connection: AsyncConnection) -> None:
    mine, guest = await person(connection), await person(connection, "8")
    await users.set_guest(connection, guest.id, True)
    key, other = await opened(connection, mine), await opened(connection, mine, "other")
    for round_id in (key, other):
        for user in (mine, guest):
            await groups.join(connection, round_id, user.id, 1.0)
            await groups.tell(connection, round_id, user.id, {"told": "x"})
            await groups.vote(connection, round_id, user.id, ["food:a"], ["food:a"], 2.0)
    ended = await groups.end(connection, key, 9.0, winner="food:a")
    assert (ended.over, ended.closes_at, ended.settings) == (True, None, {"winner": "food:a"})
    assert [(each.user.id, each.answers) for each in await groups.members(connection, key)] == [(mine.id, {})]
    assert await groups.votes(connection, key) == [(mine.id, "food:a")]
    assert len(await groups.members(connection, other)) == 2
    assert await connection.scalar(select(rounds.c.closed_at).where(rounds.c.id == key)) == 9.0


async def test_what_is_due_is_told_until_it_goes_on_or_is_put_off(connection: AsyncConnection) -> None:
    mine = await person(connection)
    late, later = await opened(connection, mine), await opened(connection, mine, "b", closes_at=200.0)
    await opened(connection, mine, "c", platform="discord")
    over = await opened(connection, mine, "d")
    await groups.end(connection, over, 5.0)
    assert [each.id for each in await groups.due(connection, "telegram", 99.0)] == []
    [seen] = await groups.due(connection, "telegram", 150.0)
    assert seen.id == late
    await groups.postpone(connection, seen, 300.0)
    assert [each.id for each in await groups.due(connection, "telegram", 250.0)] == [later]
    [again] = [each for each in await groups.due(connection, "telegram", 300.0) if each.id == late]
    await groups.change(connection, late, state="voting", closes_at=310.0)
    await groups.postpone(connection, again, 900.0)
    assert (await found(connection, late)).closes_at == 310.0, "it has gone on since"


async def test_a_group_is_found_with_its_topics(connection: AsyncConnection) -> None:
    mine, other = await person(connection), await person(connection, "8")
    keys = [await opened(connection, mine, chat) for chat in ("-1", "-1:5", "-1:6", "-12", "-1_5")]
    await groups.end(connection, keys[2], 5.0)
    assert [each.id for each in await groups.in_group(connection, "telegram", "-1")] == keys[:2]
    await groups.join(connection, keys[0], other.id, 1.0)
    assert [each.id for each in await groups.of_member(connection, other.id)] == [keys[0]]
    assert len(await groups.of_member(connection, mine.id)) == 4, "opened, not joined"
    await groups.change(connection, keys[1], poll_id="round.2.poll")
    by_poll = await groups.of_poll(connection, "telegram", "round.2.poll")
    assert by_poll is not None
    assert by_poll.id == keys[1]


async def post(
    connection: AsyncConnection, slot: str, chat: str = "g", turn: str = "t", who: str = ""
) -> None:
    await mail.post(
        connection, turn_id=turn, platform="telegram", chat_id=chat, slot=slot, body="b", person_id=who
    )


async def test_a_groups_message_stays_when_somebody_is_forgotten(connection: AsyncConnection) -> None:
    """Keeps away a second message of a round, because the first went with the mail of whoever pressed last."""
    mine = await person(connection)
    taken = await mail.take(
        connection, turn_id="t", platform="telegram", chat_id="g", person_id="7", body="x", owner="p"
    )
    assert taken is not None
    assert await mail.finish(connection, taken.id, "done", "p")
    await post(connection, "round.1")
    await post(connection, "round.2", turn="another's")
    await post(connection, "t")
    await groups.release(connection, mine.id)
    await account.forget(connection, mine.id, "now")
    kept = await connection.execute(select(outbox.c.slot, outbox.c.turn_id).order_by(outbox.c.id))
    assert [tuple(row) for row in kept] == [("round.1", "round.1"), ("round.2", "another's")]


async def chats(connection: AsyncConnection, table: Table) -> set[str]:
    return set(await connection.scalars(select(table.c.chat_id)))


async def test_everything_of_a_chat_moves_with_it(connection: AsyncConnection) -> None:
    mine = await person(connection)
    key = await opened(connection, mine, "old")
    await sessions.save(connection, mine.id, "telegram", "old", {"a": 1})
    await exposures.add(
        connection, exposure_id="e", user_id=mine.id, platform="telegram", chat_id="old", domain="", item_ids=[], body={},
    )  # fmt: skip
    await inquiries.add(connection, 1, mine.id, "?", platform="telegram", chat_id="old")
    await jobs.ask(connection, "index", at=1.0, asked_by=mine.id, platform="telegram", chat_id="old")
    await post(connection, "round.1", "old")
    await connection.execute(update(outbox).values(message_id="77", sent_version=1))
    await groups.move_chat(connection, "discord", "old", "new")
    await groups.move_chat(connection, "telegram", "old", "new")
    for table in (rounds, session_table, exposure_table, inquiry_table, job_table, outbox):
        assert await chats(connection, table) == {"new"}, table.name
    assert (await found(connection, key)).state == "open"
    assert await connection.scalar(select(outbox.c.message_id)) is None, (
        "messages of the old chat are not edited"
    )


async def test_what_the_new_chat_has_already_stays(connection: AsyncConnection) -> None:
    """Keeps away a move that fails as a whole because somebody spoke in the new chat first."""
    mine = await person(connection)
    old, new = await opened(connection, mine, "old"), await opened(connection, mine, "new")
    for chat in ("old", "new"):
        await sessions.save(connection, mine.id, "telegram", chat, {"in": chat})
        await post(connection, "same", chat)
    await connection.execute(insert(rounds).values(
        platform="telegram", chat_id="old", domain="any", state="closed", settings={}, created_at=1.0
    ))  # fmt: skip
    await groups.move_chat(connection, "telegram", "old", "new")
    await groups.move_chat(connection, "telegram", "new", "new")
    assert await sessions.load(connection, mine.id, "telegram", "new") == {"in": "new"}
    assert ((await found(connection, old)).state, (await found(connection, new)).state) == ("closed", "open")
    assert await chats(connection, outbox) == await chats(connection, rounds) == {"new"}
