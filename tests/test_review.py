"""Replies in labelled lines, as models write them and as they come."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prompts import review_target
from engine.review import LONGEST, Labelled, Review, read

WHOLE = Review("비 오는 밤에 어울려요. 조용해요.", "마음이 놓여요.", 8, "조용한 게 좋으세요?")
PARTS = {"reason": WHOLE.reason, "benefit": WHOLE.benefit, "fit": 8, "question": WHOLE.question}


@pytest.mark.parametrize("language", ["ko", "en"])
def test_what_is_written_to_learn_from_is_read_back(language: str) -> None:
    written = review_target(PARTS, "en" if language == "en" else "ko", "full")
    assert read(written) == WHOLE
    assert read(review_target(PARTS, "ko")) == Review(WHOLE.reason, WHOLE.benefit)


@pytest.mark.parametrize(
    "text",
    ["이유: 비 오는 밤에 어울려요. 조용해요.\n도움: 마음이 놓여요.\n점수: 8\n질문: 조용한 게 좋으세요?",
     "**추천 이유:** 비 오는 밤에 어울려요. 조용해요.\n\n**도움**: 마음이 놓여요.\n- 점수: 8/10\n- 확인 질문： 조용한 게 좋으세요?\n",
     "1. 이유: 비 오는 밤에 어울려요.\n조용해요.\n2. 도움: 마음이 놓여요.\n3. 점수: 10점 만점에 8점\n4. 질문: 조용한 게 좋으세요?",
     "이유: 비 오는 밤에 어울려요. 조용해요. 도움: 마음이 놓여요. 점수: 8점 질문: x\n질문: 조용한 게 좋으세요?",
     "비 오는 밤에 어울려요. 조용해요.\nBenefit: 마음이 놓여요.\nSCORE: 8 out of 10\nQuestion: 조용한 게 좋으세요?",
     "점수: 8\n질문: 조용한 게 좋으세요?\n도움: 마음이 놓여요.\n이유: 비 오는 밤에 어울려요. 조용해요.",
     "## 이유: 비 오는 밤에 어울려요. 조용해요.\n도움: 마음이 놓여요.\n점수: 8\n질문: 조용한 게 좋으세요?\n이유: 다시\n도움: 또"],
)  # fmt: skip
def test_mistakes_of_form_are_borne(text: str) -> None:
    assert read(text) == WHOLE


@pytest.mark.parametrize(
    ("said", "fit"),
    [("8", 8), ("8/10", 8), ("8점", 8), ("10", 10), ("10점 만점에 7점", 7), ("7.6", 8), ("아마 9 정도", 9), ("0", None),
     ("11", None), ("-", None), ("팔", None), ("9" * 400, None), ("", None)],
)  # fmt: skip
def test_a_fit_is_one_to_ten_or_none(said: str, fit: int | None) -> None:
    assert read(f"이유: 좋아요.\n점수: {said}").fit == fit


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", ""), ("이유:", ""), ("이유: ", ""), ("좋아요", "좋아요"), ("그 이유가 있어요.", "그 이유가 있어요."),
     ("이유는 간단해요.", "이유는 간단해요."), ("왜 이유: 그냥요", "왜 이유: 그냥요"), (": 좋아요", ": 좋아요")],
)  # fmt: skip
def test_what_is_no_label_is_text(text: str, reason: str) -> None:
    assert read(text) == Review(reason)


def test_words_are_shown_as_soon_as_they_can_be_no_label() -> None:
    reader = Labelled()
    assert reader.feed("이") == []
    assert reader.feed("유:") == []
    assert reader.feed(" 비 오는") == [("reason", "비 오는")]
    assert reader.feed(" 밤에 어울려요. ") == [("reason", " 밤에 어울려요. ")]
    assert reader.feed("도") == []
    assert reader.feed("시의 밤이에요.\n") == [("reason", "도시의 밤이에요.\n")]
    assert reader.feed("도움: 놓여요") == [("benefit", "놓여요")]
    assert reader.end() == []


def test_what_was_kept_back_is_told_at_the_end() -> None:
    reader = Labelled()
    assert reader.feed("도움") == []
    assert reader.end() == [("reason", "도움")]


def test_a_model_that_writes_on_and_on_is_not_followed() -> None:
    reader = Labelled()
    for _ in range(50):
        reader.feed("이유: " + "가" * 500)
    assert len(reader.review.reason) <= LONGEST


PIECES = st.lists(
    st.sampled_from(["이유", "도움", "점수", "질문", ":", "：", " ", "\n", "**", "- ", "좋아요", ".", "8", "/10", "추천 ", "!", "Why", "도", "1", "2)", "_", "#", "이", "\t", "”"]),
    max_size=20,
)  # fmt: skip


@settings(max_examples=200)
@given(PIECES)
def test_how_it_was_cut_into_pieces_does_not_matter(pieces: list[str]) -> None:
    """Keeps away a reason that reads otherwise when the network is slow."""
    reader, told = Labelled(), dict[str, str]()
    for piece in pieces:
        for part, text in reader.feed(piece):
            told[part] = told.get(part, "") + text
    for part, text in reader.end():
        told[part] = told.get(part, "") + text
    assert reader.review == read("".join(pieces))
    assert " ".join(told.get("reason", "").split()) == reader.review.reason


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    found = read(text)
    assert found.fit is None or 1 <= found.fit <= 10
