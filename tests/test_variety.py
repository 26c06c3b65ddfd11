"""Ninety reasons in a row, read as one reads them: no sentence comes back, and each names item and request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from data.item import Item
from data.phrases import Language, phrases
from engine.recommendation import Pick
from engine.recommender import Recommender
from engine.taste import Taste
from engine.writing import VERB_FORMS
from handlers.turn import Card
from tests.skeletons import names_of, skeletons
from tests.talk import Someone

pytestmark = pytest.mark.asyncio(loop_scope="session")

REASONS = 90
MOST = 2
"""How often one sentence may stand in ninety reasons."""
VARIED = tuple(
    json.loads(line)["text"]
    for line in (Path(__file__).parent / "requests.jsonl").read_text(encoding="utf-8").splitlines()
)
RAIN = (
    "비 오는 날 뜨끈한 국물", "다른 거", "비 오는데 국물 있는 거 먹고 싶다", "다른 거 없어?", "뜨끈한 국물 뭐 있어?", "또 다른 거",
    "비 오는 날 먹기 좋은 탕이나 찌개", "다른 메뉴", "빗소리 들으면서 먹을 국물", "하나 더",
) * 3  # fmt: skip
RAIN_EN = (
    "something soupy for a rainy day", "something else", "a warm soup, it's raining", "another", "rainy day food with broth",
    "others", "hot soup please", "more", "soup for rainy weather", "another one",
) * 3  # fmt: skip


async def told(person: Someone, texts: Iterable[str]) -> list[Card]:
    """The cards of a talk; when all was shown, it begins again."""
    cards: list[Card] = []
    for text in texts:
        answer = await person.says(text)
        if not answer.cards:
            answer = await person.presses("again")
        assert len({card.benefit for card in answer.cards}) == len(answer.cards)
        cards += answer.cards
    return cards[:REASONS]


def repeated(lines: Iterable[str], items: tuple[Item, ...]) -> dict[str, int]:
    counted = skeletons(lines, names_of(items))
    return {sentence: times for sentence, times in counted.items() if times > MOST}


@pytest.mark.parametrize("texts", [RAIN, RAIN_EN], ids=["ko", "en"])
async def test_one_wish_in_thirty_words_gets_ninety_reasons(
    someone: Callable[..., Someone], catalog_items: tuple[Item, ...], texts: tuple[str, ...]
) -> None:
    """Four tails a ground: "후후 불어 가며 먹는 재미가 있어요" stood on a card six times in one talk."""
    cards = await told(someone(), texts)
    assert len(cards) == REASONS
    assert repeated((card.reason for card in cards), catalog_items) == {}
    assert repeated((card.benefit for card in cards), catalog_items) == {}


async def test_varied_wishes_of_one_person_and_of_strangers(
    someone: Callable[..., Someone], catalog_items: tuple[Item, ...]
) -> None:
    strangers = [
        card for number, text in enumerate(VARIED) for card in await told(someone(f"s{number}"), (text,))
    ]
    for cards in (await told(someone("one"), VARIED), strangers[:REASONS]):
        assert len(cards) == REASONS
        assert repeated((card.reason for card in cards), catalog_items) == {}
        assert repeated((card.benefit for card in cards), catalog_items) == {}


@pytest.mark.parametrize(
    "text",
    [*VARIED, *RAIN[::2], *RAIN_EN[::2], "아무거나", "추천해줘", "surprise me", "영화 추천해줘", "고양이"],
)
async def test_every_reason_names_something_of_the_item_and_of_the_request(
    recommender: Recommender, catalog_items: tuple[Item, ...], text: str
) -> None:
    """A pitch alone, true of any request, is half a reason."""
    understood = await recommender.understand(text, this_year=2026)
    language: Language = "en" if understood.language == "en" else "ko"
    found = await recommender.recommend(understood.request, Taste(), language=language)
    assert found.picks
    items = {item.id: item for item in catalog_items}
    for pick in found.picks:
        item = items[pick.id]
        (pitch,) = [
            pitch for pitch in (item.pitch if language == "ko" else item.pitch_en) if pitch in pick.reason
        ]
        asked = pick.reason.replace(pitch, "").strip().removesuffix(",").removesuffix(":")
        assert asked in words_for(pick, language), pick.reason


def words_for(pick: Pick, language: Language) -> set[str]:
    """All that may be said of the grounds that a pick is stored with."""
    words = phrases(language)
    forms = {name: words.say(f"form.{pick.domain}.{name}") for name in VERB_FORMS}
    return {
        words.fill(variant, name=name, **forms)
        for key, _, name in (ground.partition("|") for ground in pick.grounds)
        for shape in ("lead", "tail")
        for variant in words.variants(f"{shape}.{key}")
    }


async def test_skeletons_see_through_names_numbers_and_particles(catalog_items: tuple[Item, ...]) -> None:
    """A count that a name can fool finds nothing."""
    said = [
        "마션을 좋아하면 반가울 거예요.",
        "인터스텔라를 좋아하면 반가울 거예요. 2013년 작품이에요.",
        "1999년 작품이에요!",
    ]
    assert sorted(skeletons(said, re.compile("마션|인터스텔라")).values()) == [1, 1, 2]
    assert names_of(catalog_items).search("봉준호의 다른 작품")
