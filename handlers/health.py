"""How the bot is, as operators see it: the index, the worker, what waits, what fails, how much room it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import get_args

from engine.completion import Kind
from engine.grounding import FAULTS
from handlers import desk
from handlers.office import Condition
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn
from storage import health
from storage.health import Waiting

LATELY = 86_400.0
"""Seconds within which what could not be shown is counted."""
MEBIBYTE = 1 << 20
KINDS: tuple[str, ...] = get_args(Kind)
"""How a question to the worker can fail."""


def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply] | None:
    """The replies to an operator's button, or None when it is forged or nobody's who is one."""
    return show(turn, room) if room.operator and not data else None


async def show(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """How everything stands."""
    say = room.words.say
    working = await room.read(health.open_jobs)
    lines = [say("health.lead")]
    condition = await room.office.condition() if room.office is not None else None
    if condition is not None:
        lines += [
            _index(turn, room, condition),
            say(f"health.worker.{condition.worker}", says=condition.worker_says),
            *_asked(room, condition.counts),
        ]
    held = working.get("running", 0) + working.get("stopping", 0)
    lines += [
        say("health.jobs", waiting=working.get("waiting", 0), running=held),
        _waiting(turn, room, "inbox", await room.read(health.unfinished, turn.id)),
        _waiting(turn, room, "outbox", await room.read(health.due)),
        say("health.undeliverable", count=await room.read(health.undeliverable, turn.at - LATELY)),
        say("health.size", size=_size(await room.read(health.size))),
    ]
    if condition is not None and condition.memory:
        lines.append(say("health.memory", size=_size(condition.memory)))
    choices = (Choice(say("job.look_again"), "health", 1), desk.back(room))
    yield Reply(text="\n".join(lines), choices=choices, private=True)


def _index(turn: Turn, room: Room, condition: Condition) -> str:
    say = room.words.say
    if condition.version is None:
        return say("health.no_index")
    return say(
        "health.fresh" if condition.fresh else "health.stale",
        version=condition.version,
        rows=f"{condition.rows:,}",
        age=_age(turn.at - condition.built_at, room),
    )


def _asked(room: Room, counts: Mapping[str, int]) -> list[str]:
    """What became of what this process asked the worker: failures and refused sentences by their kind."""
    if not counts.get("calls"):
        return []
    say = room.words.say
    told = [say("health.calls", calls=counts["calls"], hedged=counts.get("hedged", 0))]
    for key, kinds in (("failures", KINDS), ("refused", [f"refused.{fault}" for fault in FAULTS])):
        named = [f"{kind.removeprefix('refused.')} {counts[kind]}" for kind in kinds if counts.get(kind)]
        if named:
            told.append(say(f"health.{key}", kinds=", ".join(named)))
    return told


def _waiting(turn: Turn, room: Room, name: str, waiting: Waiting) -> str:
    if waiting.since is None:
        return room.words.say(f"health.{name}.none")
    age = _age(turn.at - waiting.since, room)
    return room.words.say(f"health.{name}.some", count=waiting.count, age=age)


def _age(seconds: float, room: Room) -> str:
    """So long ago, in the largest unit that it fills."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= length:
            return room.words.say(f"health.age.{unit}", count=int(seconds // length))
    return room.words.say("health.age.now")


def _size(count: int) -> str:
    return f"{count / MEBIBYTE:,.1f} MiB"
