"""What people say to the bot and what it says back: every conversation, with the real engine behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from data.item import Domain, Item
from data.phrases import phrases
from engine.taste import survey
from handlers.options import ALLERGENS
from storage import exposures, taste, users
from tests.talk import Answer, Someone, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
KO, EN = phrases("ko"), phrases("en")
CAUTION = KO.say("chat.allergy_caution")


async def items_of(person: Someone, ids: Sequence[str]) -> list[Item]:
    found = await person.stage.app.engine.items(ids)
    return [found[each] for each in ids]


async def walk(person: Someone, *steps: str) -> Answer:
    """Tap what begins with "#", type everything else."""
    for step in steps:
        await (person.taps(step[1:]) if step.startswith("#") else person.says(step))
    return person.last


async def feedback(person: Someone) -> list[tuple[str, str]]:
    """(kind, item) of all that the person said of items."""
    database, stage = person.stage.app.database, person.stage
    async with database.writing() as connection:
        user = await users.ensure(
            connection, platform=stage.name, platform_id=person.name, name="", locale=person.locale
        )
        return [(event.kind, event.item_id) for event in await taste.events(connection, user.id)]


async def test_start_greets_and_offers_a_first_pick_a_survey_and_help(someone: People) -> None:
    answer = await someone().commands("start")
    assert answer.text in KO.variants("start.hello")
    assert [choice.data for choice in answer.choices] == ["d:book", "d:movie", "d:food", "survey", "help"]


@pytest.mark.parametrize("domain", list(Domain))
async def test_a_newcomer_gets_three_picks_by_one_press(someone: People, domain: Domain) -> None:
    """Keeps away that "anything" is searched as an empty text, which finds nothing."""
    person = someone()
    await person.commands("start")
    answer = await person.presses(f"d:{domain}")
    assert len(set(answer.ids)) == 3
    assert {card.domain for card in answer.cards} == {domain}


async def test_help_shows_examples_that_can_be_pressed(someone: People) -> None:
    person = someone()
    for place, example in enumerate(KO.variants("help.examples")):
        answer = await person.commands("help")
        assert answer.text == KO.say("help.text")
        assert answer.choices[place].label == example
        assert (await person.taps(example)).cards


async def test_a_wish_is_answered_without_any_survey(someone: People) -> None:
    person = someone()
    answer = await person.says("비 오는 날 뜨끈한 국물")
    for item, card in zip(await items_of(person, answer.ids), answer.cards, strict=True):
        assert item.domain is Domain.FOOD
        assert item.soupy
        assert card.title == item.title
        assert 1 <= card.fit <= 10
        assert card.reason
        assert card.benefit
        assert card.facts
        assert card.url


async def test_every_card_has_its_feedback_buttons_and_a_way_to_more(someone: People) -> None:
    answer = await someone().says("위로가 되는 책")
    data = [choice.data for choice in answer.choices]
    for place in range(1, len(answer.cards) + 1):
        assert f"item:{answer.exposure}:{place}" in data
        for kind in ("like", "dislike", "seen", "save", "never"):
            assert f"fb:{kind}:{answer.exposure}:{place}" in data
    assert f"more:{answer.exposure}" in data


async def test_a_refinement_keeps_what_was_said_before(someone: People) -> None:
    person = someone()
    first = await person.says("웃긴 영화 두 개만")
    assert len(first.cards) == 2
    second = await person.says("더 가볍게")
    assert len(second.cards) == 2
    for item in await items_of(person, second.ids):
        assert item.domain is Domain.MOVIE
        assert item.immersion == "light"


async def test_a_country_refines_a_wish_for_movies(someone: People) -> None:
    person = someone()
    await person.says("웃긴 영화")
    answer = await person.says("한국 영화로")
    assert {item.country for item in await items_of(person, answer.ids)} == {"KR"}


async def test_a_pressed_question_refines_the_wish_that_it_stood_under(someone: People) -> None:
    person = someone()
    await person.says("웃긴 영화")
    answer = await person.taps("한국 작품 중에는?")
    for item in await items_of(person, answer.ids):
        assert (item.domain, item.country) == (Domain.MOVIE, "KR")


async def test_a_question_pressed_after_another_wish_still_means_its_own(someone: People) -> None:
    """Keeps away a button that changes what it never stood under."""
    person = someone()
    button = (await person.says("웃긴 영화")).button("한국 작품 중에는?")
    await person.says("점심 뭐 먹지")
    answer = await person.presses(button)
    for item in await items_of(person, answer.ids):
        assert (item.domain, item.country) == (Domain.MOVIE, "KR")


async def test_why_names_the_pick_and_what_it_keeps_of_the_wish(someone: People) -> None:
    person = someone()
    answer = await person.says("한강 책")
    why = await person.says("2번 왜?")
    card = answer.cards[1]
    assert card.title in why.text
    assert f"{card.fit}/10" in why.text
    assert KO.say("why.named.creator", name="한강") in why.text
    assert card.reason in why.text
    assert (await person.presses(f"why:{answer.exposure}:2")).text == why.text


async def test_why_without_an_answer_says_that_there_is_none_yet(someone: People) -> None:
    assert (await someone().says("왜?")).text == KO.say("chat.nothing_yet")


async def test_more_of_an_item_tells_its_story_and_where_to_get_it(someone: People) -> None:
    person = someone()
    for wish, where in (
        ("한강 책", "where.book"),
        ("웃긴 영화", "where.movie"),
        ("점심 뭐 먹지", "where.food"),
    ):
        answer = await person.says(wish)
        (item,) = await items_of(person, answer.ids[1:2])
        for told in (await person.says("2번 자세히"), await person.presses(f"item:{answer.exposure}:2")):
            assert str(item.summary) in told.text
            assert KO.say(where, url=item.url) in told.text
            assert told.ids == [item.id]
            assert all(name in told.text for name in item.people)
            assert all(name in told.text for name in item.ingredients)


async def test_a_title_alone_tells_of_it(someone: People) -> None:
    person = someone()
    told = await person.says("기생충")
    assert told.ids == ["movie:parasite-2019"]
    assert (await person.taps("왜 골랐어요?")).text == KO.say("why.asked")


async def test_similar_ones_are_of_the_same_kind_and_other_items(someone: People) -> None:
    person = someone()
    first = await person.says("반전 있는 스릴러 영화")
    second = await person.says("1번이랑 비슷한 거")
    third = await person.presses(f"sim:{second.exposure}:1")
    assert {card.domain for card in (*second.cards, *third.cards)} == {"movie"}
    seen = [*first.ids, *second.ids, *third.ids]
    assert len(seen) == len(set(seen)) >= 7


async def test_more_never_repeats_until_all_was_shown_and_then_says_so(someone: People) -> None:
    person = someone()
    shown = list((await person.says("한국 소설")).ids)
    while (answer := await person.says("다른 거")).cards:
        shown += answer.ids
    assert len(shown) == len(set(shown))
    every = await person.stage.app.engine.catalog(Domain.BOOK)
    fiction = {"novel", "short_story"}
    assert set(shown) == {item.id for item in every if item.country == "KR" and fiction & set(item.genres)}
    again = await person.taps(KO.say("button.again"))
    assert set(again.ids) <= set(shown)
    assert again.ids


async def test_the_button_for_more_works_like_the_words(someone: People) -> None:
    person = someone()
    first = await person.says("웃긴 영화")
    second = await person.taps(KO.say("button.more"))
    assert len(second.cards) == 3
    assert not set(first.ids) & set(second.ids)


async def test_nothing_is_made_up_and_a_rule_can_be_dropped(someone: People) -> None:
    person = someone()
    answer = await person.says("900쪽 넘는 시집")
    assert not answer.cards
    genre = KO.say("rule.genres")
    assert genre in answer.text
    freed = await person.taps(KO.say("button.loosen", rule=genre))
    assert freed.cards
    for item in await items_of(person, freed.ids):
        assert item.domain is Domain.BOOK
        assert item.length is not None
        assert item.length >= 900


async def test_fewer_than_asked_is_said(someone: People) -> None:
    person = someone()
    answer = await person.says("이란 영화 열 편")
    shown = len(answer.ids)
    assert 0 < shown < 10
    assert {item.country for item in await items_of(person, answer.ids)} == {"IR"}
    assert any(KO.fill(words, count=shown, unit="편") in answer.text for words in KO.variants("intro.fewer"))


@pytest.mark.parametrize("kind", ["dislike", "seen", "never"])
async def test_what_was_turned_down_comes_no_more_until_that_is_undone(someone: People, kind: str) -> None:
    person = someone()
    first = await person.says("한강 책")
    out = first.ids[0]
    button = f"fb:{kind}:{first.exposure}:1"
    said = await person.presses(button)
    assert first.cards[0].title in said.text

    async def everything() -> set[str]:
        person.chat = f"chat{person.turns}"
        return set((await person.says("한강 책 열 권")).ids)

    rest = await everything()
    assert out not in rest
    assert len(rest) >= 3
    await person.presses(button)
    assert await everything() == {*rest, out}


async def test_a_like_brings_what_is_like_it_and_says_so(someone: People) -> None:
    """The next answer differs from a stranger's, and tells why."""
    person, stranger = someone("fan"), someone("stranger")
    title = "소년이 온다"
    liked = await person.says(title)
    await person.presses(f"fb:like:{liked.exposure}:1")
    person.chat = "another talk"
    changed = [(await each.says("한국 소설 다섯 권")) for each in (person, stranger)]
    assert changed[0].ids != changed[1].ids
    ground = KO.say("why.taste.liked", name=title)
    whys = [
        (await person.presses(f"why:{changed[0].exposure}:{place}")).text
        for place in range(1, len(changed[0].cards) + 1)
    ]
    assert any(ground in why for why in whys)


