"""Reasons, benefits and facts: grounded in the item, fitting the request, in both languages."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, get_args
from zlib import crc32

import numpy as np
import pytest

from data import item as vocabulary
from data.item import BOOK_GENRES, GENRES, MOVIE_GENRES, Domain, Item
from data.phrases import Language, Phrases, phrases
from engine.candidates import Candidate
from engine.grounds import Ground
from engine.quantities import Range
from engine.ranking import Ranked, rank
from engine.request import Request
from engine.said import KEPT, Said
from engine.taste import Taste
from engine.text import is_korean
from engine.words import labels
from engine.writing import VERB_FORMS, WORN, Writer

BOOK, MOVIE, FOOD = Domain.BOOK, Domain.MOVIE, Domain.FOOD
LANGUAGES: tuple[Language, ...] = ("ko", "en")
SHARED: dict[str, Any] = {
    "title_en": "The Item", "effects": get_args(vocabulary.Effect), "moods": get_args(vocabulary.Mood),
    "situations": get_args(vocabulary.Situation), "country": "KR", "length": 100, "summary": "요약", "summary_en": "Summary",
    "pitch": ("첫 마디예요.", "둘째 마디예요."), "pitch_en": ("The first.", "The second."),
}  # fmt: skip
WORK = {"creators": ("한강",), "people": ("송강호",), "year": 1999, "age": 12}
ITEMS = {
    BOOK: Item.model_validate({"id": "book:x", "domain": BOOK, "title": "책", **SHARED, **WORK, "genres": BOOK_GENRES, "immersion": "light"}),
    MOVIE: Item.model_validate({"id": "movie:x", "domain": MOVIE, "title": "영화", **SHARED, **WORK, "genres": MOVIE_GENRES, "immersion": "light"}),
    FOOD: Item.model_validate(
        {"id": "food:x", "domain": FOOD, "title": "음식", **SHARED, "cuisine": "korean", "ingredients": ("김치",),
         "allergens": get_args(vocabulary.Allergen), "spicy": 0, "soupy": True, "served": get_args(vocabulary.Served),
         "diet": get_args(vocabulary.Diet), "meals": get_args(vocabulary.Meal), "kcal": 300, "price": 1, "body": get_args(vocabulary.Body)}
    ),
}  # fmt: skip
"""Items that answer every wish there is."""


def rated(item: Item, request: Request, taste: Taste | None = None) -> Ranked:
    candidate = Candidate(item, np.zeros(4, dtype=np.float32), {"vector": 0})
    return rank([candidate], request, taste or Taste(), {}, 0)[0]


def told(language: Language, item: Item, ground: Ground) -> list[str]:
    """All words for a ground, filled in for an item."""
    words = phrases(language)
    forms = {name: words.say(f"form.{item.domain}.{name}") for name in VERB_FORMS}
    return [
        words.fill(variant, name=ground.name, **forms)
        for shape in ("lead", "tail")
        for variant in words.variants(f"{shape}.{ground.words}")
    ]


def _wishes() -> list[Any]:
    """Every wish that a request can make, with an item that grants it."""
    lists = {
        "effects": get_args(vocabulary.Effect), "moods": get_args(vocabulary.Mood), "situations": get_args(vocabulary.Situation),
    }  # fmt: skip
    food = {"meals": get_args(vocabulary.Meal), "served": get_args(vocabulary.Served), "body": get_args(vocabulary.Body),
            "diet": get_args(vocabulary.Diet)}  # fmt: skip
    found: list[tuple[Item, dict[str, Any]]] = []
    for domain in Domain:
        found += [(ITEMS[domain], {name: (value,)}) for name, values in lists.items() for value in values]
        found += [(ITEMS[domain], {"genres": (genre,)}) for genre in GENRES[domain]]
        found += [(ITEMS[domain], {"country": (code,)}) for code in ("KR", "US", "ZZ")]
        found += [
            (ITEMS[domain], {"length": span}) for span in (Range(50, None), Range(None, 200), Range(50, 200))
        ]
        found.append((ITEMS[domain], {"items": (ITEMS[domain].id,)}))
        found.append((ITEMS[domain], {"like": ("other",)}))
    for domain in (BOOK, MOVIE):
        found += [
            (ITEMS[domain].model_copy(update={"immersion": value}), {"immersion": value})
            for value in get_args(vocabulary.Immersion)
        ]
        found += [
            (ITEMS[domain], {"years": span})
            for span in (Range(1990, 1999), Range(1999, 1999), Range(1990, None), Range(None, 2000))
        ]
        found += [(ITEMS[domain], {"creators": ("한강",)}), (ITEMS[domain], {"people": ("송강호",)})]
    found += [(ITEMS[FOOD], {name: (value,)}) for name, values in food.items() for value in values]
    found += [
        (ITEMS[FOOD].model_copy(update={"cuisine": value}), {"cuisine": (value,)})
        for value in get_args(vocabulary.Cuisine)
    ]
    found += [(ITEMS[FOOD].model_copy(update={"soupy": value}), {"soupy": value}) for value in (True, False)]
    found += [
        (ITEMS[FOOD], {"spicy": span})
        for span in (Range(None, 0), Range(None, 1), Range(2, None), Range(3, None))
    ]
    found += [(ITEMS[FOOD], {"kcal": span}) for span in (Range(None, 500), Range(100, None), Range(100, 500))]
    found += [(ITEMS[FOOD], {"ingredients": ("김치",)}), (ITEMS[FOOD], {"price": 1})]
    found.append((ITEMS[FOOD].model_copy(update={"price": 3}), {"splurge": True}))
    return [pytest.param(item, wish, id=f"{item.domain}-{wish}") for item, wish in found]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("item", "wish"), _wishes())
def test_every_wish_that_an_item_grants_is_named_in_its_reason(
    item: Item, wish: dict[str, Any], language: Language
) -> None:
    """A ground without words raised KeyError for the first person who wished it."""
    if wish.get("country") == ("ZZ",):
        item = item.model_copy(update={"country": "ZZ"})
    elif wish.get("country") == ("US",):
        item = item.model_copy(update={"country": "US"})
    request = Request(domain=item.domain, **wish)
    writer, words = Writer(language), phrases(language)
    (ground, *_) = grounds = writer.grounds(rated(item, request), request, Taste(), {"other": item})
    assert words.variants(f"why.{ground.key}") or words.variants(f"why.{ground.key.split('.')[0]}")
    pitches = item.pitch if language == "ko" else item.pitch_en
    said = [phrase for each in grounds for phrase in told(language, item, each)]
    for seed in range(8):
        reason = writer.reason(item, grounds, request, seed)
        assert any(pitch in reason for pitch in pitches)
        assert any(phrase in reason for phrase in said)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("domain", list(Domain))
def test_a_liked_item_and_a_survey_are_grounds_too(domain: Domain, language: Language) -> None:
    item = ITEMS[domain]
    survey = Request(domain=domain, effects=get_args(vocabulary.Effect), moods=get_args(vocabulary.Mood), situations=get_args(vocabulary.Situation))  # fmt: skip
    taste = Taste(liked=("other",), wishes={domain: survey})
    request = Request(domain=domain)
    close = rated(item, request, taste)
    close.parts["taste"] = 0.9
    writer = Writer(language)
    other = item.model_copy(update={"id": f"{domain}:other", "genres": (*item.genres, "music", "essay")})
    grounds = writer.grounds(close, request, taste, {"other": other})
    assert Ground("liked", "taste.liked", writer.title(other)) in grounds
    stranger = item.model_copy(update={"genres": (), "cuisine": None})
    assert not any(g.kind == "liked" for g in writer.grounds(close, request, taste, {"other": stranger}))
    assert {"effects", "moods", "situations"} <= {g.key.split(".")[0] for g in grounds if g.kind == "survey"}
    for ground in grounds:
        reason = writer.reason(item, [ground], request, 0)
        assert any(phrase in reason for phrase in told(language, item, ground))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("domain", list(Domain))
@pytest.mark.parametrize("effect", get_args(vocabulary.Effect))
def test_a_benefit_is_that_of_the_effect_that_was_wished(
    domain: Domain, effect: vocabulary.Effect, language: Language
) -> None:
    benefit = Writer(language).benefit(ITEMS[domain], Request(domain=domain, effects=(effect,)), 1)
    assert benefit in phrases(language).variants(f"benefit.{domain}.{effect}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("body", get_args(vocabulary.Body))
def test_a_body_state_has_a_benefit_of_its_own(body: vocabulary.Body, language: Language) -> None:
    benefit = Writer(language).benefit(ITEMS[FOOD], Request(domain=FOOD, body=(body,)), 1)
    assert benefit in phrases(language).variants(f"benefit.body.{body}")


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_in_facts_is_the_items(catalog_items: tuple[Item, ...], language: Language) -> None:
    writer, label = Writer(language), labels(language)
    for item in catalog_items:
        own = {
            str(abs(value)) for value in (item.year, item.length, item.kcal, item.age) if value is not None
        }
        own |= numbers(" ".join((*item.creators, *item.people, label.of("price", item.price))))
        own |= numbers(label.of("age", item.age))
        facts = writer.facts(item)
        assert numbers(" ".join(facts)) <= own, item.id
        assert all(fact.strip() for fact in facts)
        if item.year is not None:
            before = {"ko": f"기원전 {-item.year}년", "en": f"{-item.year} BC"}[language]
            assert (str(item.year) if item.year > 0 else before) in facts
        if item.creators:
            assert facts[0] == ", ".join(label.of("creators", name) for name in item.creators)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reason_says_no_number_that_neither_item_nor_request_holds(
    catalog_items: tuple[Item, ...], language: Language
) -> None:
    writer = Writer(language)
    for number, item in enumerate(catalog_items):
        request = Request(
            text="777 이하로 가볍게", domain=item.domain, effects=item.effects[:1], length=Range(None, 777)
        )
        reason = writer.reason(
            item, writer.grounds(rated(item, request), request, Taste(), {}), request, number
        )
        pitches = item.pitch if language == "ko" else item.pitch_en
        assert numbers(reason) <= numbers(" ".join(pitches)) | {"777"}, item.id


def test_unknown_values_are_no_facts() -> None:
    bare = Item.model_validate({"id": "food:x", "domain": "food", "title": "x"})
    assert Writer("ko").facts(bare) == ()
    assert Writer("ko").facts(bare.model_copy(update={"spicy": 0, "kcal": 0})) == ("0kcal", "안 매움")


def test_what_a_dish_holds_is_named_and_unknown_allergens_are_not_called_none() -> None:
    egg = Item.model_validate({"id": "food:x", "domain": "food", "title": "x", "allergens": ["egg"]})
    assert any("달걀" in fact for fact in Writer("ko").facts(egg))
    unknown = egg.model_copy(update={"allergens": None})
    assert Writer("ko").facts(unknown) == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_neighbours_in_an_answer_do_not_begin_alike(
    catalog_items: tuple[Item, ...], language: Language
) -> None:
    request = Request(domain=BOOK, situations=("bedtime",))
    books = [item for item in catalog_items if "bedtime" in item.situations and item.domain is BOOK][:3]
    for seed in range(12):
        writer = Writer(language)
        reasons = [
            writer.reason(item, writer.grounds(rated(item, request), request, Taste(), {}), request, seed)
            for item in books
        ]
        assert len({reason[:12] for reason in reasons}) == 3
        benefits = [writer.benefit(item, request, seed) for item in books]
        assert len(set(benefits)) == 3


def test_an_item_without_grounds_still_has_a_reason() -> None:
    item = ITEMS[MOVIE]
    reason = Writer("ko").reason(item, [], Request(domain=MOVIE), 0)
    assert any(pitch in reason for pitch in item.pitch)


def test_the_pitch_nearest_to_the_request_is_taken() -> None:
    item = ITEMS[BOOK].model_copy(
        update={"pitch": ("강아지가 나와요.", "우주선이 나와요.", "바다가 나와요.")}
    )
    for seed in range(8):
        assert "우주선" in Writer("ko").reason(item, [], Request(text="우주선 이야기", domain=BOOK), seed)


def test_english_speaks_english_where_the_item_does() -> None:
    writer = Writer("en")
    assert (writer.title(ITEMS[BOOK]), writer.summary(ITEMS[BOOK])) == ("The Item", "Summary")
    korean_only = ITEMS[BOOK].model_copy(update={"title_en": None, "summary_en": None, "pitch_en": ()})
    assert (writer.title(korean_only), writer.summary(korean_only)) == ("책", "요약")
    assert writer.reason(korean_only, [], Request(), 0) in korean_only.pitch


def test_english_words_of_the_bot_hold_no_hangul() -> None:
    request = Request(domain=FOOD, effects=("calm",), soupy=True, cuisine=("korean",), price=1)
    writer = Writer("en")
    grounds = writer.grounds(rated(ITEMS[FOOD], request), request, Taste(), {})
    texts = [writer.reason(ITEMS[FOOD], [ground], request, place) for ground in grounds for place in range(4)]
    assert not re.search(
        "[가-힣]", " ".join((*texts, *writer.facts(ITEMS[FOOD]), writer.benefit(ITEMS[FOOD], request, 0)))
    )


@pytest.mark.parametrize(
    ("name", "particles"), [("한강", ("이", "을", "과", "으로")), ("김초엽", ("이", "을", "과", "으로")), ("마루", ("가", "를", "와", "로"))]
)  # fmt: skip
def test_particles_follow_names_in_every_variant(name: str, particles: tuple[str, ...]) -> None:
    """ "{name}를" written by hand is wrong for half of all names."""
    words = phrases("ko")
    for kind in ("genre", "cuisine", "country", "creator", "person", "ingredient", "like"):
        for place in ("lead", "tail"):
            for variant in words.variants(f"{place}.named.{kind}"):
                assert not re.search(r"\{\w+\}(?:은|는|을|를|과|와|으로|로|이라|이랑)(?![가-힣])", variant), (
                    variant
                )
                forms = {form: words.say(f"form.movie.{form}") for form in VERB_FORMS}
                filled = words.fill(variant, name=name, **forms)
                wrong = {
                    "이": "가",
                    "가": "이",
                    "을": "를",
                    "를": "을",
                    "과": "와",
                    "와": "과",
                    "으로": "로",
                    "로": "으로",
                }
                for particle in particles:
                    assert not re.search(rf"{name}{wrong[particle]}(?![가-힣])", filled), filled


def test_a_seed_decides_the_words() -> None:
    request = Request(domain=BOOK, effects=("calm",))
    item = ITEMS[BOOK]
    grounds = Writer("ko").grounds(rated(item, request), request, Taste(), {})
    said = [Writer("ko").reason(item, grounds, request, seed) for seed in (1, 1, 2, 3, 4)]
    assert said[0] == said[1]
    assert len(set(said)) > 2


def test_what_tells_most_of_the_day_is_said_first() -> None:
    request = Request(domain=BOOK, genres=("essay",), situations=("rainy",), country=("KR",))
    grounds = Writer("ko").grounds(rated(ITEMS[BOOK], request), request, Taste(), {})
    assert [ground.kind for ground in grounds] == ["situations", "genre", "country"]
    named = replace(request, creators=("한강",))
    assert Writer("ko").grounds(rated(ITEMS[BOOK], named), named, Taste(), {})[0].kind == "creator"


SAME = Request(text="위로", domain=BOOK, effects=("comfort",))


def reasons(writer: Writer, items: Iterable[Item], request: Request = SAME) -> list[str]:
    return [
        writer.reason(item, writer.grounds(rated(item, request), request, Taste(), {}), request, seed)
        for seed, item in enumerate(items)
    ]


def sentences(texts: Iterable[str]) -> Counter[str]:
    return Counter(sentence for text in texts for sentence in re.split(r"(?<=[.!?])\s+", text))


def comforting(items: Iterable[Item]) -> list[Item]:
    return [item for item in items if item.domain is BOOK and "comfort" in item.effects]


@pytest.mark.parametrize("language", LANGUAGES)
def test_with_one_way_to_say_it_nothing_is_said_twice(
    catalog_items: tuple[Item, ...], language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps reasons apart must not be the number of variants: a lead makes a sentence with each pitch."""
    every = Phrases.variants
    monkeypatch.setattr(Phrases, "variants", lambda words, key: every(words, key)[:1])
    books = comforting(catalog_items)
    told = reasons(Writer(language), books)
    assert len(told) > 10
    assert sentences(told).most_common(1)[0][1] == 1


