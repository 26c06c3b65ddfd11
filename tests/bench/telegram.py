"""The bot in Telegram, in a process of its own, against the local Bot API server of the tests over real HTTP.

    make bench
    python -m tests.bench.telegram [TURNS]

First an open loop: turns arrive at 50 private chats by a schedule drawn before (Poisson, with a seed), whether or not
earlier ones are answered; the first sign is "typing" or text, the answer the message with cards, both counted from the
scheduled arrival. Then a storm: 200 groups, each of which asks on as soon as it has its answer, while calls are refused
(429) and connections cut. Every answer replies to its question, so that lost, doubled and swapped ones are counted. A
connection that is cut after a message was taken cannot be told from one before: those are counted for themselves.
Milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.baseline import percentile, texts
from tests.botapi import TOKEN, BotApi, serving
from tests.botworld import BOT, Chat, Json, Person

RATE, SECONDS, CHATS = 10, 60.0, 50
TURNS, GROUPS = 10_000, 200
REFUSED, CUT = 0.02, 0.01
"""Shares of turns before whose answer Telegram says 429, or hangs up."""
PATIENCE = 120.0
"""Seconds after which a turn counts as lost."""


class Told(list[tuple[str, Json]]):
    """What the bot did, with when; whoever waits for a chat is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []
        self.heard: dict[int, asyncio.Event] = {}

    def append(self, done: tuple[str, Json]) -> None:
        super().append(done)
        self.times.append(time.perf_counter())
        if (event := self.heard.get(done[1]["chat"]["id"])) is not None:
            event.set()

    def clear(self) -> None:
        super().clear()
        self.times.clear()


async def main(turns: int) -> None:
    async with serving() as api:
        api.world.told = told = Told()
        with tempfile.TemporaryDirectory() as home:
            async with _bot(api, Path(home)) as process:
                await _warm_up(api, told)
                await _open_loop(api, told)
                await _storm(api, told, process.pid, turns)


@asynccontextmanager
async def _bot(api: BotApi, home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    told = {
        "HOME": str(home), "TELEGRAM_TOKEN": TOKEN, "TELEGRAM_API_URL": f"http://127.0.0.1:{api.port}",
        "TURNS_PER_MINUTE": "0", "LOG_LEVEL": "ERROR",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from bot.cli import main; main()", "telegram",
        env=os.environ | {f"ONEULMWO_{name}": value for name, value in told.items()},
    )  # fmt: skip
    try:
        await asyncio.wait_for(api.polled.wait(), PATIENCE)
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _warm_up(api: BotApi, told: Told) -> None:
    for text in ("웃긴 영화", "따뜻한 책", "매운 음식"):
        person = api.world.person()
        api.world.say(person, None, text)
        await _answers(told, api.world.private(person), 1)


async def _answers(told: Told, chat: Chat, count: int) -> None:
    event = told.heard.setdefault(chat.id, asyncio.Event())
    async with asyncio.timeout(PATIENCE):
        while sum(verb == "send" and m["chat"]["id"] == chat.id for verb, m in told) < count:
            event.clear()
            await event.wait()


async def _open_loop(api: BotApi, told: Told) -> None:
    people, asked, chance = [api.world.person() for _ in range(CHATS)], texts(), random.Random(5)
    at, schedule = 0.0, []
    while (at := at + chance.expovariate(RATE)) < SECONDS:
        schedule.append(at)
    start, before = time.perf_counter(), len(told)
    arrivals: dict[int, list[float]] = {person.id: [] for person in people}
    for number, at in enumerate(schedule):
        await asyncio.sleep(start + at - time.perf_counter())
        person = people[number % CHATS]
        arrivals[person.id].append(start + at)
        api.world.say(person, None, next(asked))
    await asyncio.sleep(3.0)
    signs, answers = list[float](), list[float]()
    for person in people:
        done = [
            (when, verb, message)
            for (verb, message), when in zip(told[before:], told.times[before:], strict=True)
            if message["chat"]["id"] == person.id
        ]
        ends = [*arrivals[person.id][1:], float("inf")][: len(arrivals[person.id])]
        for arrived, next_one in zip(arrivals[person.id], ends, strict=True):
            mine = [each for each in done if arrived <= each[0] < next_one]
            if mine:
                signs.append((mine[0][0] - arrived) * 1000)
            answers += [(when - arrived) * 1000 for when, verb, _ in mine if verb == "send"][:1]
    print(f"{len(schedule)} turns at {RATE} a second over {CHATS} chats, {len(answers)} answered")
    for name, taken in (("first sign", signs), ("full answer", answers)):
        print(
            f"  {name:<12} median {statistics.median(taken):7.1f}  p95 {percentile(taken, 0.95):7.1f}  "
            f"p99 {percentile(taken, 0.99):7.1f}  max {max(taken):7.1f}"
        )


async def _storm(api: BotApi, told: Told, pid: int, turns: int) -> None:
    chance, asked = random.Random(6), texts()
    memory, began, done = list[float](), time.perf_counter(), 0
    lost = swapped = refused = cut = 0
    seen = Counter[tuple[int, int]]()

    async def ask(group: Chat, person: Person, count: int) -> None:
        nonlocal done, lost, swapped, refused, cut
        event = told.heard.setdefault(group.id, asyncio.Event())
        latest = 0
        for _ in range(count):
            if chance.random() < REFUSED:
                api.flood(1, chat=group, method="sendMessage")
                refused += 1
            if chance.random() < CUT:
                api.hang_up("before", chance.choice(("sendMessage", "getUpdates", "sendChatAction")))
                cut += 1
            if chance.random() < CUT:
                api.hang_up("midway", "getUpdates")
                cut += 1
            question = api.world.say(person, group, f"@{BOT['username']} {next(asked)}")["message_id"]
            try:
                async with asyncio.timeout(PATIENCE):
                    while not _answered(api, group, question):
                        event.clear()
                        await event.wait()
            except TimeoutError:
                lost += 1
            for message in api.world.shown(group):
                if (answers := message.get("reply_to_message", {}).get("message_id")) is not None:
                    seen[group.id, answers] += 1
                    swapped += answers < latest
                    latest = max(latest, answers)
            _forget(api, group)
            done += 1
            if done % (turns // 10 or 1) == 0:
                memory.append(_held(pid))

    people = [api.world.person() for _ in range(GROUPS)]
    groups = [api.world.supergroup(person) for person in people]
    await asyncio.gather(
        *(ask(group, person, turns // GROUPS) for group, person in zip(groups, people, strict=True))
    )
    await asyncio.sleep(3.0)
    doubled = sum(count - 1 for count in seen.values())
    took = time.perf_counter() - began
    print(
        f"{done} turns of {GROUPS} groups in {took:.0f} s ({done / took:.1f}/s): lost {lost}, doubled {doubled}, "
        f"out of order {swapped}; {refused} times 429, {cut} connections cut"
    )
    print(f"  memory by tenths, MB: {'  '.join(f'{each:.0f}' for each in memory)}")


def _answered(api: BotApi, group: Chat, question: int) -> bool:
    return any(m.get("reply_to_message", {}).get("message_id") == question for m in api.world.shown(group))


def _forget(api: BotApi, group: Chat) -> None:
    """The server's own memory must not grow: what was counted goes."""
    for place in [place for place in api.world.messages if place[0] == group.id]:
        del api.world.messages[place]
    api.world.told.clear()
    api.world.history.clear()
    del api.calls[:-1]


def _held(pid: int) -> float:
    """Memory of the bot's process, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else TURNS))