async def test_that_one_is_the_one_that_was_just_asked_about(someone: People) -> None:
    """ "그거 저장해줘" after "2번 왜 골랐어?" asked which one."""
    person = someone()
    answer = await person.says("웃긴 영화")
    await person.says("2번 왜 골랐어?")
    await person.says("그거 저장해줘")
    assert answer.cards[1].title in (await person.commands("saved")).text


async def test_a_like_is_undone_by_its_button(someone: People) -> None:
    person = someone()
    answer = await person.says("웃긴 영화")
    await person.presses(f"fb:like:{answer.exposure}:1")
    assert await feedback(person) == [("like", answer.ids[0])]
    undone = await person.taps(KO.say("button.undo"))
    assert undone.text == KO.say("feedback.undone.like", title=f"'{answer.cards[0].title}'")
    assert await feedback(person) == []


async def test_a_later_dislike_replaces_a_like(someone: People) -> None:
    person = someone()
    answer = await person.says("한강 책")
    for kind in ("like", "dislike"):
        await person.presses(f"fb:{kind}:{answer.exposure}:1")
    person.chat = "another talk"
    assert answer.ids[0] not in (await person.says("한강 책 다섯 권")).ids


async def test_saved_items_are_listed_newest_first_and_can_be_opened(someone: People) -> None:
    person = someone()
    assert (await person.commands("saved")).text == KO.say("saved.empty")
    answer = await person.says("한강 책")
    for place in (1, 2):
        await person.presses(f"fb:save:{answer.exposure}:{place}")
    listed = await person.commands("saved")
    titles = [card.title for card in answer.cards]
    assert listed.labels == [titles[1], titles[0]]
    assert (await person.taps(titles[0])).ids == answer.ids[:1]
    await person.presses(f"fb:save:{answer.exposure}:2")
    assert (await person.says("저장한 거 보여줘")).labels == [titles[0]]


