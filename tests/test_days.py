"""Days with the bot: a few with somebody made up, and one long talk in which nothing comes twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bot.app import opened
from bot.settings import Settings
from tests.bench.days import simulate
from tests.bench.measures import report
from tests.bench.person import GENRES, Hidden
from tests.talk import Someone

PEOPLE = (0, 4)
"""One who consents to being remembered, and one who does not and tells the allergies every day."""


async def test_three_days_keep_every_rule_and_say_what_is_missing(built_home: Path, tmp_path: Path) -> None:
    """Nights pass in them: what a talk is told must hold in it, and what is remembered, after it."""
    shutil.copytree(built_home, tmp_path / "home")
    lines: list[str] = []
    async with opened(Settings(home=tmp_path / "home", turns_per_minute=0)) as app:
        served = await simulate(app, PEOPLE, 3, lines.append)
    assert {each.person for each in served} == set(PEOPLE)
    assert {each.day for each in served} == {0, 1, 2}
    assert [each.text for each in served if each.broken] == []
    assert [each.text for each in served if len(each.picks) < each.asked and not each.honest] == []
    assert sum(len(each.picks) for each in served) > 40
    assert len(lines) == len(PEOPLE)
    assert report(served, 3, 180).splitlines()[-1] == "broken: nothing"


def test_somebody_made_up_is_the_same_for_one_seed() -> None:
    """Or two runs could not be compared."""
    one, two, other = Hidden(3), Hidden(3), Hidden(4)
    assert [one.day(n) for n in range(60)] == [two.day(n) for n in range(60)]
    assert (one.genres, one.allergies, one.age) == (two.genres, two.allergies, two.age)
    assert one.genres != other.genres
    assert [one.wish(domain, one.day(0)) for domain in GENRES] == [
        two.wish(domain, two.day(0)) for domain in GENRES
    ]


def test_figures_of_nothing_are_dashes() -> None:
    """A run of no answers divided by zero."""
    assert "nan" not in report([], 10, 180)
    assert report([], 10, 180).splitlines()[1].split()[1] == "0"


LONG_TALK = (
    "한국 영화 추천해줘", "다른 거", "또 다른 거", "더 웃긴 걸로", "다른 거", "저녁 뭐 먹지?", "다른 거", "더 매운 걸로", "다른 거", "국물 있는 걸로",
    "지친 날 읽을 책", "다른 거", "한국 작가 걸로", "오늘 뭐 보지?", "다른 거", "하나만 더", "점심 뭐 먹지?", "두 개만", "다른 거", "비 오는 날 볼 영화",
    "위로가 되는 책", "다른 거", "더 가볍게", "아무거나 추천해줘", "야식 추천해줘", "한식 먹고 싶어", "다른 거", "에세이 추천해줘", "다른 거", "영화 두 편만",
)  # fmt: skip


async def test_nothing_comes_twice_in_a_talk_of_thirty_turns(someone: Callable[..., Someone]) -> None:
    """Unless it is asked for: by name, or by the button that begins anew."""
    person = someone()
    shown: list[str] = []
    for text in LONG_TALK:
        answer = await person.says(text)
        shown += answer.ids
    assert len(LONG_TALK) == 30
    assert len(shown) == len(set(shown)) > 60
    again = shown[0]
    title = (await person.stage.app.engine.items([again]))[again].title
    assert again in (await person.says(f"{title} 추천해줘")).ids
