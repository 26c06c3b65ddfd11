"""Everything of one person, counted, exported and forgotten; and what people ask the operators."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Boolean, Double, Integer, Table, Text, func, insert, select, update
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import account, exposures, inquiries, mail, taste, users
from storage.database import Database
from storage.schema import Json, inbox, metadata, outbox, rounds
from storage.schema import users as user_table
from storage.users import User

THEIRS = [t for t in metadata.sorted_tables if {"user_id", "person_id"} & set(t.c.keys())]
"""Every table that has rows of a person, as the schema stands: a new one is here by itself."""


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.writing() as writing:
        yield writing


async def person(connection: AsyncConnection, key: str = "7", platform: str = "telegram") -> User:
    return await users.ensure(connection, platform=platform, platform_id=key, name=f"이름{key}", locale="ko")


def row(table: Table, user: User, round_id: int) -> dict[str, Any]:
    """A row of that person, each text in it a word that tells table and person."""
    word = f"{table.name}-{user.platform_id}"
    known: dict[str, Any] = {
        "user_id": user.id, "platform": user.platform, "person_id": user.platform_id, "round_id": round_id, "outcome": "done",
    }  # fmt: skip
    made: dict[str, Any] = {}
    for column in table.c:
        kind = column.type
        if column.name in known:
            made[column.name] = known[column.name]
        elif isinstance(kind, Json):
            made[column.name] = {"words": word}
        elif isinstance(kind, Text):
            made[column.name] = word
        elif isinstance(kind, Boolean):
            made[column.name] = True
        elif isinstance(kind, Double):
            made[column.name] = 1_700_000_000.0
        elif isinstance(kind, Integer) and column.name != "id":
            made[column.name] = 1
    return made


async def fill(connection: AsyncConnection, user: User) -> None:
    opened = await connection.execute(
        insert(rounds)
        .values(
            platform="telegram", chat_id=f"g{user.id}", opened_by=user.id, domain="food", state="open", settings={},
            created_at=1.0,
        )
        .returning(rounds.c.id)
    )  # fmt: skip
    round_id = opened.scalar_one()
    for table in THEIRS:
        await connection.execute(insert(table).values(**row(table, user, round_id)))


async def left(connection: AsyncConnection, table: Table, user: User) -> int:
    if "user_id" in table.c:
        where = table.c.user_id == user.id
    else:
        where = (table.c.platform == user.platform) & (table.c.person_id == user.platform_id)
    return int((await connection.execute(select(func.count()).select_from(table).where(where))).scalar_one())


def test_the_tables_of_people_are_found() -> None:
    """Keeps away a walk over the schema that finds nothing and so approves of everything."""
    names = {table.name for table in THEIRS}
    assert {"surveys", "taste_events", "exposures", "sessions", "inquiries", "inbox", "outbox"} <= names


async def test_every_table_of_a_person_is_counted_exported_and_forgotten(connection: AsyncConnection) -> None:
    """Keeps away a new table that outlives the wish to be forgotten, or that an export passes over."""
    mine, other = await person(connection), await person(connection, "8")
    for user in (mine, other):
        await fill(connection, user)
    assert sum((await account.counts(connection, mine.id)).values()) == len(THEIRS)
    exported = json.dumps(await account.export(connection, mine.id), ensure_ascii=False)
    for table in THEIRS:
        assert f"{table.name}-7" in exported, table.name
        assert f"{table.name}-8" not in exported, table.name
    await account.forget(connection, mine.id, "the turn in hand")
    for table in THEIRS:
        assert await left(connection, table, mine) == 0, table.name
        assert await left(connection, table, other) == 1, table.name
    assert set((await account.counts(connection, mine.id)).values()) == {0}
    assert sum((await account.counts(connection, other.id)).values()) == len(THEIRS)


async def test_a_round_outlives_whoever_opened_it(connection: AsyncConnection) -> None:
    mine = await person(connection)
    await fill(connection, mine)
    await account.forget(connection, mine.id, "t")
    assert (await connection.execute(select(rounds.c.opened_by))).scalars().all() == [None]


async def test_a_namesake_on_another_platform_is_somebody_else(connection: AsyncConnection) -> None:
    """Keeps away a Discord user's mail that goes with the Telegram user of the same number."""
    mine, namesake = await person(connection), await person(connection, platform="discord")
    for user in (mine, namesake):
        for table in (inbox, outbox):
            await connection.execute(insert(table).values(**row(table, user, 0)))
    assert (await account.counts(connection, mine.id))["mail"] == 2
    await account.forget(connection, mine.id, "t")
    assert (await account.counts(connection, namesake.id))["mail"] == 2