@pytest.mark.parametrize(
    ("words", "kind", "place"),
    [("2번 별로", "dislike", 2), ("1번 봤어", "seen", 1), ("3번 저장", "save", 3), ("1번 좋아요", "like", 1),
     ("2번 다시는 추천하지 마", "never", 2)],
)  # fmt: skip
async def test_feedback_in_words_is_the_feedback_of_the_buttons(
    someone: People, words: str, kind: str, place: int
) -> None:
    person = someone()
    answer = await person.says("웃긴 영화")
    said = await person.says(words)
    title = f"'{answer.cards[place - 1].title}'"
    assert any(KO.fill(way, title=title) == said.text for way in KO.variants(f"feedback.done.{kind}"))
    assert await feedback(person) == [(kind, answer.ids[place - 1])]


async def test_feedback_without_a_number_is_about_what_was_told_last(someone: People) -> None:
    person = someone()
    answer = await person.says("웃긴 영화")
    await walk(person, "2번 자세히", "봤어")
    assert await feedback(person) == [("seen", answer.ids[1])]


async def test_feedback_about_nobody_knows_which_asks(someone: People) -> None:
    person = someone()
    await person.says("웃긴 영화")
    assert (await person.says("9번 별로")).text == KO.say("chat.which")
    assert await feedback(person) == []


