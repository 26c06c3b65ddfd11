"""How much the bot is used, as operators see it: a picture where one can be drawn, and the same figures in words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from data.item import Domain
from handlers import desk
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn
from storage import items, stats
from storage.stats import Favourite, Opinions, Period, Stats

PERIODS = (7, 30, 90)
"""Days that can be looked at."""
POPULAR = 3
"""Items that are named of each domain."""
DAYS_NAMED = 7
"""Days of which is told what was shown most."""


def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply] | None:
    """The replies to an operator's button, or None when it is forged or nobody's who is one."""
    if not room.operator or data not in map(str, PERIODS):
        return None
    return show(turn, room, int(data))


async def show(turn: Turn, room: Room, days: int) -> AsyncIterator[Reply]:
    """The figures of so many days, today the last."""
    period = Period.last(days, room.today, room.timezone)
    found = await room.read(stats.of, period, [str(domain) for domain in Domain], POPULAR)
    titles = {
        item_id: _title(json.loads(body), room.language)
        for item_id, body in (await room.read(items.get, sorted(found.item_ids))).items()
    }
    choices = [
        Choice(room.words.say("stats.days", days=each), f"stats:{each}", 1)
        for each in PERIODS
        if each != days
    ]
    picture = await room.office.picture(found, titles, room.words) if room.office is not None else None
    yield Reply(
        text="\n".join(_lines(found, titles, room)),
        choices=(*choices, desk.back(room)),
        file=picture,
        private=True,
    )


def _lines(found: Stats, titles: Mapping[str, str], room: Room) -> list[str]:
    say, days = room.words.say, found.days
    busiest = max(day.people for day in days)
    lines = [
        say("stats.lead", days=len(days), first=f"{days[0].day:%m/%d}", last=f"{days[-1].day:%m/%d}"),
        say("stats.users", users=found.users, new=sum(day.new for day in days)),
        say(
            "stats.active",
            today=days[-1].people,
            mean=f"{sum(day.people for day in days) / len(days):.1f}",
            most=busiest,
        ),
        say("stats.turns", turns=found.turns, rate=_rate(found.answered, found.turns)),
        say("stats.answers", count=found.delivered, rate=_rate(found.reacted, found.delivered)),
        "",
        say("stats.opinions"),
        *(_opinion(each, room) for each in found.opinions),
    ]
    for domain, listed in found.favourites.items():
        if listed:
            named = ", ".join(_favourite(each, titles, room) for each in listed)
            lines.append(say("stats.popular", domain=say(f"label.domain.{domain}"), items=named))
    if not any(found.favourites.values()):
        lines.append(say("stats.nothing_popular", least=stats.FEWEST))
    if recent := list(found.best.items())[-DAYS_NAMED:]:
        lines += ["", say("stats.by_day")]
        for day, best in recent:
            shown = ", ".join(
                say("stats.item", title=titles.get(each.item_id, each.item_id), people=each.people)
                for each in best.values()
            )
            lines.append(say("stats.day", day=f"{day:%m/%d}", items=shown))
    return lines


def _opinion(each: Opinions, room: Room) -> str:
    say, domain = room.words.say, room.words.say(f"label.domain.{each.domain}")
    if not each.total:
        return say("stats.none", domain=domain)
    if each.likes is None:
        return say("stats.few", domain=domain, total=each.total, least=stats.FEWEST)
    return say("stats.opinion", domain=domain, likes=each.likes, dislikes=each.dislikes)


def _favourite(each: Favourite, titles: Mapping[str, str], room: Room) -> str:
    title = titles.get(each.item_id, each.item_id)
    key = "stats.item" if each.likes is None else "stats.liked"
    return room.words.say(key, title=title, people=each.people, likes=each.likes)


def _rate(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _title(body: dict[str, Any], language: str) -> str:
    english = body.get("title_en") if language == "en" else None
    return str(english or body["title"])
