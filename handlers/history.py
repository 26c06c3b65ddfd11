"""What was recommended before: "그때 추천한 거 뭐였지?", by day, by kind, or by what the person remembers of it."""

from __future__ import annotations

import datetime
import re
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from engine.request import Request
from engine.text import normalize
from engine.writing import Writer
from handlers import memory
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn
from storage.exposures import Exposure

LOOKED_BACK: Final = 60
"""Answers that are looked through, the newest first."""
DAYS_SHOWN, ITEMS_SHOWN = 5, 15
BUTTONS: Final = 8
_DAYS: Final = (
    (re.compile(r"그저께|그제|엊그제|엊그저께|day before yesterday"), 2, 2),
    (re.compile(r"어제|어젯밤|yesterday|last night"), 1, 1),
    (re.compile(r"오늘|아까|방금|today|earlier|just now"), 0, 0),
    (re.compile(r"지난 ?주|저번 ?주|last week"), 5, 14),
    (re.compile(r"지난 ?달|저번 ?달|last month"), 20, 62),
)
_DAYS_AGO: Final = re.compile(r"(\d{1,3}) ?일 ?전|(\d{1,3}) days? ago")


async def show(turn: Turn, room: Room, text: str = "", wish: Request | None = None) -> AsyncIterator[Reply]:
    """The last recommendations, narrowed by what the text remembers of them; in a group those of that chat."""
    words, wish = room.words, wish or Request()
    private = turn.chat.kind == "private"
    every = await memory.history(room, None if private else turn.chat.id, LOOKED_BACK)
    chosen = _of_days(every, text, room)
    if wish.domain is not None:
        chosen = _only(chosen, await room.engine.of_domain(_ids(chosen), wish.domain))
    if not chosen:
        key = "history.none_then" if every else "history.empty"
        yield Reply(text=words.say(key), choices=_all(room) if every else ())
        return
    if not replace(wish, items=(), exclude=Request().exclude).is_open:
        chosen = _only(chosen, await room.engine.closest(_ids(chosen), wish))
    lines, shown = [words.say("history.lead")], list[str]()
    items = await room.engine.items(_ids(chosen))
    writer = Writer(room.language)
    for day, ids in _by_day(chosen, room)[:DAYS_SHOWN]:
        fresh = [i for i in ids if i in items and i not in shown][: ITEMS_SHOWN - len(shown)]
        if fresh:
            shown += fresh
            lines.append(
                words.say(
                    "history.day",
                    day=_day(day, room),
                    titles=", ".join(writer.title(items[i]) for i in fresh),
                )
            )
    yield Reply(
        text="\n".join(lines),
        choices=tuple(
            Choice(writer.title(items[i]), f"show:{i}", 1 + n // 2) for n, i in enumerate(shown[:BUTTONS])
        ),
    )


def _ids(chosen: Sequence[Exposure]) -> list[str]:
    return [item for each in chosen for item in each.item_ids]


def _only(chosen: Sequence[Exposure], ids: Collection[str]) -> list[Exposure]:
    narrowed = [replace(each, item_ids=tuple(i for i in each.item_ids if i in ids)) for each in chosen]
    return [each for each in narrowed if each.item_ids]


def _of_days(every: Sequence[Exposure], text: str, room: Room) -> list[Exposure]:
    clean = normalize(text).lower()
    span = next(((low, high) for words, low, high in _DAYS if words.search(clean)), None)
    if ago := _DAYS_AGO.search(clean):
        days = int(ago[1] or ago[2])
        span = (days, days)
    if span is None:
        return list(every)
    return [each for each in every if span[0] <= (room.today - _date(each, room)).days <= span[1]]


def _by_day(chosen: Sequence[Exposure], room: Room) -> list[tuple[datetime.date, list[str]]]:
    days: dict[datetime.date, list[str]] = {}
    for each in chosen:
        kept = days.setdefault(_date(each, room), [])
        kept += [i for i in each.item_ids if i not in kept]
    return list(days.items())


def _date(each: Exposure, room: Room) -> datetime.date:
    return datetime.datetime.fromtimestamp(each.created_at, ZoneInfo(room.timezone)).date()


def _day(day: datetime.date, room: Room) -> str:
    ago = (room.today - day).days
    if 0 <= ago <= 2:
        return room.words.say(f"history.ago.{ago}")
    return room.words.say("history.date", month=day.month, day=day.day)


def _all(room: Room) -> tuple[Choice, ...]:
    return (Choice(room.words.say("button.history"), "history", 1),)