async def test_feedback_about_none_of_several_asks_which_and_takes_the_press(someone: People) -> None:
    person = someone()
    answer = await person.says("웃긴 영화")
    asked = await person.says("별로야")
    assert asked.text == KO.say("chat.which")
    assert asked.labels == [card.title for card in answer.cards]
    await person.taps(answer.cards[2].title)
    assert await feedback(person) == [("dislike", answer.ids[2])]


async def test_feedback_may_be_about_several_at_once(someone: People) -> None:
    person = someone()
    answer = await person.says("웃긴 영화")
    said = await person.says("1번이랑 3번 봤어")
    assert all(answer.cards[place].title in said.text for place in (0, 2))
    assert sorted(await feedback(person)) == sorted([("seen", answer.ids[0]), ("seen", answer.ids[2])])


async def test_the_book_survey_by_taps_and_typing_shapes_the_next_answer(someone: People) -> None:
    person = someone()
    asked = await walk_survey_begin(person, "book", consent=True)
    assert asked.text.startswith("책 취향 1/5")
    await walk(person, "#지쳤어요", "#위로", "#공감")
    assert {"✓ 위로", "✓ 공감"} <= set(person.last.labels)
    await walk(person, "#✓ 공감", "#다음")
    assert person.last.text.startswith("책 취향 3/5")
    await walk(person, "간호사", "자기 전", "#다음")
    assert person.last.text.startswith("책 취향 5/5")
    summary = await walk(person, "#가볍게 술술")
    for line in (
        "기분: 지쳤어요",
        "얻고 싶은 것: 위로",
        "하는 일: 간호사",
        "읽는 때: 자기 전",
        "호흡: 가볍게 술술",
    ):
        assert f"· {line}" in summary.text.splitlines()
    picked = await person.taps("책 추천")
    books = await items_of(person, picked.ids)
    assert {item.immersion for item in books} == {"light"}
    assert all("comfort" in item.effects for item in books)


async def walk_survey_begin(person: Someone, domain: str, *, consent: bool) -> Answer:
    """From /survey to the first question."""
    titles = {"book": "책 취향", "movie": "영화 취향", "food": "음식 취향"}
    await person.commands("survey")
    asked = await person.taps(titles[domain])
    assert asked.text == KO.say("survey.consent")
    return await person.taps(KO.say("button.consent_yes" if consent else "button.consent_no"))


async def test_one_answer_can_be_changed_without_going_through_the_others(someone: People) -> None:
    """Keeps away being asked everything again, where "skip" would wipe the other answers."""
    person = someone()
    await walk_survey_begin(person, "book", consent=True)
    await walk(person, "#지쳤어요", "#위로", "#다음", "#학생", "#자기 전", "#다음", "#가볍게 술술")
    changed = await walk(person, "#기분 바꾸기", "#설레요")
    assert "· 기분: 설레요" in changed.text
    assert "· 호흡: 가볍게 술술" in changed.text
    kept = await walk(person, "#하는 일 바꾸기", "#다음")
    assert "· 하는 일: 학생" in kept.text


async def test_every_question_of_every_survey_can_be_skipped(someone: People) -> None:
    person = someone()
    await person.commands("survey", "book")
    await person.taps(KO.say("button.consent_no"))
    for domain in Domain:
        await person.commands("survey", str(domain))
        for place, question in enumerate(survey(domain).questions, 1):
            total = len(survey(domain).questions)
            assert f"{place}/{total}\n{question.ask['ko']}" in person.last.text
            await person.taps(KO.say("button.skip"))
        assert person.last.text.count(KO.say("survey.none")) == total


