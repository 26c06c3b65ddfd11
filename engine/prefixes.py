"""What embedding models were trained to read before a text: one thing before a question, another before a passage.

A server passes texts on as they come; without its prefix such a model finds worse, and nothing tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TASK: Final = "Instruct: Given a wish, find books, films or dishes that fulfil it\nQuery:"


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What stands before a question and before a passage."""

    query: str = ""
    passage: str = ""


_OF: Final = tuple(
    (re.compile(name), Prefixes(query, passage))
    for name, query, passage in (
        (r"qwen3-embedding", _TASK, ""),
        (r"\be5\b.*instruct|\be5-mistral", f"{_TASK} ", ""),
        (r"\b(ko)?e5\b", "query: ", "passage: "),
        (r"arctic-embed.*v2", "query: ", ""),
        (r"nomic-embed", "search_query: ", "search_document: "),
        (r"embedding-?gemma", "task: search result | query: ", "title: none | text: "),
    )
)
"""By the names that their makers gave them; bge-m3, KURE and most others take texts as they are."""


def of(model: str) -> Prefixes:
    """The prefixes of a model by its name, none for one that is not known to need any."""
    low = model.lower().replace("_", "-")
    return next((prefixes for name, prefixes in _OF if name.search(low)), Prefixes())