async def take(connection: AsyncConnection, turn_id: str, who: str = "7") -> int:
    taken = await mail.take(
        connection,
        turn_id=turn_id,
        platform="telegram",
        chat_id="c",
        person_id=who,
        body=f"words of {turn_id}",
        owner="me",
    )
    assert taken is not None
    return taken.id


async def post(connection: AsyncConnection, turn_id: str, person_id: str = "") -> None:
    await mail.post(
        connection,
        turn_id=turn_id,
        platform="telegram",
        chat_id="c",
        slot=f"{turn_id}.{person_id}",
        body=f"reply to {turn_id}",
        person_id=person_id,
    )


async def turns(connection: AsyncConnection, table: Table) -> list[tuple[str, str]]:
    rows = await connection.execute(select(table.c.turn_id, table.c.body).order_by(table.c.id))
    return [(each.turn_id, each.body) for each in rows]


async def test_the_turn_that_asks_to_be_forgotten_can_be_finished(connection: AsyncConnection) -> None:
    """Keeps away a turn that is handled once more because its row went, and words kept because it stayed."""
    mine = await person(connection)
    for turn_id in ("old", "now", "next"):
        inbox_id = await take(connection, turn_id)
        if turn_id == "old":
            await mail.finish(connection, inbox_id, "done", "me")
    await post(connection, "now", "7")
    await account.forget(connection, mine.id, "now")
    assert await turns(connection, inbox) == [("now", ""), ("next", "words of next")]
    assert await turns(connection, outbox) == [("now", "reply to now")]


async def test_replies_from_before_they_named_anybody_go_with_their_turns(
    connection: AsyncConnection,
) -> None:
    mine = await person(connection)
    for turn_id, who in (("mine", "7"), ("theirs", "8")):
        await mail.finish(connection, await take(connection, turn_id, who), "done", "me")
        await post(connection, turn_id)
    await account.forget(connection, mine.id, "now")
    assert await turns(connection, outbox) == [("theirs", "reply to theirs")]


async def test_what_an_operator_sent_to_somebody_stays_when_the_operator_goes(
    connection: AsyncConnection,
) -> None:
    operator = await person(connection, "1")
    await take(connection, "answer", "1")
    await post(connection, "answer", "7")
    await account.forget(connection, operator.id, "now")
    assert await turns(connection, outbox) == [("answer", "reply to answer")]


async def test_mail_counts_while_its_words_are_kept(connection: AsyncConnection) -> None:
    mine = await person(connection)
    inbox_id = await take(connection, "t")
    assert (await account.counts(connection, mine.id))["mail"] == 0, "the turn in hand"
    await connection.execute(update(inbox).where(inbox.c.id == inbox_id).values(outcome="done", body="x"))
    assert (await account.counts(connection, mine.id))["mail"] == 1
    await connection.execute(update(inbox).values(body=""))
    assert (await account.counts(connection, mine.id))["mail"] == 0


async def test_an_export_reads_without_the_database(connection: AsyncConnection) -> None:
    mine = await person(connection)
    await users.set_consent(connection, mine.id, True)
    await connection.execute(update(user_table).values(created_at=1_700_000_000.5))
    await taste.record(connection, mine.id, "book:a", "like", exposure_id="x", position=2, at=1_700_000_000.0)
    picks = [{"id": "book:b", "reason": "마음에 남아요."}]
    for key, ids in (("x", ["book:b", "book:a"]), ("w", [])):
        await exposures.add(
            connection, exposure_id=key, user_id=mine.id, platform="telegram", chat_id="c", domain="book",
            item_ids=ids, body={"picks": picks, "trace": {"seed": 7, "candidates": [1] * 500, "eligible": ["a"]}},
        )  # fmt: skip
    await inquiries.add(connection, 3, mine.id, "왜 안 돼요", platform="telegram", chat_id="c")
    whole = await account.export(connection, mine.id)
    assert whole["person"]["created_at"] == "2023-11-14T22:13:20+00:00"
    assert (whole["person"]["language"], whole["person"]["consent"], whole["person"]["guest"]) == (
        None,
        True,
        False,
    )
    assert whole["person"]["consent_at"].endswith("+00:00")
    assert whole["taste_events"] == [
        {"item_id": "book:a", "kind": "like", "exposure_id": "x", "position": 2, "at": "2023-11-14T22:13:20+00:00"}
    ]  # fmt: skip
    first, second = whole["exposures"]
    assert (first["id"], first["items"], second["items"]) == ("x", ["book:b", "book:a"], [])
    assert first["body"] == {"picks": picks, "trace": {"seed": 7}}
    assert (whole["inquiries"][0]["number"], whole["inquiries"][0]["text"]) == (3, "왜 안 돼요")

    def keys(tree: Any) -> set[str]:
        if isinstance(tree, dict):
            return set(tree) | {key for value in tree.values() for key in keys(value)}
        return {key for value in tree for key in keys(value)} if isinstance(tree, list) else set()

    assert not {"user_id", "turn_id", "message_id", "seq", "answered_by", "candidates"} & keys(whole)
    json.dumps(whole)