def test_an_item_told_again_is_told_by_another_pitch(catalog_items: tuple[Item, ...]) -> None:
    """The second time the same sentence stood on the card."""
    for item in comforting(catalog_items)[:5]:
        told = reasons(Writer("ko"), [item] * 6)
        for three in (told[:3], told[3:]):
            assert {pitch for pitch in item.pitch for text in three if pitch in text} == set(item.pitch)
        assert len(set(told)) == 6


def test_what_was_told_survives_being_stored(catalog_items: tuple[Item, ...]) -> None:
    """The memory is kept in the session between turns, as a list of numbers."""
    books = comforting(catalog_items)
    kept: list[int] = []
    told: list[str] = []
    for item in books:
        writer = Writer("ko", Said(kept))
        told += reasons(writer, [item])
        kept = json.loads(json.dumps(writer.said.kept))
    assert sentences(told).most_common(1)[0][1] == 1
    assert len(kept) == 2 * len(books)


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    said = Said(range(KEPT))
    said.add("하나", "둘")
    assert len(said.kept) == KEPT
    assert said.kept[0] == 2
    assert (said.times("하나"), said.times("셋")) == (1, 0)


def test_strangers_do_not_hear_a_worn_sentence_while_there_is_another(
    catalog_items: tuple[Item, ...],
) -> None:
    """Each person's talk is young, yet whoever reads many of them reads one sentence again and again."""
    anyone = Said()
    books = comforting(catalog_items)
    told = [text for item in books[:17] for text in reasons(Writer("ko", Said(), anyone), [item])]
    assert sentences(told).most_common(1)[0][1] <= WORN


