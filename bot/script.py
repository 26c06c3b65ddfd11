"""Scripts as a platform: a file of turns played, each reply printed, as one JSON object a line where that is wanted.

Nothing asks, colours or waits. Decides nothing: what it prints, other platforms show.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from rich.console import Console
from rich.text import Text as Styled

from bot.app import App
from bot.console import CARD_WIDTH, offered, render
from bot.delivery import Delivery
from data.phrases import phrases
from handlers.turn import (
    Attachment,
    Chat,
    Choice,
    Command,
    Location,
    Payload,
    Person,
    Press,
    Reply,
    Text,
    Turn,
)


class ScriptLine(BaseModel):
    """One line of a script: who says what where. Exactly one of text, press, command, location. In a chat of
    kind "group" other users of the script are too."""

    model_config = ConfigDict(extra="forbid")

    user: Annotated[str, Field(min_length=1, max_length=64)]
    chat: Annotated[str, Field(min_length=1, max_length=64)] = "c1"
    kind: Literal["private", "group"] = "private"
    text: str | None = None
    press: str | None = None
    command: str | None = None
    location: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> ScriptLine:
        said = [name for name in ("text", "press", "command", "location") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("give exactly one of text, press, command, location")
        return self

    def payload(self) -> Payload:
        if self.text is not None:
            return Text(self.text)
        if self.press is not None:
            return Press(self.press)
        if self.location is not None:
            return Location(*self.location)
        name, _, argument = (self.command or "").removeprefix("/").partition(" ")
        return Command(name, argument)


class Script:
    """A platform that plays a file of lines and prints every reply. `name` is stored with the mail.

    What a run that was killed left behind is printed first, as of turn 0.
    """

    name = "script"

    def __init__(self, out: TextIO, as_json: bool) -> None:
        self._out, self._json = out, as_json
        self._run = uuid.uuid4().hex[:8]
        self._terminal = Console(file=out, width=CARD_WIDTH, highlight=False, color_system=None)

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        line, user = self._line_of(turn_id)
        if self._json:
            print(json.dumps(as_object(reply, line, user), ensure_ascii=False), file=self._out, flush=True)
        elif not reply.interim:
            render(self._terminal, reply, phrases("ko"))
            if reply.file is not None:
                told = reply.file.name if reply.file.base64 else reply.file.text
                self._terminal.print(Styled(told), soft_wrap=True)
        return message_id or uuid.uuid4().hex[:12]

    async def play(self, app: App, path: Path, errors: TextIO) -> bool:
        """Play every line in order; False when some could not be read, each named on `errors`.

        Raises OSError when the file cannot be opened.
        """
        delivery = app.delivery(self)
        await delivery.recover()
        watching = asyncio.create_task(delivery.watch())
        try:
            await delivery.settle()
            return await self._play(app, delivery, path, errors)
        finally:
            await delivery.close(grace=0)
            await watching

    async def _play(self, app: App, delivery: Delivery, path: Path, errors: TextIO) -> bool:
        whole = True
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    said = ScriptLine.model_validate_json(line)
                except ValidationError as error:
                    first = error.errors(include_url=False, include_input=False)[0]
                    print(f"{path}:{number}: {first['msg']}", file=errors)
                    whole = False
                    continue
                chat = Chat(self.name, said.chat, said.kind)
                await app.rules.refresh()
                await delivery.take(
                    Turn(
                        f"{self._run}|{number}|{said.user}",
                        chat,
                        Person(said.user, said.user),
                        said.payload(),
                        time.time(),
                    )
                )
                await delivery.settle()
        return whole

    def _line_of(self, turn_id: str) -> tuple[int, str]:
        """The line (0 for another run's) and the user that a script's turn id names."""
        run, number, user = (*turn_id.split("|", 2), "", "")[:3]
        return int(number) if run == self._run and number.isdecimal() else 0, user


def as_object(reply: Reply, line: int, user: str) -> dict[str, Any]:
    """A reply as scripts get it."""
    return {
        "turn": line,
        "user": user,
        "slot": reply.slot or f"t{line}",
        "text": reply.text,
        "cards": [
            {
                "id": card.id, "domain": card.domain, "title": card.title, "fit": card.fit,
                "reason": card.reason, "benefit": card.benefit, "facts": list(card.facts), "url": card.url,
            }
            for card in reply.cards
        ],
        "choices": [_choice(choice) for choice in offered(reply)],
        "poll": {"question": reply.poll.question, "options": list(reply.poll.options)} if reply.poll else None,
        "private": reply.private,
    } | ({"file": _file(reply.file)} if reply.file else {})  # fmt: skip


def _file(file: Attachment) -> dict[str, Any]:
    return {name: value for name, value in asdict(file).items() if value is not False}


def _choice(choice: Choice) -> dict[str, str]:
    said = {"label": choice.label, "data": choice.data, "url": choice.url, "start": choice.start}
    return {name: value for name, value in said.items() if value or name in ("label", "data")}
