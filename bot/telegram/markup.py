"""How a reply looks in Telegram: its text and cards in Telegram's HTML, cut into messages that it takes.

A text is held as runs with their tags until it is cut, and only then written as HTML: so no cut goes through a tag or
an entity, and each part is well-formed. Knows no language, no buttons, and nothing of how a message is sent.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

from wcwidth import grapheme_boundary_before

from bot.cards import FIT_MOST, heading
from handlers.turn import Card, Poll, Reply

MESSAGE_UNITS: Final = 4096
"""UTF-16 units of a message after its entities were parsed."""
MESSAGE_MARKS: Final = 90
"""Entities of a message: Telegram passes over those after the hundredth, and counts the links that it finds itself."""
LINK_BYTES: Final = 6000
"""Bytes of the addresses behind a message's text: where all entities pass some 9,500, it is refused."""
ALERT_UNITS: Final = 200
QUESTION_UNITS: Final = 300
OPTION_UNITS: Final = 100
OPTIONS: Final = 12
ADDRESS_LENGTH: Final = 2000

_CLEANED: Final = (
    dict.fromkeys((*range(32), *range(127, 160), 0xFEFF, *range(0x202A, 0x202F)))
    | dict.fromkeys((0x0A, 0x0B, 0x0C, 0x2028, 0x2029), "\n")
    | {0x09: " "}
)
"""Control characters, and what turns the direction of the text behind it: Telegram drops them too."""
_VISIBLE: Final = re.compile(
    "[^\\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff9-\ufffc\U000e0000-\U000e0fff]"
)
_BREAKS: Final = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…。！？])[\"'”’)\]」』]*\s+"),
    re.compile(r"\s+"),
)
"""Paragraphs, lines, sentences, words: a text is cut at the first of these that leaves the message at least half full."""
_ADDRESS: Final = re.compile(r"https?://\S+")
_QUOTED: Final = re.compile(r"(?:%[89A-Fa-f][0-9A-Fa-f])+")
_URL_MARKS: Final = "".join(set(string.punctuation) - set("\"'<>\\^`{|}"))


@dataclass(frozen=True, slots=True)
class Part:
    """One message: its HTML, and the same without marks for when that is refused."""

    html: str
    plain: str


class Run(NamedTuple):
    """Text under the same tags, which are given as they are opened, the outermost first."""

    text: str
    tags: tuple[str, ...] = ()


Block = tuple[Run, ...]
_BETWEEN: Final = Run("\n\n")


def render(reply: Reply) -> tuple[Part, ...]:
    """The messages that show the text and the cards of a reply, none for a reply without."""
    cards = len(reply.cards)
    text: list[Block] = [(Run(_legible(clean(reply.text).strip())),)]
    told = [_card(card, place, cards) for place, card in enumerate(reply.cards, 1)]
    blocks = [*told, *text] if reply.cards_first else [*text, *told]
    parts = (_part(piece) for piece in _packed(block for block in blocks if _shown(block)))
    return tuple(part for part in parts if _VISIBLE.search(part.plain))


def preview(reply: Reply) -> str | None:
    """The address of the picture to be shown with a reply: the first cover that a card has."""
    return next((url for card in reply.cards if (url := address(card.cover or ""))), None)


def ballot(poll: Poll) -> tuple[str, tuple[str, ...]]:
    """The question and the options of a poll as Telegram takes them, each option at its place.

    An empty one is called by its number, one that is there already gets a number; those over twelve are left out.
    """
    options: list[str] = []
    for place, option in enumerate(poll.options[:OPTIONS], 1):
        text = line(option, OPTION_UNITS) or f"{place}."
        options.append(f"{line(option, OPTION_UNITS - 5)} ({place})" if text in options else text)
    return line(poll.question, QUESTION_UNITS) or "?", tuple(options)


def units(text: str) -> int:
    """The length of a text as Telegram counts: its UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def clean(text: str) -> str:
    """A text without what Telegram refuses or drops: control characters and halves of characters."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return whole.replace("\r\n", "\n").replace("\r", "\n").translate(_CLEANED)


def line(text: str, limit: int) -> str:
    """A text on one line of at most `limit` units; empty where nothing of it could be seen."""
    text = " ".join(clean(text).split())
    return shortened(text, limit) if _VISIBLE.search(text) else ""


def shortened(text: str, limit: int) -> str:
    """A text of at most `limit` units, with "…" at its end where it was cut."""
    text = clean(text).strip()
    if units(text) <= limit:
        return text
    return text[: _reach(text, limit - 1)].rstrip() + "…" if limit > 0 else ""