async def test_a_survey_is_left_and_taken_up_where_it_was(someone: People, stage: Stage) -> None:
    person = someone()
    await walk_survey_begin(person, "book", consent=True)
    await walk(person, "#지쳤어요", "#위로", "#다음", "#나중에")
    assert person.last.text == KO.say("survey.later")
    assert (await person.says("웃긴 영화")).cards
    await stage.restart()
    person.chat = "elsewhere"
    resumed = await person.commands("survey", "book")
    assert resumed.text.startswith("책 취향 3/5")


async def test_back_shows_the_answer_before(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "book", consent=False)
    back = await walk(person, "#지쳤어요", "#이전")
    assert back.text.startswith("책 취향 1/5")
    assert "✓ 지쳤어요" in back.labels
    assert KO.say("button.back") not in back.labels


async def test_a_wish_in_the_middle_of_a_survey_is_answered(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "book", consent=False)
    assert {card.domain for card in (await person.says("비 오는 날 뜨끈한 국물")).cards} == {"food"}
    assert (await person.says("불안해요")).text.startswith("책 취향 2/5")


@pytest.mark.parametrize("words", ["그만", "도움말", "저장한 거 보여줘", "웃긴 영화 추천해줘"])
async def test_what_is_no_answer_is_not_kept_as_one(someone: People, words: str) -> None:
    """Keeps away an allergy named "그만"."""
    person = someone()
    await walk_survey_begin(person, "food", consent=False)
    await walk(person, *["#건너뛰기"] * 4)
    assert "5/7" in person.last.text
    assert not (await person.says(words)).text.startswith("음식 취향")
    resumed = await person.commands("survey", "food")
    assert "5/7" in resumed.text
    assert not [label for label in resumed.labels if label.startswith("✓")]


async def test_no_allergy_is_said_in_words(someone: People) -> None:
    """Keeps away an allergy named "없어요", and a caution in every answer after it."""
    person = someone()
    await walk_survey_begin(person, "food", consent=False)
    await walk(person, *["#건너뛰기"] * 4, "없어요.")
    assert "6/7" in person.last.text
    summary = await walk(person, "#없어요", "#상관없어요")
    assert f"· 못 먹는 것: {KO.say('survey.none')}" in summary.text
    assert CAUTION not in (await person.says("점심 뭐 먹지")).text


async def test_saying_none_takes_no_allergy_back(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "food", consent=False)
    await walk(person, *["#건너뛰기"] * 4, "새우", "없어요", "#건너뛰기", "#건너뛰기")
    assert "· 못 먹는 것: 새우" in person.last.text


async def test_the_movie_survey_offers_the_best_known_films_that_one_may_watch(someone: People) -> None:
    """Sixty-two pages of every film that there is, the newest and least known first."""
    person = someone()
    await walk_survey_begin(person, "movie", consent=True)
    await walk(person, "#초등학생", "#건너뛰기")
    offered = {"11": await films_offered(person)}
    every = {item.id: item for item in await person.stage.app.engine.catalog(Domain.MOVIE)}
    first = next(question for question in survey(Domain.MOVIE).questions if question.id == "seen").first
    assert set(first) <= every.keys()
    assert offered["11"] == [film for film in first if (every[film].age or 0) <= 11]
    await person.presses("survey:movie:age:pick:55")
    await person.presses("survey:movie:seen:ask")
    assert await films_offered(person) == list(first)


async def films_offered(person: Someone) -> list[str]:
    """On all pages of the grid, one after the other."""
    films: list[str] = []
    while (shown := person.last.choices[0].data.partition(":pick:")[2]) not in films:
        films += [c.data.partition(":pick:")[2] for c in person.last.choices if ":pick:" in c.data]
        assert shown in films
        await person.taps("다음 쪽")
    return films


async def test_a_film_that_is_not_offered_can_be_typed(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "movie", consent=True)
    await walk(person, "#20대", "#건너뛰기")
    for typed, title in (
        ("고양이를 부탁해", "고양이를 부탁해"),
        ("Shoplifters", "어느 가족"),
        ("패러사이트", "기생충"),
    ):
        assert title in (await person.says(typed)).text
    summary = await walk(person, "#다음", "#건너뛰기", "#건너뛰기", "#설레요")
    assert "· 본 영화: 고양이를 부탁해, 어느 가족, 기생충" in summary.text


