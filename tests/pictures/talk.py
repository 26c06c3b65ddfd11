"""A talk of one person with the program, through our markup and the Bot API server of the tests: docs/telegram.png.

    python -m tests.pictures.talk MESSAGES.json

What it writes, tests/pictures/telegram.py draws. A line is what the person says, "/" a command, "→" a button's label.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bot.app import App, opened
from bot.settings import Settings
from bot.telegram.keyboard import Button, Seals, keyboard
from bot.telegram.markup import render
from handlers.turn import Chat, Command, Payload, Press, Reply, Text, Turn
from handlers.turn import Person as Speaker
from tests.botapi import TOKEN
from tests.botmethods import Methods
from tests.botworld import BOT, Json

TALK = (
    ("/start", "우울한데 웃긴 영화 두 편만", "1번 좋아"),
    ("비 오는 날 뜨끈한 국물", "다 괜찮은데 뭐가 제일 나아?"),
    (
        "/survey movie",
        "→네, 기억해 주세요",
        "→20대",
        "→건너뛰기",
        "→파묘",
        "→사랑의 하츄핑",
        "내 취향이 뭐야?",
        "/profile",
    ),
)
BEGIN = 1_795_309_260.0
"""When the talk takes place, in Unix seconds."""


class Phone:
    """A platform that sends what it is told to show to a Bot API server, and presses what stands there."""

    name = "telegram"

    def __init__(self) -> None:
        self.api = Methods()
        self.person = self.api.world.person("민지")
        self.seals = Seals.of_token(TOKEN)
        self.kept: dict[str, str] = {}
        self.last: Json = {}

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        made = keyboard(reply.choices, self.seals, str(BOT["username"]))
        self.kept |= made.kept
        parts = render(reply)
        for number, part in enumerate(parts, 1):
            said: dict[str, Any] = {"chat_id": int(chat_id), "text": part.html, "parse_mode": "HTML"}
            if number == len(parts):
                said["reply_markup"] = {
                    "inline_keyboard": [[_key(each) for each in row] for row in made.rows]
                }
            if message_id:
                self.last = self.api.do_editmessagetext(said | {"message_id": int(message_id)})
            else:
                self.last = self.api.do_sendmessage(said)
        return str(self.last["message_id"])

    def said(self, line: str) -> Payload:
        if line.startswith("→"):
            rows = self.last["reply_markup"]["inline_keyboard"]
            data = {key["text"]: key["callback_data"] for row in rows for key in row}
            meant = self.seals.open(data.get(line[1:], ""))
            assert meant is not None, list(data)
            return Press(meant if isinstance(meant, str) else self.kept[meant.key])
        self.api.world.say(self.person, None, line)
        name, _, argument = line.removeprefix("/").partition(" ")
        return Command(name, argument) if line.startswith("/") else Text(line)


def _key(button: Button) -> Json:
    return {"text": button.label} | (
        {"url": button.url} if button.url else {"callback_data": button.callback_data}
    )


async def talk(app: App) -> list[list[Json]]:
    """What stands in the chat in the end, a list for each part of the talk."""
    phone = Phone()
    delivery = app.delivery(phone)
    columns: list[list[Json]] = []
    for place, lines in enumerate(TALK):
        phone.api.world.messages.clear()
        for number, line in enumerate(lines):
            at = BEGIN + 600 * place + 20 * number
            turn = Turn(
                f"{place}.{number}",
                Chat(phone.name, str(phone.person.id)),
                Speaker(str(phone.person.id)),
                phone.said(line),
                time.time(),
            )
            await delivery.take(turn)
            await delivery.settle()
            for message in phone.api.world.messages.values():
                message.setdefault("drawn", at)
        columns.append([m | {"date": m["drawn"]} for m in phone.api.world.messages.values()])
    await delivery.close(5)
    return columns


async def main() -> list[list[Json]]:
    with tempfile.TemporaryDirectory() as home:
        async with opened(Settings(home=Path(home), turns_per_minute=0)) as app:
            return await talk(app)


if __name__ == "__main__":
    shown = json.dumps(asyncio.run(main()), ensure_ascii=False, indent=1)
    Path(sys.argv[1]).write_text(shown, encoding="utf-8")
