"""Choices as Telegram's inline buttons: set in rows, and signed, so that what comes back was really shown.

A button carries 64 bytes: a tag, then what it means; where that has no room, a key under which it is to be stored.
Both depend on nothing but the bot's token and the meaning, so a button outlives the process that showed it, and the
same choices make the same keyboard. Knows no database and no message.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from wcwidth import width

from bot.telegram.markup import address, line
from handlers.turn import Choice

DATA_BYTES: Final = 64
ROW_BUTTONS: Final = 8
KEYBOARD_BUTTONS: Final = 100
LABEL_UNITS: Final = 64
ROW_COLUMNS: Final = 46
"""Columns of letters over a telephone's width, a Hangul syllable being two; a button's own edges are `EDGE_COLUMNS`."""
EDGE_COLUMNS: Final = 3

_START: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TAG_LENGTH: Final = 8
_KEY_LENGTH: Final = 16
_KEY_MARK: Final = "#"


@dataclass(frozen=True, slots=True)
class Button:
    """A label with one of two: `callback_data`, which comes back when it is pressed, or a `url` that it opens."""

    label: str
    callback_data: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """What a pressed button holds in place of its meaning: under this key the meaning is stored."""

    key: str


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Rows of buttons; what `kept` holds by key is to be stored before they are shown."""

    rows: tuple[tuple[Button, ...], ...]
    kept: dict[str, str]


class Seals:
    """Signs what buttons mean, and opens only what it signed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def of_token(cls, token: str) -> Seals:
        """The seals of the bot that has this token, the same in each of its processes."""
        return cls(hmac.digest(token.encode(), b"buttons", hashlib.sha256))

    def seal(self, data: str) -> tuple[str, tuple[str, str] | None]:
        """The callback data of a button that means `data`, and (key, data) where that is to be stored."""
        data = data.encode("utf-8", "replace").decode()
        if _TAG_LENGTH + len(data.encode()) <= DATA_BYTES:
            return self._tag("data", data) + data, None
        key = self._digest("key", data)[:_KEY_LENGTH]
        return f"{self._tag('stored', key)}{_KEY_MARK}{key}", (key, data)

    def open(self, callback_data: str) -> str | Key | None:
        """What a pressed button means, or the key to what it means; None where these seals did not make it."""
        tag, rest = callback_data[:_TAG_LENGTH], callback_data[_TAG_LENGTH:]
        if _same(tag, self._tag("data", rest)):
            return rest
        if rest.startswith(_KEY_MARK) and _same(
            tag, self._tag("stored", key := rest.removeprefix(_KEY_MARK))
        ):
            return Key(key)
        return None

    def _tag(self, kind: str, text: str) -> str:
        return self._digest(kind, text)[:_TAG_LENGTH]

    def _digest(self, kind: str, text: str) -> str:
        """Under its kind: a stored key cannot be passed off as a meaning, nor a meaning as a key."""
        said = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        return urlsafe_b64encode(hmac.digest(self._secret, said, hashlib.sha256)).decode()


def keyboard(choices: Iterable[Choice], seals: Seals, username: str) -> Keyboard:
    """The choices in their order, those of one row side by side as far as their labels have room.

    `username` is the bot's own. Left out is a choice without a label, or with an address that Telegram refuses, for
    it would refuse the message with it, and whole rows beyond a hundred buttons.
    """
    kept: dict[str, str] = {}
    rows: list[tuple[Button, ...]] = []
    for _, together in groupby(choices, key=lambda choice: choice.row):
        made = [button for choice in together if (button := _button(choice, seals, username, kept))]
        rows += _lines(made)
    while sum(len(row) for row in rows) > KEYBOARD_BUTTONS:
        rows.pop()
    return Keyboard(tuple(rows), kept)


def _button(choice: Choice, seals: Seals, username: str, kept: dict[str, str]) -> Button | None:
    label = line(choice.label, LABEL_UNITS)
    if not label:
        return None
    if choice.url:
        url = address(choice.url)
        return Button(label, url=url) if url else None
    if choice.start:
        known = _START.fullmatch(choice.start)
        return Button(label, url=f"https://t.me/{username}?start={choice.start}") if known else None
    callback_data, stored = seals.seal(choice.data)
    if stored:
        kept[stored[0]] = stored[1]
    return Button(label, callback_data)


def _lines(row: Sequence[Button]) -> list[tuple[Button, ...]]:
    """A row broken into lines of nearly as many buttons each, so that no label is cut off by a small screen."""
    if not row:
        return []
    widest = max(width(button.label) for button in row) + EDGE_COLUMNS
    side_by_side = min(max(ROW_COLUMNS // widest, 1), ROW_BUTTONS)
    lines = -(-len(row) // side_by_side)
    ends = [-(-len(row) * n // lines) for n in range(lines + 1)]
    return [tuple(row[start:end]) for start, end in pairwise(ends)]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())
