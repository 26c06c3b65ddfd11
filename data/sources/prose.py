"""Texts of others made plain: markup and entities resolved, one line, and cut where a sentence ends.

Knows no data set and no field; it trusts no text to be well-formed.
"""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from typing import Final

SUMMARY: Final = 600
"""Characters of a summary."""
LOST: Final = "\ufffd"
"""What stands where somebody's program lost a letter."""
_LONGEST: Final = 20_000
_OPEN_TAG: Final = re.compile(r"<(?!!--|[^<>]*>)")
"""A bracket that begins no tag: a parser would look for its end again and again."""
_TAGS: Final = {
    "a", "abbr", "article", "b", "big", "blockquote", "body", "br", "center", "col", "colgroup", "dd",
    "div", "dl", "dt", "em", "embed", "figure", "font", "footer", "form", "h1", "h2", "h3", "h4", "h5",
    "h6", "head", "header", "hr", "html", "i", "iframe", "img", "input", "ins", "li", "link", "meta", "nav",
    "o:p", "object", "ol", "p", "param", "pre", "s", "script", "section", "small", "span", "strike",
    "strong", "style", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "xml",
}  # fmt: skip
_INLINE: Final = {
    "a", "abbr", "b", "big", "em", "font", "i", "ins", "s", "small", "span", "strike", "strong", "sub",
    "sup", "u",
}  # fmt: skip
_END: Final = re.compile(
    r"""(?<!\b[A-Z])(?<!\bMr|\bMs|\bDr|\bSt|\bJr|\bvs)(?<!\bMrs)[.!?…。]["'”’」』》)\]]*(?=\s|$)"""
)
_BLANKS: Final = re.compile(r"\s+")


class _Text(HTMLParser):
    """Collects the text of markup; a tag that HTML does not have, like <지방의 누명> or <SLAM DUNK>, is text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.parts.append(self.get_starttag_text() or "")
        elif tag not in _INLINE:
            self.parts.append(" ")
        self._hidden = tag in {"script", "style"}

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._hidden = False

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False
        if tag not in _TAGS:
            self.parts.append(f"</{tag}>")
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def line(text: str) -> str:
    """NFC on one line, blanks of every kind single, without control and format characters."""
    blank = unicodedata.normalize("NFC", _BLANKS.sub(" ", text))
    if not blank.isprintable():
        blank = "".join(char for char in blank if unicodedata.category(char) not in {"Cc", "Cf"})
    return _BLANKS.sub(" ", blank).strip()


def plain(markup: str) -> str:
    """The text of HTML on one line. Markup that was escaped, once or twice, is markup; angle brackets around
    words are not."""
    text = markup[:_LONGEST]
    for _ in range(3):
        if "<" not in text and "&" not in text:
            break
        parser = _Text()
        parser.feed(_OPEN_TAG.sub("&lt;", text))
        parser.close()
        before, text = text, "".join(parser.parts)
        if text == before:
            break
    return line(text)


def summary(text: str, limit: int = SUMMARY) -> str | None:
    """A plain text cut at the last sentence end within `limit` characters; where there is none, at a blank with an
    ellipsis. None for an empty text and one in which letters were lost."""
    whole = line(text)
    if not whole or LOST in whole:
        return None
    if len(whole) <= limit:
        return whole
    ends = [match.end() for match in _END.finditer(whole, 0, limit + 1) if match.end() <= limit]
    if ends:
        return whole[: ends[-1]]
    head = whole[:limit].rpartition(" ")[0].rstrip(" ,;:")
    return f"{head or whole[: limit - 1]}…"


def finished(text: str) -> str:
    """A text without the sentence that a trailing "..." broke off; as it is where nothing was broken off."""
    whole = text.rstrip()
    if not whole.endswith("..."):
        return whole
    body = whole.rstrip(".")
    ends = [match.end() for match in _END.finditer(body)]
    return body[: ends[-1]] if ends else whole
