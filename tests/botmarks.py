"""How Telegram reads text: UTF-16 units, the tags of its HTML, and the commands, mentions and links it finds itself.

The rules and the wordings are TDLib's (MessageEntity.cpp). It knows no chats. Markdown is not read: our bot sends none.
"""

from __future__ import annotations

import html
import re
from typing import Any

Entity = dict[str, Any]

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
CHARACTER = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(lt|gt|amp|quot));")
OPENING = re.compile(
    r"<([A-Za-z0-9-]*)((?:\s+[A-Za-z-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9.-]+))?)*)\s*>"
)
CLOSING = re.compile(r"</([A-Za-z0-9-]*)\s*>")
ATTRIBUTE = re.compile(r"([A-Za-z-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9.-]+)))?")
PERSON = re.compile(r"tg://user\?id=(\d+)")

# A letter right behind a name, as a Korean particle is one, makes it none: "@bot은" mentions nobody.
FOUND = {
    "bot_command": re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}+(?:@[A-Za-z0-9_]{3,32}+)?+(?![\w/<>])"),
    "mention": re.compile(r"(?<!\w)@[A-Za-z0-9_]{2,32}+(?!\w)"),
    "url": re.compile(r"https?://[^\s<>\"]+[^\s<>\".,!?)]"),
    "hashtag": re.compile(r"(?<![\w#])#\w*[^\W\d]\w*"),
}
SELDOM_LINKED = {"code", "pre", "text_link", "text_mention"}


class Unreadable(ValueError):
    """Text whose tags Telegram refuses, in its words."""


def units(text: str) -> int:
    """How long Telegram takes a text to be: its UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, offset: int, length: int) -> str:
    """The part of a text that an entity names."""
    return text.encode("utf-16-le")[2 * offset : 2 * (offset + length)].decode("utf-16-le")


def entities_of(text: str) -> list[Entity]:
    """The commands, mentions, links and hashtags that Telegram finds in a text by itself."""
    found = [
        {
            "type": kind,
            "offset": units(text[: match.start()]),
            "length": units(match.group()),
        }
        for kind, pattern in FOUND.items()
        for match in pattern.finditer(text)
    ]
    return sorted(found, key=lambda entity: entity["offset"])


def read(text: str, parse_mode: str, given: list[Entity]) -> tuple[str, list[Entity]]:
    """The text that a message shows and its entities. Raises Unreadable."""
    entities = [dict(entity) for entity in given]
    if parse_mode:
        if parse_mode.lower() != "html":
            raise Unreadable("unsupported parse_mode")
        text, entities = parse_html(text)
    text, entities = _trimmed(text, entities)
    closed = [
        (each["offset"], each["offset"] + each["length"])
        for each in entities
        if each["type"] in SELDOM_LINKED
    ]
    entities += [
        each
        for each in entities_of(text)
        if not any(start < each["offset"] + each["length"] and each["offset"] < end for start, end in closed)
    ]
    return text, sorted(entities, key=lambda each: (each["offset"], -each["length"], each["type"]))


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """Text and entities of Telegram's HTML. Raises Unreadable with TDLib's sentence and its byte offset."""
    text, at = "", 0
    open_tags: list[tuple[str, int, Entity | None]] = []
    entities: list[Entity] = []
    while at < len(source):
        here = len(source[:at].encode()) if source[at] == "<" else 0
        if source[at] == "&" and (match := CHARACTER.match(source, at)):
            text += _character(match)
            at = match.end()
        elif source.startswith("</", at):
            if not open_tags:
                raise Unreadable(f"Unexpected end tag at byte offset {here}")
            match = CLOSING.match(source, at)
            if match is None:
                raise Unreadable(f"Unclosed end tag at byte offset {here}")
            tag, start, entity = open_tags.pop()
            if match[1].lower() not in ("", tag):
                expected = f'expected "</{tag}>", found "</{match[1].lower()}>"'
                raise Unreadable(f"Unmatched end tag at byte offset {here}, {expected}")
            length = units(text) - start
            if entity is not None and length:
                entities.append({**entity, "offset": start, "length": length})
            at = match.end()
        elif source[at] == "<":
            match = OPENING.match(source, at)
            if match is None and ">" not in source[at:]:
                raise Unreadable(f"Unclosed start tag at byte offset {here}")
            name = (match[1] if match else re.split(r"[\s>]", source[at + 1 :])[0]).lower()
            if name not in TAGS:
                raise Unreadable(f'Unsupported start tag "{name}" at byte offset {here}')
            if match is None:
                raise Unreadable(f'Empty attribute name in the tag "{name}" at byte offset {here}')
            open_tags.append((name, units(text), _entity(name, match[2], here)))
            at = match.end()
        else:
            text += source[at]
            at += 1
    if open_tags:
        raise Unreadable(f'Can\'t find end tag corresponding to start tag "{open_tags[-1][0]}"')
    return text, entities


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return NAMED[name]
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else match.group()


def _entity(tag: str, attributes: str, here: int) -> Entity | None:
    named = {
        each[1].lower(): html.unescape(each[2] or each[3] or each[4] or "")
        for each in ATTRIBUTE.finditer(attributes)
    }
    if tag == "span" and named.get("class") != "tg-spoiler":
        raise Unreadable(f'Tag "span" must have class "tg-spoiler" at byte offset {here}')
    if tag == "blockquote" and "expandable" in named:
        return {"type": "expandable_blockquote"}
    if tag == "a":
        link = named.get("href", "")
        if person := PERSON.fullmatch(link):
            return {"type": "text_mention", "user": {"id": int(person[1]), "is_bot": False, "first_name": ""}}
        return {"type": "text_link", "url": link} if re.match(r"(https?|tg)://", link) else None
    return {"type": TAGS[tag]}


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Telegram shows no white space around a message; entities move with the text."""
    shown = text.strip()
    lost = units(text[: len(text) - len(text.lstrip())])
    kept = []
    for entity in entities:
        start = max(entity["offset"] - lost, 0)
        end = min(entity["offset"] + entity["length"] - lost, units(shown))
        if end > start:
            kept.append({**entity, "offset": start, "length": end - start})
    return shown, kept
