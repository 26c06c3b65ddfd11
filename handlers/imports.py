"""Importing as operators ask for it in a chat: which source, then a file's name or what to ask its service for.

Knows neither where files lie nor how they are read; whoever does the job looks at the name once more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from data.sources import SOURCES, Source
from engine.text import normalize
from handlers import desk
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn
from storage import jobs

A_ROW = 3
"""Buttons side by side."""
LONGEST = 200
"""Characters of a file's name, or of what a service is asked."""
LISTED = 12
"""Names of files that are shown."""


def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply] | None:
    """The replies to an operator's button, or None when it is forged or nobody's who is one."""
    verb, _, name = data.partition(":")
    source = SOURCES.get(name)
    if not room.operator or room.office is None:
        return None
    match verb:
        case "" if not name:
            return _choose(room)
        case "of" if source is not None:
            return _ask(turn, room, source)
        case "all" if source is not None and source.web:
            return _begin(turn, room, source, {"query": ""})
    return None


async def take(turn: Turn, room: Room, about: str, text: str) -> AsyncIterator[Reply]:
    """Begin to import what the operator wrote."""
    say, source = room.words.say, SOURCES.get(about)
    if source is None or room.office is None:
        desk.leave(room)
        yield Reply(text=say("chat.stale"), private=True)
        return
    word = " ".join(text.split())
    if len(word) > LONGEST:
        yield Reply(
            text=say("import.too_long", most=LONGEST), choices=_ways(turn, room, source), private=True
        )
        return
    if (payload := _payload(room, source, word)) is None:
        missing = say("import.no_mapping" if source.wants_mapping else "import.no_file")
        yield Reply(text="\n".join([missing, *_files(room)]), choices=_ways(turn, room, source), private=True)
        return
    async for reply in _begin(turn, room, source, payload):
        yield reply


def _payload(room: Room, source: Source, word: str) -> dict[str, Any] | None:
    """What the job is to work on; None where a file is meant that there is not."""
    office = room.office
    assert office is not None
    if source.wants_mapping:
        path, _, mapping = word.rpartition(" ")
        there = path and office.may_import(path) and office.may_import(mapping)
        return {"path": path, "mapping": mapping} if there else None
    if source.module and word and office.may_import(word):
        return {"path": word}
    # What is written like a file's name is none of a film's: a spelling mistake must not ask for it at a service.
    if source.web and not (source.module and ("/" in word or "." in word)):
        return {"query": normalize(word, LONGEST)}
    return None


async def _choose(room: Room) -> AsyncIterator[Reply]:
    choices = [
        Choice(name, f"imp:of:{name}", 1 + place // A_ROW) for place, name in enumerate(sorted(SOURCES))
    ]
    yield Reply(text=room.words.say("import.which"), choices=(*choices, desk.back(room)), private=True)


async def _ask(turn: Turn, room: Room, source: Source) -> AsyncIterator[Reply]:
    say, lines = room.words.say, []
    if source.wants_mapping:
        lines += [say("import.ask_mapping"), *_files(room)]
    elif source.module:
        lines += [say("import.ask_file", name=source.name), *_files(room)]
    if source.web:
        lines.append(say("import.ask_query" if source.module else "import.ask_only_query", name=source.name))
        lines.append(say(f"import.hint.{source.name}"))
    yield Reply(text="\n".join(lines), choices=_ways(turn, room, source), private=True)


def _ways(turn: Turn, room: Room, source: Source) -> tuple[Choice, ...]:
    choices = [desk.wait(turn, room, "import", source.name)]
    if source.web:
        choices.insert(0, Choice(room.words.say("import.all"), f"imp:all:{source.name}", 1))
    return tuple(choices)


def _files(room: Room) -> list[str]:
    """Which files there are."""
    assert room.office is not None
    names = room.office.importable()
    lines = [room.words.say("import.file", name=name) for name in names[:LISTED]]
    if not names:
        lines = [room.words.say("import.no_files")]
    elif len(names) > LISTED:
        lines.append(room.words.say("import.more_files", count=len(names) - LISTED))
    return lines


async def _begin(turn: Turn, room: Room, source: Source, payload: dict[str, Any]) -> AsyncIterator[Reply]:
    say, chat = room.words.say, turn.chat
    desk.leave(room)
    room.write(
        jobs.ask, "import", {"source": source.name, **payload}, at=turn.at, asked_by=room.user.id,
        platform=chat.platform, chat_id=chat.id,
    )  # fmt: skip
    text = say("job.asked", name=say("job.kind.import"))
    yield Reply(text=text, choices=(desk.back(room),), private=True)
