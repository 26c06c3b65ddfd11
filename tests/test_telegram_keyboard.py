"""Buttons in Telegram: what they mean comes back as it was, a forgery does not, and a phone shows their labels."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.telegram.keyboard import DATA_BYTES, Button, Key, Keyboard, Seals, keyboard
from bot.telegram.markup import units
from handlers.recommend import feedback_choices
from handlers.turn import Choice
from storage import buttons
from storage.database import Database

TOKEN = "7000000001:AAtests-own-token-of-thirty-five-chars"
SEALS = Seals.of_token(TOKEN)
LONG = "survey:food:allergies:pick:other.땅콩버터를 바른 식빵과 우유"


def shown(*choices: Choice) -> Keyboard:
    return keyboard(choices, SEALS, "oneulmwo_bot")


def labels(made: Keyboard) -> list[list[str]]:
    return [[button.label for button in row] for row in made.rows]


@given(st.text(max_size=80))
@example("")
@example("#")
@example("가" * 18)
@example("가" * 19)
@example("a" * 56)
@example("a" * 57)
@example(LONG)
@settings(max_examples=200, deadline=None)
def test_a_seal_opens_to_what_was_sealed(data: str) -> None:
    """Keeps away BUTTON_DATA_INVALID for Hangul, three bytes each, and a button that means another."""
    callback_data, kept = SEALS.seal(data)
    assert 1 <= len(callback_data.encode()) <= DATA_BYTES
    opened = Seals.of_token(TOKEN).open(callback_data)
    if kept is None:
        assert opened == data
    else:
        assert kept[1] == data
        assert opened == Key(kept[0])
    assert SEALS.seal(data) == (callback_data, kept)


@given(st.text(max_size=70))
@example("\ud800" * 8 + "more")
@example("가나다라마바사아")
@example("#")
@settings(max_examples=200, deadline=None)
def test_what_was_never_sealed_opens_to_nothing(forged: str) -> None:
    """Keeps away a client that makes up buttons, and an exception for what it sends."""
    assert SEALS.open(forged) is None


@given(st.sampled_from(["fb:like:0123456789ab:1", LONG]), st.integers(0, 63), st.characters())
@settings(max_examples=200, deadline=None)
def test_changed_and_cut_data_opens_to_nothing(data: str, at: int, char: str) -> None:
    """Keeps away a "like" that was pressed as another's "forget me"."""
    callback_data, _ = SEALS.seal(data)
    at %= len(callback_data)
    changed = callback_data[:at] + char + callback_data[at + 1 :]
    assert changed == callback_data or SEALS.open(changed) is None
    assert SEALS.open(callback_data[:at]) is None
    assert SEALS.open(callback_data + char) is None


@pytest.mark.parametrize("data", ["more:0123456789ab", LONG])
def test_another_bots_buttons_open_to_nothing(data: str) -> None:
    other = Seals.of_token("7000000002:BBtests-own-token-of-thirty-five-chars")
    assert other.open(SEALS.seal(data)[0]) is None
    assert other.seal(data) != SEALS.seal(data)


def test_a_key_does_not_pass_for_a_meaning() -> None:
    """Keeps away data that begins as stored keys do and is looked up in their place, and the other way round."""
    callback_data, kept = SEALS.seal(LONG)
    assert kept is not None
    assert SEALS.open(SEALS.seal(f"#{kept[0]}")[0]) == f"#{kept[0]}"
    assert SEALS.open(callback_data.replace("#", "")) is None
    tag = SEALS.seal(kept[0])[0][:8]
    assert SEALS.open(f"{tag}#{kept[0]}") is None


def test_half_a_character_does_not_stop_a_keyboard() -> None:
    assert SEALS.open(SEALS.seal("a\ud83db")[0]) == "a?b"


async def test_a_long_meaning_is_found_after_a_restart(database: Database) -> None:
    """Keeps away buttons of long data that are dead once the process that showed them has ended."""
    made = shown(Choice("땅콩버터", LONG), Choice("우유", f"{LONG} 2"), Choice("땅콩버터", LONG))
    assert len(made.kept) == 2
    for _ in range(2):  # the same keyboard is shown again
        async with database.writing() as connection:
            await buttons.keep(connection, made.kept)
    opened = Seals.of_token(TOKEN).open(made.rows[0][0].callback_data)
    assert isinstance(opened, Key)
    async with database.reading() as connection:
        assert await buttons.meaning(connection, opened.key) == LONG
        assert await buttons.meaning(connection, "x") is None
    async with database.writing() as connection:
        await buttons.keep(connection, {})