async def test_the_movie_survey_keeps_age_and_films_seen(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "movie", consent=True)
    await walk(person, "#초등학생", "#건너뛰기")
    await person.taps("다음 쪽")
    second = person.last.choices[0]
    ticked = await person.presses(second.data)
    assert ticked.choices[0].label == f"✓ {second.label}"
    assert f"✓ {second.label}" in ticked.text
    await walk(person, "#다음", "봉준호 감독이요")
    assert "✓ 봉준호" in person.last.labels
    await walk(person, "#다음", "#상상의 세계", "#다음")
    summary = await walk(person, "#기분 좋아요")
    assert f"· 본 영화: {second.label}" in summary.text
    assert "· 좋아하는 사람: 봉준호" in summary.text
    person.chat = "elsewhere"
    shown: list[str] = []
    while (answer := await person.says("영화 추천" if not shown else "다른 거")).cards:
        shown += answer.ids
    fits = await items_of(person, shown)
    assert second.data.partition(":pick:")[2] not in shown
    assert all(item.age is not None and item.age <= 11 for item in fits)
    assert fits


async def test_the_grid_can_be_skipped_whole(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "movie", consent=False)
    await walk(person, "#20대", "#여성", "#건너뛰기", "#건너뛰기", "#사랑", "#다음", "#설레요")
    assert "· 성별: 여성" in person.last.text
    assert "· 본 영화: 건너뜀" in person.last.text
    assert KO.say("survey.this_talk") in person.last.text


async def test_the_food_survey_keeps_what_must_not_be_eaten(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "food", consent=True)
    await walk(person, "#피곤해요", "#다음", "#지쳤어요", "#혼자", "#전혀 못 먹어요")
    assert [c.data.rpartition(":")[2] for c in person.last.choices if ":pick:" in c.data] == list(
        ALLERGENS[:9]
    )
    await walk(person, "#달걀", "#다음 쪽", "#다음 쪽", "참깨 알레르기 있어요")
    assert "✓ 달걀, 참깨" in person.last.text
    summary = await walk(person, "#다음", "#채식", "#만 원 이하")
    for line in ("못 먹는 것: 달걀, 참깨", "매운맛: 전혀 못 먹어요", "식단: 채식", "가격: 만 원 이하"):
        assert f"· {line}" in summary.text
    person.chat = "elsewhere"
    answer = await person.says("음식 추천")
    shown: list[Item] = []
    while answer.cards:
        assert CAUTION in answer.text
        shown += await items_of(person, answer.ids)
        answer = await person.says("다른 거")
    assert shown
    for item in shown:
        assert item.spicy == 0
        assert item.price == 1
        assert "vegetarian" in item.diet
        assert "egg" not in (item.allergens or ())
        assert not [name for name in item.ingredients if "참깨" in name or "참기름" in name]


async def test_without_consent_answers_hold_in_this_talk_only(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "food", consent=False)
    await walk(person, *["#건너뛰기"] * 4, "#달걀", "#다음", "#건너뛰기", "#건너뛰기")
    assert KO.say("survey.this_talk") in person.last.text
    here = await person.says("점심 뭐 먹지")
    assert CAUTION in here.text
    assert all("egg" not in (item.allergens or ()) for item in await items_of(person, here.ids))
    person.chat = "elsewhere"
    assert CAUTION not in (await person.says("점심 뭐 먹지")).text
    assert "1/7" in (await person.commands("survey", "food")).text


async def test_consent_is_asked_once(someone: People) -> None:
    person = someone()
    await walk_survey_begin(person, "book", consent=False)
    assert (await person.commands("survey", "movie")).text.startswith("영화 취향 1/6")
    person.chat = "elsewhere"
    assert (await person.commands("survey", "food")).text.startswith("음식 취향 1/7")


@pytest.mark.parametrize("told", ["1번이랑 비슷한 거, 계란 알레르기 있어", "1번 별로야 계란 알레르기 있어"])
async def test_an_allergy_told_beside_something_else_is_kept(someone: People, told: str) -> None:
    """Only a plain wish kept it once: beside 비슷한 거 or 별로 it was heard and forgotten."""
    person = someone()
    await person.says("한식 추천해줘")
    await person.says(told)
    for text in ("점심 추천해줘", "다른 거", "다른 거"):
        await person.says(text)
        items = await items_of(person, person.last.ids)
        assert items
        assert all(item.allergens is not None and "egg" not in item.allergens for item in items)