def address(url: str) -> str | None:
    """A web address as Telegram takes it, with nothing in it that needs quoting; None for any other.

    One without a dot in its host is refused by Telegram, and with it a whole message that has it as a button.
    """
    try:
        parts = urlsplit(clean(url).strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return None
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)+\.?|[0-9a-f:.]*:[0-9a-f:.]*", host):
        return None
    rest = parts._replace(scheme="", netloc="").geturl()
    made = f"{parts.scheme}://{parts.netloc}{quote(rest, safe=_URL_MARKS)}"
    return made if len(made) <= ADDRESS_LENGTH else None


def _legible(text: str) -> str:
    """A text whose web addresses show their letters in place of "%EB%B0%94": Telegram links them all the same."""

    def letters(quoted: re.Match[str]) -> str:
        try:
            said = unquote_to_bytes(quoted[0]).decode()
        except UnicodeDecodeError:
            return quoted[0]
        return said if said.isalnum() else quoted[0]

    return _ADDRESS.sub(lambda found: _QUOTED.sub(letters, found[0]), text)


def _card(card: Card, place: int, cards: int) -> Block:
    title = " ".join(clean(card.title).split())
    url = address(card.url or "")
    link = (f'a href="{escape(url)}"',) if url else ()
    runs = [Run(f"{heading(card, place, cards)} "), Run(title, ("b", *link))]
    if card.fit:
        runs.append(Run(f"  ⭐ {card.fit}/{FIT_MOST}"))
    facts = " · ".join(fact for fact in (" ".join(clean(fact).split()) for fact in card.facts) if fact)
    if facts:
        runs += [Run("\n"), Run(facts, ("i",))]
    reason, benefit = clean(card.reason).strip(), clean(card.benefit).strip()
    said = "\n".join(text for text in (reason, benefit and f"💚 {benefit}") if text)
    if said:
        runs += [Run("\n"), Run(said, ("blockquote",))]
    return tuple(runs)


def _packed(blocks: Iterable[Block]) -> Iterator[Block]:
    """Blocks put together into as few messages as hold them, in order; one that fits none is cut."""
    gathered: Block = ()
    for block in blocks:
        joined = (*gathered, _BETWEEN, *block) if gathered else block
        if _fits(joined):
            gathered = joined
            continue
        if gathered:
            yield gathered
        *full, gathered = _cut(block)
        yield from full
    if gathered:
        yield gathered


def _cut(block: Block) -> list[Block]:
    """A block in pieces of a message each."""
    pieces: list[Block] = []
    while units(_text(block)) > MESSAGE_UNITS:
        end, start = _break(_text(block))
        pieces.append(_slice(block, 0, end))
        block = _slice(block, start)
    return [*pieces, block]


def _break(text: str) -> tuple[int, int]:
    """Where the first message of a longer text ends, and where the next begins."""
    last = _reach(text, MESSAGE_UNITS)
    for pattern in _BREAKS:
        for match in reversed([*pattern.finditer(text, last // 2, last + 1)]):
            end, start = match.span()
            if end <= last and grapheme_boundary_before(text, start + 1) == start:  # no accent upon the blank
                return end, start
    return last, last


def _reach(text: str, limit: int) -> int:
    """How many characters of a longer text fit in that many units, with no character as people see it cut in two.

    Only one that is longer than the limit by itself is cut, between its code points.
    """
    fits = len(text[:limit].encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore"))
    return (grapheme_boundary_before(text, fits + 1) or fits) if fits < len(text) else fits


def _slice(block: Block, start: int, end: int | None = None) -> Block:
    """The characters from `start` up to `end` under their tags."""
    pieces, at = [], 0
    for run in block:
        piece = run.text[max(start - at, 0) : None if end is None else max(end - at, 0)]
        if piece:
            pieces.append(Run(piece, run.tags))
        at += len(run.text)
    return tuple(pieces)


def _fits(block: Block) -> bool:
    marks = [tag for run in block for tag in run.tags]
    return (
        units(_text(block)) <= MESSAGE_UNITS
        and len(marks) <= MESSAGE_MARKS
        and sum(len(mark) for mark in marks) <= LINK_BYTES
    )


def _shown(block: Block) -> bool:
    return bool(_VISIBLE.search(_text(block)))


def _text(block: Sequence[Run]) -> str:
    return "".join(run.text for run in block)


def _part(block: Block) -> Part:
    text = _text(block)
    start = len(text) - len(text.lstrip())
    shown = _slice(block, start, max(len(text.rstrip()), start))
    return Part("".join(_html(run) for run in shown), _text(shown))


def _html(run: Run) -> str:
    opened = "".join(f"<{tag}>" for tag in run.tags)
    closed = "".join(f"</{tag.split()[0]}>" for tag in reversed(run.tags))
    return f"{opened}{escape(run.text, quote=False)}{closed}"