async def test_nobody_has_no_export_and_nothing_to_count(connection: AsyncConnection) -> None:
    with pytest.raises(NoResultFound):
        await account.export(connection, 99)
    assert set((await account.counts(connection, 99)).values()) == {0}


async def test_making_discreet_deletes_answers_and_changes_exposures_of_that_person_only(
    connection: AsyncConnection,
) -> None:
    mine, other = await person(connection), await person(connection, "8")
    for user in (mine, other):
        await taste.save_answers(connection, user.id, "food", {"allergies": ["egg"]})
        await exposures.add(
            connection, exposure_id=f"x{user.id}", user_id=user.id, platform="telegram", chat_id="c",
            domain="food", item_ids=["food:a"], body={"mood": "sad"},
        )  # fmt: skip
    await account.make_discreet(connection, mine.id, lambda body: {})
    assert await taste.answers(connection, mine.id) == {}
    assert await taste.answers(connection, other.id) == {"food": {"allergies": ["egg"]}}
    bodies = [await exposures.get(connection, f"x{user.id}") for user in (mine, other)]
    assert [found.body for found in bodies if found] == [{}, {"mood": "sad"}]


async def ask(connection: AsyncConnection, user: User, text: str = "물어볼게요") -> int:
    number = await inquiries.reserve(connection)
    await inquiries.add(connection, number, user.id, text, platform=user.platform, chat_id="c")
    return number


async def test_an_inquiry_is_told_with_whoever_asked(connection: AsyncConnection) -> None:
    mine = await person(connection)
    number = await ask(connection, mine, "'; DROP TABLE inquiries; --")
    inquiry = await inquiries.get(connection, number)
    assert inquiry is not None
    assert (inquiry.text, inquiry.asker) == ("'; DROP TABLE inquiries; --", mine)
    assert (inquiry.platform, inquiry.chat_id, inquiry.state, inquiry.answer) == (
        "telegram",
        "c",
        "open",
        None,
    )
    assert await inquiries.get(connection, number + 1) is None


async def test_an_inquiry_is_answered_once(connection: AsyncConnection) -> None:
    """Keeps away a second operator's answer over the first, which was sent already."""
    number = await ask(connection, await person(connection))
    await inquiries.answer(connection, number, "고쳤어요", "telegram:1", 5.0)
    with pytest.raises(inquiries.AnsweredError):
        await inquiries.answer(connection, number, "못 고쳐요", "telegram:2", 6.0)
    with pytest.raises(inquiries.AnsweredError):
        await inquiries.answer(connection, number + 1, "누구세요", "telegram:2", 6.0)
    inquiry = await inquiries.get(connection, number)
    assert inquiry is not None
    assert (inquiry.state, inquiry.answer, inquiry.answered_by, inquiry.answered_at) == (
        "answered", "고쳤어요", "telegram:1", 5.0,
    )  # fmt: skip


async def test_open_inquiries_come_oldest_first_and_by_the_page(connection: AsyncConnection) -> None:
    mine, other = await person(connection), await person(connection, "8")
    numbers = [await ask(connection, user) for user in (mine, other, mine, mine)]
    await inquiries.answer(connection, numbers[0], "네", "telegram:1", 5.0)
    assert [each.id for each in await inquiries.open(connection, 2)] == numbers[1:3]
    assert [each.id for each in await inquiries.open(connection, 2, 2)] == numbers[3:]
    assert [each.id for each in await inquiries.of_user(connection, mine.id)] == [
        numbers[3],
        numbers[2],
        numbers[0],
    ]
    assert await inquiries.count_open(connection) == 3
    assert await inquiries.count_open(connection, mine.id) == 2


async def test_a_forgotten_inquirys_number_is_never_used_again(connection: AsyncConnection) -> None:
    """SQLite gives the highest number anew once its row is gone: an answer would reach a stranger."""
    mine = await person(connection)
    first = await ask(connection, mine)
    await account.forget(connection, mine.id, "t")
    assert await ask(connection, await person(connection, "8")) > first
