"""A bot that is killed at random moments, and what must hold however often it was.

Run as a script this is the victim: it takes the turns of a file one after another, writes each that was taken
and each message that was shown to a file, and syncs it. A `Trial` is the other side: it starts victims, kills
them with SIGKILL, and judges what all of them together have left.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast

from bot.app import opened
from bot.delivery import Delivery
from bot.settings import Settings
from handlers.recommend import exposure_id
from handlers.room import Room
from handlers.turn import Chat, Command, Payload, Person, Press, Reply, Text, Turn
from storage import taste
from storage.database import Database
from storage.users import User

NAME = "killed"
PEOPLE = 6
AHEAD = 150
"""Turns that a victim always has before it."""
PATIENCE = 120.0
"""Seconds within which a victim must come to its first turn, or end."""


class Paper:
    """A platform that puts what it shows on disk before it says that it was shown."""

    name = NAME

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        message_id = message_id or uuid.uuid4().hex
        line = {"turn": turn_id, "person": person_id, "message": message_id, "body": mark(reply.to_json())}
        _write(self._path, json.dumps(line))
        await asyncio.sleep(0.002)
        return message_id


def mark(body: str) -> str:
    """What tells one message of a turn from another."""
    return hashlib.sha256(body.encode()).hexdigest()[:16]


async def live(folder: Path, whole: bool) -> None:
    """What a victim does with its life: take up what was left, then every turn that was not taken for sure."""
    paper = Paper(folder / "shown")
    async with AsyncExitStack() as stack:
        if whole:
            settings = Settings(home=folder / "home", turns_per_minute=0)
            app = await stack.enter_async_context(opened(settings))
            # Loaded first, so that lives are spent answering, and kills fall where something is at stake.
            await app.engine.understand("웃긴 영화", this_year=2026)
            await app.embedder.query("웃긴 영화")
            delivery = app.delivery(paper)
        else:
            database = await Database.open(f"sqlite+aiosqlite:///{file_of(folder)}")
            stack.push_async_callback(database.close)
            delivery = _light(database, paper)
        inner = delivery.handle

        async def handle(turn: Turn, room: Room) -> AsyncIterator[Reply]:
            room.session.setdefault("heard", []).append(turn.id)
            room.write(taste.record, room.user.id, turn.id, "heard")
            async for reply in inner(turn, room):
                yield reply

        delivery.handle = handle
        await delivery.recover()
        taken = set(_lines(folder / "taken"))
        left: dict[str, list[Turn]] = defaultdict(list)
        for line in _lines(folder / "turns"):
            turn = Turn.from_json(line)
            if turn.id not in taken:
                left[turn.person.id].append(turn)
        await asyncio.gather(
            *(_say(delivery, turns, folder, 0.3 if whole else 0.02) for turns in left.values())
        )
        await delivery.settle()


async def _say(delivery: Delivery, turns: list[Turn], folder: Path, pause: float) -> None:
    for turn in turns:
        await delivery.take(turn)
        _write(folder / "taken", turn.id)
        await asyncio.sleep(random.uniform(0, pause))


def _light(database: Database, paper: Paper) -> Delivery:
    def room(turn: Turn, user: User, session: dict[str, Any]) -> Room:
        return Room(database, user, session, engine=cast(Any, None), today=date(2026, 11, 3))

    async def answer(turn: Turn, room: Room) -> AsyncIterator[Reply]:
        if isinstance(turn.payload, Text):
            yield Reply(f"{turn.id}…", slot=turn.id, interim=True)
        await asyncio.sleep(random.uniform(0, 0.02))
        yield Reply(f"{turn.id}!", slot=turn.id)

    return Delivery(
        database, paper, answer, room, is_stop=lambda turn: False, apology=lambda room: Reply("미안해요"),
        withdrawal=lambda room: Reply("그만둘게요"),
    )  # fmt: skip


@dataclass(slots=True)
class Verdict:
    """What all victims together have left. Turns are told by id, messages by turn and mark."""

    kills: int = 0
    turns: int = 0
    done: int = 0
    superseded: int = 0
    killed_at_work: int = 0
    """Kills that left a turn taken and not finished, or a message not known to be shown."""
    lost: list[str] = field(default_factory=list)
    handled_twice: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    shown_twice: list[tuple[str, str]] = field(default_factory=list)
    shown_twice_outside: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Trial:
    """Victims of one folder, one after another, each of which takes up what the one before has left.

    A `whole` victim is the program with its engine and its conversations, and needs a home with an index;
    a light one is the delivery with a conversation of three lines.
    """

    def __init__(self, folder: Path, whole: bool, seed: int) -> None:
        self.folder, self.whole = folder, whole
        self.chance = random.Random(seed)
        self.turns: list[Turn] = []
        self.window: Counter[tuple[str, str]] = Counter()
        self.verdict = Verdict()

    def kill(self, times: int, longest: float) -> None:
        """Let victims live, one after another, until so many were killed.

        Each dies `longest` seconds after its first turn, or earlier, or while it starts.
        """
        while self.verdict.kills < times:
            self._kill_one(longest)

    def _kill_one(self, longest: float) -> None:
        self._provide()
        before = self._at_work()
        with self._victim() as victim:
            if self.chance.random() < 0.9:
                deadline = time.monotonic() + PATIENCE
                while self._at_work() == before and victim.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.002)
            time.sleep(self.chance.uniform(0, longest))
            victim.send_signal(signal.SIGKILL)
        # One that had nothing left to do ended before it could be killed.
        assert victim.returncode in (0, -signal.SIGKILL), f"it died of itself: {self._last_words()}"
        self.verdict.kills += victim.returncode != 0
        self._look_at_the_dead()

    def finish(self) -> Verdict:
        """Let one victim live to its end, and judge."""
        with self._victim() as victim:
            victim.wait(PATIENCE + len(self.turns))
            assert victim.returncode == 0, self._last_words()
        self._judge()
        return self.verdict

    def _victim(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "tests.killed",
            str(self.folder),
            *(["--whole"] if self.whole else []),
        ]
        root = Path(__file__).parents[1]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        with (self.folder / "errors").open("wb") as errors:
            return subprocess.Popen(command, cwd=root, env=environment, stderr=errors)

    def _last_words(self) -> str:
        return (self.folder / "errors").read_text()[-2000:]

    def _at_work(self) -> tuple[int, int]:
        paths = (self.folder / name for name in ("taken", "shown"))
        taken, shown = (path.stat().st_size if path.exists() else 0 for path in paths)
        return taken, shown

    def _provide(self) -> None:
        taken = set(_lines(self.folder / "taken"))
        while len(self.turns) - len(taken) < AHEAD:
            turn = self._new_turn(len(self.turns))
            self.turns.append(turn)
            _write(self.folder / "turns", turn.to_json())

    def _new_turn(self, number: int) -> Turn:
        who = f"p{number % PEOPLE}"
        chat = Chat(NAME, who if self.chance.random() < 0.8 else f"{who}.other")
        payloads: list[Payload] = [
            Press("d:food"),
            Press("d:movie"),
            Press("help"),
            Command("start"),
            Text(
                self.chance.choice(
                    ("웃긴 영화", "더 가볍게", "비 오는 날 뜨끈한 국물", "다른 거", "1번 좋아")
                )
            ),
        ]
        if number >= PEOPLE and self.chance.random() < 0.3:
            # 👍 for what the person may have been shown last: handled twice it would be taken back.
            payloads = [Press(f"fb:like:{exposure_id(self.turns[number - PEOPLE])}:1")]
        return Turn(f"t{number}", chat, Person(who), self.chance.choice(payloads), float(number))

    def _look_at_the_dead(self) -> None:
        """On a copy, so that the next victim finds the disk as the dead one left it."""
        file, copy = file_of(self.folder), self.folder / "copy"
        if not file.exists():
            return
        shutil.copy(file, copy)
        log = Path(f"{file}-wal")
        Path(f"{copy}-wal").unlink(missing_ok=True)
        if log.exists():
            shutil.copy(log, f"{copy}-wal")
        shown = {(line["turn"], line["body"]) for line in self._shown()}
        with closing(sqlite3.connect(copy)) as connection:
            self._examine(connection)
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone():
                return
            unfinished = "SELECT count(*) FROM inbox WHERE outcome IS NULL"
            due = connection.execute(
                "SELECT turn_id, body FROM outbox WHERE sent_version < version"
            ).fetchall()
            if due or connection.execute(unfinished).fetchone() != (0,):
                self.verdict.killed_at_work += 1
            for turn_id, body in due:
                if (turn_id, mark(body)) in shown:
                    self.window[turn_id, mark(body)] += 1

    def _examine(self, connection: sqlite3.Connection) -> None:
        for check in ("integrity_check", "foreign_key_check"):
            rows = [str(row) for row in connection.execute(f"PRAGMA {check}") if row != ("ok",)]
            self.verdict.broken += rows

    def _shown(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in _lines(self.folder / "shown")]

    def _judge(self) -> None:
        verdict, shown = self.verdict, self._shown()
        with closing(sqlite3.connect(file_of(self.folder))) as connection:
            self._examine(connection)
            outcomes = dict(connection.execute("SELECT turn_id, outcome FROM inbox"))
            handled = Counter(
                turn_id
                for (turn_id,) in connection.execute("SELECT item_id FROM taste_events WHERE kind = 'heard'")
            )
            sessions = {
                (platform_id, chat_id): json.loads(state).get("heard", [])
                for platform_id, chat_id, state in connection.execute(
                    "SELECT platform_id, chat_id, state FROM sessions JOIN users ON users.id = user_id"
                )
            }
        verdict.turns = len(self.turns)
        verdict.done = sum(outcome == "done" for outcome in outcomes.values())
        verdict.superseded = sum(outcome == "superseded" for outcome in outcomes.values())
        told = {line["turn"] for line in shown}
        for turn in self.turns:
            outcome = outcomes.get(turn.id)
            if outcome not in ("done", "superseded") or (outcome == "done" and turn.id not in told):
                verdict.lost.append(turn.id)
            if handled[turn.id] != (outcome == "done"):
                verdict.handled_twice.append(turn.id)
        for (person, chat), heard in sessions.items():
            lane = [t.id for t in self.turns if (t.person.id, t.chat.id) == (person, chat)]
            in_order = [turn_id for turn_id in lane if outcomes.get(turn_id) == "done"]
            if [turn_id for turn_id in heard if outcomes.get(turn_id) == "done"] != in_order:
                verdict.disordered.append(f"{person} in {chat}")
        # An edit made once more shows nothing twice: of a turn that is handled again, "찾는 중" say.
        messages = {(line["turn"], line["body"], line["message"]) for line in shown}
        for message, times in Counter((turn, body) for turn, body, _ in messages).items():
            verdict.shown_twice += [message] * (times - 1)
            verdict.shown_twice_outside += [message] * (times - 1 - self.window[message])


def file_of(folder: Path) -> Path:
    """The database of a trial."""
    return folder / "home" / "oneulmwo.db"


def _lines(path: Path) -> list[str]:
    """Whole lines: a kill may have cut the last one off."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def _write(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    asyncio.run(live(given.folder, given.whole))