@pytest.mark.parametrize("domain", list(Domain))
def test_a_talk_hears_no_benefit_twice_while_another_of_the_item_is_unheard(
    catalog_items: tuple[Item, ...], domain: Domain
) -> None:
    writer = Writer("ko")
    for item in [item for item in catalog_items if item.domain is domain][:20]:
        heard = set(writer.said.kept)
        benefit = writer.benefit(item, Request(domain=domain), 1)
        fresh = [
            words
            for effect in item.effects
            for words in phrases("ko").variants(f"benefit.{domain}.{effect}")
            if crc32(words.encode()) not in heard
        ]
        assert benefit in fresh or not fresh


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (Request(domain=BOOK), "domain.book"), (Request(), "open.any"), (Request(text="아무거나"), "open.any"),
        (Request(text="고양이"), "asked.any"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_request_without_grounds_is_named_by_what_there_is_of_it(
    request_: Request, key: str, language: Language
) -> None:
    """ "아무거나" was answered with a bare pitch, as if nobody had asked."""
    writer, item = Writer(language), ITEMS[BOOK]
    (ground,) = writer.grounds(rated(item, request_), request_, Taste(), {})
    assert ground.key == key
    reason = writer.reason(item, [ground], request_, 3)
    assert any(phrase in reason for phrase in told(language, item, ground))


def test_a_mood_is_a_ground_of_what_helps_it() -> None:
    """A funny film for "우울해" seemed to have been chosen without hearing that."""
    cheerful = ITEMS[MOVIE].model_copy(update={"moods": ("happy",), "effects": ("laughter",)})
    request = Request(domain=MOVIE, moods=("sad",))
    assert Ground("implied", "moods.sad") in Writer("ko").grounds(
        rated(cheerful, request), request, Taste(), {}
    )
    other = cheerful.model_copy(update={"effects": ("thrill",)})
    assert [g.kind for g in Writer("ko").grounds(rated(other, request), request, Taste(), {})] == ["domain"]


def test_what_must_not_be_in_a_dish_is_a_ground_unless_it_is_a_whole_group() -> None:
    """ "해산물 못 먹어" names ten allergens: "고등어를 뺐어요" was no answer to that."""
    request = Request(domain=FOOD, allergens=("egg",), avoid=("sesame",))
    dish = ITEMS[FOOD].model_copy(update={"allergens": ()})
    named = [
        g.name
        for g in Writer("ko").grounds(rated(dish, request), request, Taste(), {})
        if g.kind == "without"
    ]
    assert named == ["달걀", "참깨"]
    many = Request(domain=FOOD, allergens=("crab", "shrimp", "squid"))
    assert not any(g.kind == "without" for g in Writer("ko").grounds(rated(dish, many), many, Taste(), {}))


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (Request(text="짧은 책", domain=BOOK, length=Range(None, 260)), "named.short"),
        (Request(text="두꺼운 책", domain=BOOK, length=Range(400, None)), "named.long"),
        (Request(text="200쪽 이하", domain=BOOK, length=Range(None, 200)), "named.length"),
        (Request(text="최신 책", domain=BOOK, years=Range(2020, None)), "named.new"),
        (Request(text="옛날 책", domain=BOOK, years=Range(None, 1995)), "named.old"),
        (Request(text="2020년 이후", domain=BOOK, years=Range(2020, None)), "named.years"),
    ],
)
def test_a_number_is_told_only_to_who_said_one(request_: Request, key: str) -> None:
    """ "짧은 소설" was answered with "260쪽 이내라고 하셨으니"."""
    assert [g.key for g in Writer("ko").grounds(rated(ITEMS[BOOK], request_), request_, Taste(), {})] == [key]


