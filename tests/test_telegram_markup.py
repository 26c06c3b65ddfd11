"""How replies look in Telegram: read back as Telegram reads them, nothing lost, nothing that it refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from bot.telegram.markup import (
    LINK_BYTES,
    MESSAGE_UNITS,
    OPTION_UNITS,
    Part,
    address,
    ballot,
    clean,
    line,
    preview,
    render,
    shortened,
    units,
)
from handlers.turn import Card, Poll, Reply
from tests import botmarks

FAMILY = "👨‍👩‍👧‍👦"
NASTY = ["<b>", "</i>", "&", "&amp;", "&#38;", '"', "'", "<a href=x>", FAMILY, "🇰🇷", "e\u0301\u0323", "각\u11ab",
         "שלום", "\u202eabc", "\u2067مرحبا\u2069", "\x00", "\x1b[31m", "\ud83d", "\r\n", "\n\n", "\u2028", "\ufeff", " ",
         "…", "다. ", "\u3164", "\u200b", "https://kakao.com/검색?q=1&r=<2>", "@bot", "/start", "\U000e0001"]  # fmt: skip

UNSEEN = re.compile(
    r"[\s\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff9-\ufffc\U000e0000-\U000e0fff]"
)

words = st.one_of(st.sampled_from(NASTY), st.text(max_size=6))
texts = st.builds(
    lambda pieces, times: "".join(pieces) * times,
    st.lists(words, max_size=6),
    st.sampled_from([1, 1, 1, 30, 400]),
)
cards = st.builds(
    Card,
    id=st.just("x"),
    domain=st.sampled_from(["book", "movie", "food", "game"]),
    title=texts,
    fit=st.integers(0, 10),
    reason=texts,
    benefit=texts,
    facts=st.lists(st.text(max_size=30), max_size=4).map(tuple),
    url=st.none() | texts | st.just("https://map.kakao.com/link/search/김치찌개 <1>&\"x\"'y'"),
    cover=st.none() | texts,
)
replies = st.builds(Reply, text=texts, cards=st.lists(cards, max_size=4).map(tuple))


def shown(part: Part) -> tuple[str, list[dict[str, Any]]]:
    return botmarks.read(part.html, "HTML", [])


def marked(part: Part, kind: str) -> list[str]:
    text, entities = shown(part)
    return [botmarks.cut(text, e["offset"], e["length"]) for e in entities if e["type"] == kind]


def visible(text: str) -> str:
    """What is seen of a text: where a message holds nothing else, it is not sent."""
    return "".join(char for char in text if char.isprintable() and not UNSEEN.match(char))


def pieces(text: str) -> list[str]:
    return [part.plain for part in render(Reply(text=text))]


def a_card(place: int = 1, **more: Any) -> Card:
    card = Card(
        f"movie:{place}", "movie", f"제목 {place}", 8, "따뜻해서 골랐어요.", "기운이 나요.", ("2008", "98분")
    )
    return replace(card, **more)


@settings(max_examples=60, deadline=None)
@given(replies)
@example(Reply(text="<b>" * 3000, cards=(a_card(title="&" * 5000),)))
@example(Reply(text=FAMILY * 2000))
@example(Reply(text="a" + "\u0301" * 9000))
@example(Reply(text="\u200b" * 9000 + "가" + " " * 9000 + "나"))
def test_every_part_is_taken_and_reads_as_its_plain_text(reply: Reply) -> None:
    """Keeps away a refused message: tags cut in two, 4,097 units, half an emoji, a text that shows nothing."""
    for part in render(reply):
        text, _ = shown(part)
        assert text == part.plain
        assert text == text.strip() != ""
        assert units(text) == botmarks.units(text) <= MESSAGE_UNITS
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e]", text)


@settings(max_examples=60, deadline=None)
@given(replies)
def test_nothing_is_lost_or_said_twice(reply: Reply) -> None:
    """Keeps away a split that drops a line or repeats one: everything stands there once and in order."""
    told = [reply.text]
    for place, card in enumerate(reply.cards, 1):
        number = f"{place}." if len(reply.cards) > 1 else ""
        icon = {"book": "📖", "movie": "🎬", "food": "🍚"}.get(card.domain, "✨")
        fit = f"⭐{card.fit}/10" if card.fit else ""
        heart = "💚" if clean(card.benefit).strip() else ""
        facts = "·".join(fact for fact in card.facts if clean(fact).strip())
        told.append(f"{number}{icon}{card.title}{fit}{facts}{card.reason}{heart}{card.benefit}")
    said = "".join(part.plain for part in render(reply))
    assert visible(said) == visible("".join(clean(text) for text in told))


@pytest.mark.parametrize("reply", [Reply(), Reply(text=" \n\t"), Reply(text="\u200b\u3164\x00\ud800\u2060")])
def test_a_reply_that_shows_nothing_is_no_message(reply: Reply) -> None:
    """Keeps away "message text is empty"."""
    assert render(reply) == ()


def test_a_card_alone() -> None:
    (part,) = render(Reply(cards=(a_card(url="https://x.kr/1?a=1&b=2"),)))
    assert part.plain == "🎬 제목 1  ⭐ 8/10\n2008 · 98분\n따뜻해서 골랐어요.\n💚 기운이 나요."
    assert marked(part, "bold") == marked(part, "text_link") == ["제목 1"]
    assert marked(part, "italic") == ["2008 · 98분"]
    assert marked(part, "blockquote") == ["따뜻해서 골랐어요.\n💚 기운이 나요."]
    assert [e["url"] for e in shown(part)[1] if e["type"] == "text_link"] == ["https://x.kr/1?a=1&b=2"]


def test_what_tells_more_of_a_card_stands_below_it() -> None:
    """The plot of a film stood over its title."""
    (part,) = render(
        Reply("연쇄 살인을 쫓아요.", (Card("x", "movie", "살인의 추억", 0, "", ""),), cards_first=True)
    )
    assert part.plain == "🎬 살인의 추억\n\n연쇄 살인을 쫓아요."


def test_cards_are_numbered_where_there_are_several() -> None:
    (part,) = render(Reply(text="골라 봤어요.", cards=(a_card(1), a_card(2, fit=0, facts=(), benefit=""))))
    assert part.plain.startswith("골라 봤어요.\n\n1. 🎬 제목 1  ⭐ 8/10\n")
    assert part.plain.endswith("\n\n2. 🎬 제목 2\n따뜻해서 골랐어요.")


def test_what_people_and_items_are_called_is_no_markup() -> None:
    """Keeps away a title that makes the rest bold, or the whole message refused."""
    nasty = "</b><a href='tg://user?id=1'>&lt;i> & \"x\""
    (part,) = render(
        Reply(text=nasty, cards=(a_card(title=nasty, facts=(nasty,), reason=nasty, benefit=nasty),))
    )
    assert shown(part)[0].count(nasty) == 5
    assert marked(part, "bold") == [nasty]
    assert not marked(part, "text_mention")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "tg://user?id=1", "http://localhost/x", "https://", "http://[x",
                                 "https://me@evil.kr", "https://x.kr:99999", "https://x.kr/" + "a" * 2000, "//x.kr",
                                 "https://x y.kr", "https://x..kr", ""])  # fmt: skip
def test_what_is_no_web_address_is_no_link(url: str) -> None:
    """Keeps away a link that Telegram refuses, and with it the message, and one that opens what is no page."""
    assert address(url) is None
    (part,) = render(Reply(cards=(a_card(url=url, cover=url),)))
    assert not marked(part, "text_link")
    assert preview(Reply(cards=(a_card(cover=url),))) is None


def test_an_address_is_quoted_but_for_its_marks() -> None:
    assert address("https://x.kr/김치 찌개?a=%20&b=[1]#c") == (
        "https://x.kr/%EA%B9%80%EC%B9%98%20%EC%B0%8C%EA%B0%9C?a=%20&b=[1]#c"
    )
    assert address("HTTP://한글.kr:8080") == "http://한글.kr:8080"
    assert address("http://[::1]/a") == "http://[::1]/a"


def test_an_address_in_a_text_shows_its_letters() -> None:
    """Keeps away three lines of %EB%B0%94 where a dish is looked up; what is no letter stays quoted."""
    (part,) = render(Reply(text="찾기: https://x.kr/%EB%B0%A5%20%2F%E2%80%AE?q=%EA%B5%AD%20%FF 100%EB%B0%A5"))
    assert part.plain == "찾기: https://x.kr/밥%20%2F%E2%80%AE?q=국%20%FF 100%EB%B0%A5"
    assert marked(part, "url") == ["https://x.kr/밥%20%2F%E2%80%AE?q=국%20%FF"]


def test_the_first_cover_is_shown() -> None:
    cards = (a_card(1), a_card(2, cover="data:image/png;base64,x"), a_card(3, cover="https://x.kr/3.jpg"))
    assert preview(Reply(cards=(*cards, a_card(4, cover="https://x.kr/4.jpg")))) == "https://x.kr/3.jpg"
    assert preview(Reply(text="https://x.kr/5.jpg")) is None


def test_a_long_answer_is_cut_between_cards() -> None:
    """Keeps away a card whose title stands in one message and whose reason in the next."""
    parts = render(
        Reply(text="마흔 개예요.", cards=tuple(a_card(n, reason="나" * 400) for n in range(1, 41)))
    )
    titles = [title for part in parts for title in marked(part, "bold")]
    assert titles == [f"제목 {n}" for n in range(1, 41)]
    assert all(part.plain.endswith("기운이 나요.") for part in parts)
    assert all(re.match(r"\d+\. 🎬 ", part.plain) for part in parts[1:])
    assert len(parts) == 5


def test_marks_and_links_stay_below_what_a_message_carries() -> None:
    """Keeps away cards that are plain after the hundredth entity, and ENTITIES_TOO_LONG."""
    url = "https://x.kr/" + "가" * 150
    many = tuple(a_card(n, reason="", benefit="") for n in range(1, 101))
    linked = tuple(a_card(n, url=url) for n in range(1, 21))
    for reply in (Reply(cards=many), Reply(cards=linked)):
        for part in render(reply):
            entities = shown(part)[1]
            assert len(entities) <= 100
            assert sum(len(e.get("url", "")) for e in entities) <= LINK_BYTES
    assert sum(len(marked(part, "text_link")) for part in render(Reply(cards=linked))) == 20


@pytest.mark.parametrize(
    ("unit", "between"),
    [("문단 하나. 더.", "\n\n"), ("한 줄. 더.", "\n"), ("한 문장이에요.", " "), ("낱말", " ")],
)
def test_a_long_text_is_cut_at_its_breaks(unit: str, between: str) -> None:
    """Keeps away cutting a sentence where a paragraph ended just before."""
    text = between.join([unit] * 2000)
    parts = pieces(text)
    assert all(part.startswith(unit) and part.endswith(unit) for part in parts)
    assert between.join(parts) == text
    assert all(units(part) > MESSAGE_UNITS // 2 for part in parts[:-1])


def test_the_greater_break_is_taken_where_it_fills_half_a_message() -> None:
    first, second = "가" * 2500, "나 " * 2000
    assert pieces(f"{first}\n\n{second}")[0] == first
    assert pieces(f"짧아요.\n\n{second}")[0].startswith("짧아요.\n\n나 나")


@pytest.mark.parametrize("one", ["가", "😀", FAMILY, "🇰🇷", "e\u0301\u0323", "&", "각\u11ab", "👍🏽"])
def test_ten_thousand_characters_without_a_blank_are_cut_between_characters(one: str) -> None:
    """Keeps away half a family, half a flag, an accent alone and an entity in two."""
    text = one * 10_000
    parts = pieces(text)
    assert "".join(parts) == text
    assert all(set(iter_graphemes(part)) == {one} for part in parts)
    assert all(units(part) > MESSAGE_UNITS - units(one) for part in parts[:-1])


def test_an_accent_on_a_blank_stays_there() -> None:
    """Keeps away a message that begins with an accent of the one before."""
    parts = pieces("가" * 3000 + " " + "나" * 500 + " \u0301" + "다" * 3000)
    assert [part[0] for part in parts] == ["가", "나"]


def test_what_is_one_character_longer_than_a_message_is_cut_all_the_same() -> None:
    text = "a" + "\u0301" * 9000
    assert "".join(pieces(text)) == text


def test_a_link_that_is_cut_goes_on_in_the_next_part() -> None:
    """Keeps away an unclosed tag at the end of a part."""
    parts = render(Reply(cards=(a_card(title="제목" * 3000, url="https://x.kr"),)))
    assert [len(marked(part, "text_link")) for part in parts] == [1, 1]
    assert "".join(marked(part, "bold")[0] for part in parts) == "제목" * 3000


@given(st.text(max_size=50), st.integers(0, 30))
@example("가" * 30 + FAMILY, 30)
@example(FAMILY * 3, 3)
@example("a" * 29 + "😀😀", 30)
@settings(max_examples=100, deadline=None)
def test_a_shortened_text_keeps_its_limit_and_its_beginning(text: str, limit: int) -> None:
    """Keeps away an alert, a label or an option that Telegram refuses for its length."""
    short, whole = shortened(text, limit), clean(text).strip()
    assert units(short) <= limit
    assert short == whole if units(whole) <= limit else whole.startswith(short.removesuffix("…"))
    assert "\n" not in line(text, limit)


def test_shortening_does_not_cut_characters() -> None:
    assert shortened("가" * 10, 5) == "가가가가…"
    assert shortened(f"a{FAMILY}b", 8) == "a…"
    assert shortened("가나 다라", 4) == "가나…"


def test_a_ballot_is_what_telegram_takes() -> None:
    """Keeps away a poll refused for an empty, doubled or long option, and votes that count for another option."""
    question, options = ballot(
        Poll("뭐\n먹지?" + "가" * 400, ("", "김치찌개", "김치찌개", "나" * 200, "나" * 200))
    )
    assert units(question) == 300
    assert question.startswith("뭐 먹지?")
    assert options[:3] == ("1.", "김치찌개", "김치찌개 (3)")
    assert all(units(option) <= OPTION_UNITS for option in options)
    assert len(set(options)) == 5
    assert ballot(Poll("", ("하나",))) == ("?", ("하나",))
    assert len(ballot(Poll("?", tuple(str(n) for n in range(20))))[1]) == 12