def test_rows_are_those_of_the_handlers_in_their_order() -> None:
    """Keeps away feedback of the second card that stands above that of the first."""
    first, second = (feedback_choices("0123456789ab", place, 5 + place, place) for place in (1, 2))
    made = shown(Choice("자세히", "item:1", 1), Choice("다른 거", "more", 2), *first, *second)
    assert labels(made) == [
        ["자세히"],
        ["다른 거"],
        ["1 👍", "1 👎", "1 👀", "1 🔖", "1 🚫"],
        ["2 👍", "2 👎", "2 👀", "2 🔖", "2 🚫"],
    ]
    assert [SEALS.open(button.callback_data) for button in made.rows[2]] == [each.data for each in first]
    assert not made.kept


@pytest.mark.parametrize(("count", "sizes"), [(8, [8]), (9, [5, 4]), (17, [6, 6, 5]), (25, [7, 6, 6, 6])])
def test_a_wide_row_is_broken_evenly(count: int, sizes: list[int]) -> None:
    """Keeps away a ninth button, which Telegram puts alone below eight others."""
    assert [len(row) for row in shown(*(Choice("가", str(n)) for n in range(count))).rows] == sizes


def test_a_row_has_as_many_buttons_as_a_phone_has_room_for_their_labels() -> None:
    """Keeps away three questions side by side of which a phone shows "혼자만…"."""
    followups = ("한국 작품 중에는?", "혼자만의 시간에 어울리는 건?", "더 빠져드는 건?")
    assert [len(row) for row in shown(*(Choice(label, label) for label in followups)).rows] == [1, 1, 1]
    assert [
        len(row) for row in shown(*(Choice(label, label) for label in ("← 이전", "건너뛰기", "나중에"))).rows
    ] == [3]
    assert [
        len(row)
        for row in shown(*(Choice(label, label) for label in ("알레르기 바꾸기", "내 취향 보기"))).rows
    ] == [2]


def test_a_hundred_buttons_at_most_and_no_half_row() -> None:
    """Keeps away "reply markup is too long"."""
    made = shown(*(Choice(f"{row} 👍", f"{row}:{n}", row) for row in range(40) for n in range(3)))
    assert len(made.rows) == 33
    assert {len(row) for row in made.rows} == {3}


def test_labels_are_one_line_of_64_units() -> None:
    """Keeps away a title as a label that Telegram refuses or breaks."""
    made = shown(
        Choice("가" * 200, "a"),
        Choice("두\n줄\x00이에요", "b", 1),
        Choice(" \u200b", "c", 2),
        Choice("", "d", 3),
    )
    assert [units(row[0].label) for row in made.rows] == [64, 6]
    assert made.rows[1][0].label == "두 줄이에요"


def test_links_and_deep_links() -> None:
    (row,) = shown(Choice("지도", url="https://map.kakao.com/?q=국밥"), Choice("참여", start="join-1_a")).rows
    assert row == (
        Button("지도", url="https://map.kakao.com/?q=%EA%B5%AD%EB%B0%A5"),
        Button("참여", url="https://t.me/oneulmwo_bot?start=join-1_a"),
    )


@pytest.mark.parametrize(
    "choice",
    [
        Choice("x", "data", url="javascript:alert(1)"),
        Choice("x", url="tg://resolve?domain=x"),
        Choice("x", url="http://localhost"),
        Choice("x", start="a b"),
        Choice("x", start="가"),
        Choice("x", start="a" * 65),
        Choice("x", start="a\n"),
        Choice("x", start="a&startgroup=b"),
    ],
)
def test_a_button_that_would_have_its_message_refused_is_left_out(choice: Choice) -> None:
    assert shown(choice, Choice("다른 거", "more", 1)).rows == ((Button("다른 거", SEALS.seal("more")[0]),),)
    assert shown(choice).rows == ()