@pytest.mark.parametrize(("spicy", "key"), [(0, "spicy.mild"), (1, "spicy.little")])
def test_a_little_heat_is_not_called_none(spicy: Any, key: str) -> None:
    """ "매운 거 못 먹는데" got a slightly hot dish with "맵지 않아서 편하게 먹을 수 있어요"."""
    dish = ITEMS[FOOD].model_copy(update={"spicy": spicy})
    request = Request(domain=FOOD, spicy=Range(None, 1))
    assert [g.key for g in Writer("ko").grounds(rated(dish, request), request, Taste(), {})] == [key]


def test_a_voice_is_not_called_a_face() -> None:
    drawn = ITEMS[MOVIE].model_copy(update={"genres": ("animation",)})
    request = Request(domain=MOVIE, people=("송강호",))
    assert [g.key for g in Writer("ko").grounds(rated(drawn, request), request, Taste(), {})] == [
        "named.voice"
    ]


def test_novels_are_named_as_they_were_asked_for_and_only_when_nothing_else_was() -> None:
    """ "SF 소설" was answered with "단편 생각이 났다면"."""
    story = ITEMS[BOOK].model_copy(update={"genres": ("short_story", "sf")})
    novels = Request(domain=BOOK, genres=("novel", "short_story"))
    assert [g.name for g in Writer("ko").grounds(rated(story, novels), novels, Taste(), {})] == ["소설"]
    both = Request(domain=BOOK, genres=("novel", "short_story", "sf"))
    assert [g.name for g in Writer("ko").grounds(rated(story, both), both, Taste(), {})] == ["SF"]


