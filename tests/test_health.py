"""Whether somebody may eat something in their state of health is a doctor's to say; a dish then wants a caution."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.phrases import phrases
from engine.health import asks_permission, tells_state
from handlers.care import caution
from tests.talk import Someone

People = Callable[..., Someone]
KO, EN = phrases("ko"), phrases("en")
HEALTH: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "health.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("row", HEALTH, ids=lambda row: row["text"])
def test_a_question_for_permission_is_told_from_a_wish(row: dict[str, Any]) -> None:
    assert asks_permission(row["text"]) is row["asks"]
    if not row["asks"]:
        assert tells_state(row["text"]) is row["state"]
        assert (caution(row["text"]) == "care.caution") is row["state"]


def test_there_are_enough_phrasings_of_each_kind() -> None:
    assert sum(row["asks"] for row in HEALTH) >= 50
    assert sum(row.get("state", False) for row in HEALTH) >= 20
    assert sum(not row["asks"] and not row["state"] for row in HEALTH) >= 25


@pytest.mark.asyncio(loop_scope="session")
class TestTalk:
    """With the real program."""

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("임산부인데 초밥 먹어도 돼?", KO),
            ("당뇨인데 떡볶이 괜찮아?", KO),
            ("돌 아기 꿀 먹여도 돼?", KO),
            ("/food 통풍인데 맥주 마셔도 돼?", KO),
            ("can I eat sushi while pregnant", EN),
        ],
    )
    async def test_the_bot_does_not_judge_and_offers_something_else(
        self, someone: People, text: str, words: Any
    ) -> None:
        answer = await someone().says(text)
        assert answer.text in words.variants("chat.doctor")
        assert not answer.cards
        assert [choice.data for choice in answer.choices] == ["d:book", "d:movie", "d:food"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("당뇨라서 담백한 저녁 추천해줘", KO),
            ("임산부가 먹기 좋은 음식", KO),
            ("a light dinner for someone with diabetes", EN),
        ],
    )
    async def test_a_wish_is_answered_with_a_word_of_caution(
        self, someone: People, text: str, words: Any
    ) -> None:
        answer = await someone().says(text)
        assert {card.domain for card in answer.cards} == {"food"}
        assert any(line in answer.text for line in words.variants("care.caution"))

    async def test_a_refined_wish_keeps_its_caution(self, someone: People) -> None:
        person = someone()
        await person.says("당뇨라서 담백한 저녁 추천해줘")
        answer = await person.says("국물 있는 걸로")
        assert answer.cards
        assert any(line in answer.text for line in KO.variants("care.caution"))

    @pytest.mark.parametrize("text", ["점심 뭐 먹지", "임신한 주인공이 나오는 영화"])
    async def test_no_caution_without_a_state_or_without_a_dish(self, someone: People, text: str) -> None:
        answer = await someone().says(text)
        assert answer.cards
        assert not any(line in answer.text for line in KO.variants("care.caution"))

    async def test_an_allergy_told_with_the_question_is_kept(self, someone: People) -> None:
        """Keeps away a dish with shrimp for somebody who has just told of that allergy, if not as a wish."""
        person = someone()
        assert (await person.says("새우 알레르기 있는데 게는 먹어도 돼?")).text in KO.variants("chat.doctor")
        assert "새우" in (await person.commands("allergies")).text

    async def test_a_running_survey_does_not_take_the_question_for_an_answer(self, someone: People) -> None:
        person = someone()
        await person.commands("survey", "food")
        await person.presses("survey:food:consent:no")
        assert (await person.says("임산부인데 초밥 먹어도 돼?")).text in KO.variants("chat.doctor")
