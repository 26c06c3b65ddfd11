"""Questions about texts: each answer is proved to stand where the file says, and what is broken is told."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import BadRow, QuestionPair
from data.sources.files import SourceError
from data.sources.korquad import read
from tests.shared import shared_data

CONTEXT = "1989년 2월 15일 여의도 농민 폭력 시위를 주도한 혐의로 지명수배되었다."


def asked(
    text: object = "여의도", start: object = 13, question: object = "어디인가?", **more: object
) -> dict[str, Any]:
    return {"id": "1-0", "question": question, "answers": [{"text": text, "answer_start": start}], **more}


def file_of(path: Path, *questions: object, context: object = CONTEXT) -> Path:
    data = [{"title": "임종석", "paragraphs": [{"context": context, "qas": list(questions)}]}]
    path.write_text(
        json.dumps({"version": "KorQuAD_v1.0_dev", "data": data}, ensure_ascii=False), encoding="utf-8"
    )
    return path


def test_korquad_is_read_whole() -> None:
    found = list(read(shared_data("korquad-1.0") / "KorQuAD_v1.0_dev.json"))
    pairs = [pair for pair in found if isinstance(pair, QuestionPair)]
    assert (len(pairs), len(found)) == (5774, 5774)
    assert len({pair.title for pair in pairs}) == 140
    assert len({pair.context for pair in pairs}) == 960
    assert all(pair.context[pair.start :].startswith(pair.answer) for pair in pairs)
    first = pairs[0]
    assert (first.answer, first.start, first.title) == ("1989년 2월 15일", 0, "임종석")
    assert first.question == "임종석이 여의도 농민 폭력 시위를 주도한 혐의로 지명수배 된 날은?"


def test_the_first_answer_that_stands_where_it_says_is_taken(tmp_path: Path) -> None:
    """SQuAD's dev file has three answers a question, and copies of it offsets that slipped."""
    answers = [{"text": "여의도", "answer_start": 12}, {"text": "농민", "answer_start": 17}]
    (pair,) = read(file_of(tmp_path / "q.json", {"question": "누구?", "answers": answers}))
    assert pair == QuestionPair(CONTEXT, "누구?", "농민", 17, "임종석")
    with pytest.raises(AttributeError):
        pair.start = 0  # type: ignore[misc]


def test_broken_questions_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    questions: list[Any] = [
        asked(start=12), asked(start=-3), asked(start="13"), asked(start=True), asked(start=10**30), asked(text=""),
        asked(question=" "), asked(question="어\ufffd디"), {"question": "왜?", "answers": []}, {"question": "왜?"},
        "질문", asked(answers=[None]), asked(),
    ]  # fmt: skip
    *bad, last = read(file_of(tmp_path / "q.json", *questions))
    assert isinstance(last, QuestionPair)
    whys = Counter(row.why.split(": ")[-1] for row in bad if isinstance(row, BadRow))
    assert whys == {
        "the answer does not stand where answer_start says": 7,
        "it is empty or has lost characters": 2,
        "it has no answer": 1,
        "it needs a question and answers": 2,
    }
    assert all(isinstance(row, BadRow) and row.line == 1 for row in bad)


def test_broken_paragraphs_and_articles_are_told(tmp_path: Path) -> None:
    file = tmp_path / "q.json"
    whole = {"title": "가", "paragraphs": [{"context": CONTEXT, "qas": [asked()]}]}
    lost = {"title": "가", "paragraphs": [{"context": "깨\ufffd\ufffd진", "qas": [asked()]}, {"qas": []}]}
    file.write_text(json.dumps({"data": [{"title": "가"}, 5, lost, whole]}), encoding="utf-8")
    found = list(read(file))
    assert isinstance(found[-1], QuestionPair)
    assert [(row.line, row.why) for row in found if isinstance(row, BadRow)] == [
        (1, "no article: it needs a title and paragraphs"),
        (2, "no article: it needs a title and paragraphs"),
        (3, "paragraph 1: characters are lost (U+FFFD)"),
        (3, "paragraph 2: it needs a context and qas"),
    ]


def test_a_file_that_breaks_off_gives_what_it_holds(tmp_path: Path) -> None:
    file = file_of(tmp_path / "q.json", asked())
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole[:-2] + ', {"title": "나', encoding="utf-8")
    first, second = read(file)
    assert isinstance(first, QuestionPair)
    assert isinstance(second, BadRow)
    assert second.line == 2


def test_what_is_no_such_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "q.json"
    file.write_text('{"version": "1"}')
    with pytest.raises(SourceError, match='none under "data"'):
        list(read(file))
    file.write_bytes(CONTEXT.encode("cp949"))
    with pytest.raises(SourceError, match="is not text in utf-8"):
        list(read(file))
    with pytest.raises(SourceError, match="is a folder"):
        list(read(tmp_path))
    file.write_text("version https://git-lfs.github.com/spec/v1\nsize 3\n")
    with pytest.raises(SourceError, match="git lfs pull"):
        list(read(file))


@given(st.text(st.characters(exclude_characters="\ufffd", exclude_categories=["Cs"]), min_size=1), st.data())
def test_any_part_of_any_text_is_found_by_its_offset(
    tmp_path_factory: pytest.TempPathFactory, context: str, data: st.DataObject
) -> None:
    """Offsets count characters, not bytes or UTF-16 units."""
    start = data.draw(st.integers(0, len(context) - 1))
    answer = context[start : data.draw(st.integers(start + 1, len(context)))]
    (pair,) = read(file_of(tmp_path_factory.mktemp("q") / "q.json", asked(answer, start), context=context))
    assert pair == QuestionPair(context, "어디인가?", answer, start, "임종석")
