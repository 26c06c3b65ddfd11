"""Pairs of questions and answers: kept once, told in the same order, apart by data set."""

from __future__ import annotations

from dataclasses import replace

from storage import passages
from storage.database import Database
from storage.passages import Pair

PAIR = Pair("임종석", "1989년 2월 15일 여의도 농민 폭력 시위", "어디인가?", "여의도", 13)
OTHERS = [
    PAIR,
    replace(PAIR, question="언제인가?", answer="1989년", start=0),
    replace(PAIR, text="여의도", start=0),
]


async def kept(database: Database, origin: str, *pairs: Pair, write: bool = True) -> int:
    async with database.writing() as connection:
        return await passages.keep(connection, origin, pairs, write)


async def told(database: Database, origin: str) -> list[Pair]:
    async with database.reading() as connection:
        return [pair async for pair in passages.pairs(connection, origin)]


async def test_pairs_are_kept_once_and_come_back_whole(database: Database) -> None:
    assert await kept(database, "korquad", *OTHERS, PAIR) == 3
    assert await kept(database, "korquad", *OTHERS) == 0
    first = await told(database, "korquad")
    assert set(first) == set(OTHERS)
    assert first == await told(database, "korquad")


async def test_data_sets_are_apart(database: Database) -> None:
    """The same article in two sets must not make one of them forget its own."""
    await kept(database, "korquad", *OTHERS)
    await kept(database, "mine", PAIR)
    assert await told(database, "mine") == [PAIR]
    async with database.reading() as connection:
        assert await passages.count(connection, "korquad") == 3
        assert await passages.count(connection, "nobody") == 0


async def test_counting_keeps_nothing(database: Database) -> None:
    assert await kept(database, "korquad", *OTHERS, write=False) == 3
    assert await told(database, "korquad") == []