async def test_an_allergy_told_in_talk_holds_for_the_talk(someone: People) -> None:
    person = someone()
    answers = [await person.says("계란 알레르기 있어. 저녁 뭐 먹지")]
    answers += [await person.says(words) for words in ("다른 거", "점심 뭐 먹지", "1번이랑 비슷한 거")]
    for answer in answers:
        assert CAUTION in answer.text
        assert answer.cards
        for item in await items_of(person, answer.ids):
            assert item.allergens is not None
            assert "egg" not in item.allergens
    assert CAUTION in (await person.says("1번 자세히")).text
    assert CAUTION not in (await person.says("웃긴 영화")).text
    person.chat = "elsewhere"
    assert CAUTION not in (await person.says("점심 뭐 먹지")).text


async def test_an_allergy_told_in_talk_is_kept_for_good_by_a_press(someone: People) -> None:
    person = someone()
    await person.says("땅콩이랑 키위 알레르기 있어. 저녁 뭐 먹지")
    assert (await person.taps(KO.say("button.remember_allergy"))).text == KO.say("chat.allergy_kept")
    person.chat = "elsewhere"
    answer = await person.says("점심 뭐 먹지")
    assert CAUTION in answer.text
    await person.presses("survey:food:allergies:ask")
    assert "✓ 땅콩, 키위" in person.last.text


async def test_without_consent_no_stored_answer_tells_mood_body_or_allergy(someone: People) -> None:
    person = someone()
    answer = await person.says("우울하고 속이 안 좋아. 새우 알레르기 있는데 저녁 뭐 먹지")
    async with person.stage.app.database.reading() as connection:
        stored = await exposures.get(connection, answer.exposure)
    assert stored is not None
    assert not {"text", "moods", "body", "allergens", "avoid"} & set(stored.body["request"])
    assert stored.body["request"]["domain"] == "food"
    assert stored.delivered_at is not None


async def test_the_language_follows_the_person(someone: People) -> None:
    person = someone()
    english = await person.says("a funny movie")
    assert any(words in english.text for words in EN.variants("intro.movie"))
    assert EN.say("button.more") in english.labels
    for item, card in zip(await items_of(person, english.ids), english.cards, strict=True):
        assert card.title == item.title_en
    assert (
        EN.say("why.lead", title=english.cards[1].title, fit=english.cards[1].fit)
        in (await person.says("why number 2?")).text
    )
    assert (await person.commands("help")).text == EN.say("help.text")
    korean = await person.says("웃긴 영화")
    assert KO.say("button.more") in korean.labels
    assert (await person.commands("help")).text == KO.say("help.text")


async def test_an_english_platform_is_greeted_in_english(someone: People) -> None:
    person = someone(locale="en-GB")
    assert (await person.commands("start")).text in EN.variants("start.hello")
    await person.commands("survey", "movie")
    assert person.last.text == EN.say("survey.consent")
    await person.taps(EN.say("button.consent_yes"))
    assert person.last.text.startswith("Movie taste 1/6")


@pytest.mark.parametrize(
    ("words", "key"),
    [("안녕", "small.greet"), ("고마워", "small.thanks"), ("누구야", "small.who"), ("그만", "small.stop"),
     ("도움말", "help.text"), ("ㅁㄴㅇㄹ", "chat.unclear"), ("저장한 거 보여줘", "saved.empty")],
)  # fmt: skip
async def test_small_talk_is_answered_as_such(someone: People, words: str, key: str) -> None:
    assert (await someone().says(words)).text in KO.variants(key)


async def test_start_begins_anew_but_forgets_no_allergy(someone: People) -> None:
    person = someone()
    await person.says("새우 알레르기 있어. 저녁 뭐 먹지")
    await person.commands("start")
    assert (await person.says("왜?")).text == KO.say("chat.nothing_yet")
    assert CAUTION in (await person.says("점심 뭐 먹지")).text
