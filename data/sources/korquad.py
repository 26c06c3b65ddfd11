"""Questions with their answers in a text, from files in the layout of SQuAD 1.1, such as KorQuAD 1.0.

Knows nothing of what the pairs are for. The texts stay as they are: an answer is found by its offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.item import BadRow, QuestionPair
from data.sources.files import EXCERPT
from data.sources.records import records
from data.sources.rows import damaged


def read(path: Path) -> Iterator[QuestionPair | BadRow]:
    """The questions of all articles in order; of several answers the first that stands where it says.

    A question, paragraph or article that is broken comes as a BadRow whose line is the number of the article.

    Raises:
        SourceError: the file cannot be read, or holds no list under "data".
    """
    for record in records(path, "data"):
        if isinstance(record, BadRow):
            yield record
            continue
        number, article = record
        for pair in _article(article):
            if isinstance(pair, QuestionPair):
                yield pair
            else:
                yield BadRow(path.name, number, pair[0], str(pair[1])[:EXCERPT])


def _article(article: object) -> Iterator[QuestionPair | tuple[str, object]]:
    match article:
        case {"title": str(title), "paragraphs": list(paragraphs)}:
            for place, paragraph in enumerate(paragraphs, 1):
                yield from _paragraph(title, place, paragraph)
        case _:
            yield "no article: it needs a title and paragraphs", article


def _paragraph(title: str, place: int, paragraph: object) -> Iterator[QuestionPair | tuple[str, object]]:
    match paragraph:
        case {"context": str(context), "qas": list(questions)} if not damaged(context):
            for asked in questions:
                yield _question(title, context, asked)
        case {"context": str(context), "qas": list()}:
            yield f"paragraph {place}: characters are lost (U+FFFD)", context
        case _:
            yield f"paragraph {place}: it needs a context and qas", paragraph


def _question(title: str, context: str, asked: object) -> QuestionPair | tuple[str, object]:
    match asked:
        case {"question": str(question), "answers": list(answers), **rest}:
            name = f"question {rest.get('id', '?')}"
        case _:
            return "no question: it needs a question and answers", asked
    if not question.strip() or damaged(question):
        return f"{name}: it is empty or has lost characters", asked
    if not answers:
        return f"{name}: it has no answer", asked
    for answer in answers:
        if (start := _start(context, answer)) is not None:
            return QuestionPair(context, question, answer["text"], start, title)
    return f"{name}: the answer does not stand where answer_start says", asked


def _start(context: str, answer: Any) -> int | None:
    match answer:
        case {"text": str(words), "answer_start": int(start)} if (
            words and start >= 0 and not isinstance(start, bool) and context.startswith(words, start)
        ):
            return start
    return None
