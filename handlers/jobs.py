"""Long work as operators ask for it in a chat: begun, watched and stopped. Whoever is none of them learns nothing of it.

Knows neither who does a job nor how.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from data.phrases import Phrases
from handlers.room import Room
from handlers.start import unclear
from handlers.turn import Choice, Reply, Turn, number
from storage import jobs, operators
from storage.jobs import Job

KINDS = ("index", "rollback", "enrich", "export")
"""Kinds that are begun by a button; an import needs to be told what to work on."""
PAGES = (
    ("import", "imp:", 3), ("export", "job:begin:export", 3),
    ("stats", "stats:7", 5), ("health", "health", 5),
    ("inquiries", "inq:page:0", 6), ("blocks", "block:page:0", 6),
    ("maintenance", "upkeep:", 7), ("look_again", "job:panel", 7),
)  # fmt: skip
"""What else is on the panel: its words, its button's data, its row."""
_ROWS = {"index": 1, "rollback": 1, "enrich": 2}
SHOWN = 5
BAR = 10
"""Signs of a progress bar."""
ROWS = "rows "
"""Begins a stage of which nobody knows how long it is: how many rows were read follows."""


async def panel(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """What operators can do, as buttons, and what is being done."""
    say = room.words.say
    if not room.operator:
        async for reply in unclear(turn, room, "unknown_command"):
            yield reply
        return
    latest = await room.read(jobs.recent, SHOWN)
    lines = [say("job.panel"), *(line(job, room.words) for job in latest)]
    if (upkeep := await room.read(operators.maintenance)) is not None:
        lines.append(say("job.upkeep", text=upkeep.text))
    choices = [Choice(say(f"job.begin.{kind}"), f"job:begin:{kind}", row) for kind, row in _ROWS.items()]
    choices += [Choice(say(f"job.{name}"), data, row) for name, data, row in PAGES]
    choices += [
        Choice(say("job.stop", number=job.id), f"job:stop:{job.id}", 4) for job in latest if not job.over
    ]
    choices.sort(key=lambda choice: choice.row)
    if turn.chat.kind == "private":  # where to tell of what goes wrong
        room.write(operators.remember_chat, turn.chat.platform, turn.person.id, turn.chat.id)
    yield Reply(text="\n".join(lines), choices=tuple(choices), private=True)


def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply] | None:
    """The replies to an operator's button, or None when it is forged or nobody's who is one."""
    verb, _, value = data.partition(":")
    if not room.operator:
        return None
    match verb:
        case "panel" if not value:
            return panel(turn, room)
        case "begin" if value in KINDS:
            return _begin(turn, room, value)
        case "stop" if (named := number(value)) is not None:
            return _stop(turn, room, named)
    return None


def card(job: Job, words: Phrases) -> Reply:
    """How a job stands, for whoever asked for it: the same message as it goes on, with a button to stop it."""
    choices = () if job.over else (Choice(words.say("job.stop", number=job.id), f"job:stop:{job.id}", 1),)
    text = "\n".join([line(job, words), *_particulars(job, words)])
    return Reply(text=text, choices=choices, slot=f"job.{job.id}", private=True)


def line(job: Job, words: Phrases) -> str:
    """One line about a job."""
    name = next(iter(words.variants(f"job.kind.{job.kind}")), job.kind)
    state = words.say(f"job.state.{job.state}", error=job.error or "")
    if job.result and (told := words.variants(f"job.result.{job.kind}")):
        state = words.fill(told[0], **job.result)
    if job.state == "running" and job.stage.startswith(ROWS):
        state = words.say("job.rows", count=job.stage.removeprefix(ROWS))
    elif job.state == "running" and job.stage:
        stage = next(iter(words.variants(f"console.building_stage.{job.stage}")), job.stage)
        full = round(job.progress * BAR)
        state = f"{stage} {'▓' * full}{'░' * (BAR - full)} {job.progress:.0%}"
    return f"#{job.id} {name}: {state}"


def _particulars(job: Job, words: Phrases) -> list[str]:
    """What else is to be told of a job that is done: what an import skipped and why."""
    result = job.result or {}
    lines = [words.say("job.skipped", why=why, count=count) for why, count in result.get("why", ())]
    if report := result.get("report"):
        lines.append(words.say("job.report", path=report))
    return lines


async def _begin(turn: Turn, room: Room, kind: str) -> AsyncIterator[Reply]:
    say = room.words.say
    chat = turn.chat
    room.write(jobs.ask, kind, at=turn.at, asked_by=room.user.id, platform=chat.platform, chat_id=chat.id)
    yield Reply(text=say("job.asked", name=say(f"job.kind.{kind}")), private=True)


async def _stop(turn: Turn, room: Room, named: int) -> AsyncIterator[Reply]:
    say = room.words.say
    job = await room.read(jobs.get, named)
    if job is None:
        yield Reply(text=say("job.unknown", number=named), private=True)
    elif job.over:
        yield Reply(text=line(job, room.words), private=True)
    else:
        room.write(jobs.stop, named, at=turn.at)
        yield Reply(text=say("job.stopping", number=named), private=True)