def test_a_pitch_that_sits_badly_beside_the_wish_is_not_taken() -> None:
    """ "웃고 싶다면, … 눈물이 맺혀요" contradicts itself."""
    item = ITEMS[MOVIE].model_copy(update={"pitch": ("끝에 가면 눈물이 나요.", "첫 장면부터 우스워요.")})
    request = Request(domain=MOVIE, effects=("laughter",))
    for seed in range(10):
        assert "우스워요" in reasons(Writer("ko"), [item], replace(request, text=str(seed)))[0]


def test_a_lead_does_not_stumble_over_the_pitch() -> None:
    """Two clauses that end alike, or two scenes, in one sentence: "비 오는 날이라면, 비 오는 날 보면"."""
    item = ITEMS[MOVIE].model_copy(update={"pitch": ("한번 보면 비 오는 날마다 생각나요.",)})
    request = Request(domain=MOVIE, situations=("rainy",))
    for seed in range(20):
        reason = reasons(Writer("ko"), [item], replace(request, text=str(seed)))[0]
        lead = reason.removesuffix(item.pitch[0])
        if lead != reason:
            assert not re.search(r"날|때|땐|면, $", lead), reason


def test_the_survey_s_mood_is_not_said_aloud() -> None:
    """Others may read along in a group: what was told to the survey in private is alluded to, not named."""
    words = phrases("ko")
    assert not any("{name" in v for shape in ("lead", "tail") for v in words.variants(f"{shape}.taste.moods"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_frequent_ground_has_eight_ways_and_none_is_doubled(language: Language) -> None:
    words = phrases(language)
    fields = {
        "effects": get_args(vocabulary.Effect), "moods": get_args(vocabulary.Mood),
        "situations": get_args(vocabulary.Situation), "meals": get_args(vocabulary.Meal),
        "named": ("genre", "cuisine", "country", "creator", "person", "like"), "domain": tuple(Domain), "open": ("any",),
    }  # fmt: skip
    for field, values in fields.items():
        for value in values:
            for shape in ("lead", "tail"):
                variants = words.variants(f"{shape}.{field}.{value}")
                assert len(set(variants)) == len(variants) >= 8, (shape, field, value)
    for domain in Domain:
        for effect in get_args(vocabulary.Effect):
            variants = words.variants(f"benefit.{domain}.{effect}")
            assert len(set(variants)) == len(variants) >= 6


def test_people_are_called_by_their_english_names_in_english(catalog_items: tuple[Item, ...]) -> None:
    """A card in English said 봉준호, which whoever reads English cannot read."""
    film = next(item for item in catalog_items if "봉준호" in item.creators)
    assert "봉준호" in Writer("ko").facts(film)[0]
    assert "Bong Joon-ho" in Writer("en").facts(film)[0]
    in_hangul = [fact for item in catalog_items for fact in Writer("en").facts(item) if is_korean(fact)]
    assert in_hangul == []
