"""The terminal as a platform: replies as cards and numbered choices, or as one JSON object a line for scripts.

Without a terminal nothing asks, colours or waits. Decides nothing: what it shows, other platforms show.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text as Styled

from bot.app import App
from bot.cards import FIT_MOST, heading
from bot.delivery import Delivery
from data.phrases import Phrases, phrases
from handlers.ballot import ballots
from handlers.turn import (
    Attachment,
    Card,
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

CARD_WIDTH = 88
"""Columns of a card at most: longer lines are tiring to read."""


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
        else:
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


class Terminal:
    """The conversation of one person at a terminal, or at a pipe."""

    name = "console"

    def __init__(self, app: App, out: TextIO, interactive: bool) -> None:
        self._app = app
        self._interactive = interactive
        self._out = (
            Console(file=out, highlight=False, width=min(CARD_WIDTH, shutil.get_terminal_size().columns))
            if interactive
            else Console(file=out, highlight=False, color_system=None, width=CARD_WIDTH)
        )
        self._choices: tuple[Choice, ...] = ()
        self._words = phrases("ko")

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        if reply.choices or reply.cards or reply.poll:
            self._choices = _choices(reply)
        render(self._out, reply, self._words)
        if reply.file is not None:
            self._out.print(Styled(self._saved(reply.file)), soft_wrap=True)
        return message_id or uuid.uuid4().hex[:12]

    def _saved(self, file: Attachment) -> str:
        """Put a file under the home, where only its owner reads it, and say where."""
        path = self._app.settings.home.resolve() / "exports" / Path(file.name).name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(file.content)
        except OSError as error:  # raised, it would be tried again without end
            return self._words.say("console.file_failed", path=path, reason=error.strerror or "")
        return self._words.say("console.file", path=path)

    async def talk(self) -> None:
        """Greet, then answer line by line until the input ends."""
        delivery = self._app.delivery(self)
        await delivery.recover()
        async with self._app.beside(delivery):
            await delivery.settle()
            await self._converse(delivery)
        await delivery.close(grace=2)
        if self._interactive:
            self._out.print(self._words.say("console.bye"))

    async def _converse(self, delivery: Delivery) -> None:
        run = uuid.uuid4().hex[:8]
        number = 0

        async def say(payload: Payload) -> None:
            turn_id = f"{run}|{number}|me"
            await delivery.take(Turn(turn_id, Chat(self.name, "here"), Person("me"), payload, time.time()))
            await delivery.settle()

        await say(Command("start"))
        self._app.engine.korean.start()
        if self._interactive:
            self._out.print(Styled(self._words.say("console.welcome"), style="dim"))
        async for line in self._lines():
            if line.strip() in ("/quit", "/exit"):
                break
            number += 1
            await self._app.ready()
            if self._app.rebuilt:
                self._app.rebuilt = False
                self._out.print(self._words.say("console.rebuilt"))
            if (last := self._beyond(line)) is not None:
                self._out.print(self._words.say("console.no_choice", last=last))
                continue
            await say(self._payload(line))

    def _beyond(self, line: str) -> int | None:
        """The last number there is, when a line is a number that no choice has."""
        word, last = line.strip(), len(self._choices)
        return last if last and word.isdecimal() and not 1 <= int(word[:9]) <= last else None

    def _payload(self, line: str) -> Payload:
        """A number or a label is the choice shown with it; anything else is text."""
        word = line.strip()
        if word.isdecimal() and 1 <= int(word) <= len(self._choices):
            return _chosen(self._choices[int(word) - 1])
        for choice in self._choices:
            if word and word == choice.label:
                return _chosen(choice)
        return Text(line)

    async def _lines(self) -> AsyncIterator[str]:
        if not self._interactive:
            for line in sys.stdin:
                yield line.rstrip("\n")
            return
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import InMemoryHistory

        session: PromptSession[str] = PromptSession(history=InMemoryHistory())
        while True:
            try:
                yield await session.prompt_async("› ")
            except KeyboardInterrupt:
                continue
            except EOFError:
                return


def _chosen(choice: Choice) -> Payload:
    return Command("start", choice.start) if choice.start else Press(choice.data)


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
        "choices": [_choice(choice) for choice in _choices(reply)],
        "poll": {"question": reply.poll.question, "options": list(reply.poll.options)} if reply.poll else None,
        "private": reply.private,
    } | ({"file": _file(reply.file)} if reply.file else {})  # fmt: skip


def _choices(reply: Reply) -> tuple[Choice, ...]:
    """What can be chosen of a reply: there are no polls here, so their options are buttons."""
    return (*reply.choices, *ballots(reply))


def _file(file: Attachment) -> dict[str, Any]:
    return {name: value for name, value in asdict(file).items() if value is not False}


def _choice(choice: Choice) -> dict[str, str]:
    said = {"label": choice.label, "data": choice.data, "url": choice.url, "start": choice.start}
    return {name: value for name, value in said.items() if value or name in ("label", "data")}


def render(out: Console, reply: Reply, words: Phrases) -> None:
    """Show a reply: its text, its cards with their own buttons, then the other choices, all numbered."""
    numbered = list(enumerate(_choices(reply), 1))
    asked = reply.poll.question if reply.poll and not reply.poll.closed else ""
    for line in (*reply.text.splitlines(), *asked.splitlines()):
        out.print(Styled(line), soft_wrap="://" in line)  # an address that is cut leads nowhere
    for place, card in enumerate(reply.cards, 1):
        own = [(n, c) for n, c in numbered if _belongs(c, place, len(reply.cards))]
        out.print(_panel(card, place, len(reply.cards), own, words))
    rest = [
        (n, c)
        for n, c in numbered
        if not reply.cards
        or not any(_belongs(c, p, len(reply.cards)) for p in range(1, len(reply.cards) + 1))
    ]
    for row in _rows(rest):
        labels = Styled("  ")
        for number, choice in row:
            labels.append(f"{number} ", style="bold cyan").append(f"{choice.label}   ")
            if choice.url:
                labels.append(f"{choice.url}   ", style="dim")
        out.print(labels, soft_wrap="://" in labels.plain)
    out.print()


def _belongs(choice: Choice, place: int, cards: int) -> bool:
    """Whether a choice is one of a card's own buttons: feedback that names its position."""
    return choice.data.startswith("fb:") and (cards == 1 or choice.data.endswith(f":{place}"))


def _panel(card: Card, place: int, cards: int, own: Iterable[tuple[int, Choice]], words: Phrases) -> Panel:
    body: list[Any] = [Styled(" · ".join(card.facts), style="dim")] if card.facts else []
    body.append(Padding(Styled(card.reason), (1, 0, 0, 0)))
    if card.benefit:
        body.append(Styled(card.benefit, style="green"))
    buttons = Styled()
    for number, choice in own:
        buttons.append(f"{number} ", style="bold cyan").append(f"{choice.label.split()[-1]}   ")
    if buttons.plain:
        body.append(Padding(buttons, (1, 0, 0, 0)))
    title = f"{heading(card, place, cards)} {card.title}"
    fit = f"{words.say('console.fit')} {card.fit}/{FIT_MOST}" if card.fit else None
    return Panel(
        Group(*body), title=Styled(title, style="bold not dim"), title_align="left", subtitle=fit,
        subtitle_align="right", width=CARD_WIDTH, padding=(0, 2), border_style="dim",
    )  # fmt: skip


def _rows(choices: Iterable[tuple[int, Choice]]) -> Iterator[list[tuple[int, Choice]]]:
    row: list[tuple[int, Choice]] = []
    for number, choice in choices:
        if row and choice.row != row[-1][1].row:
            yield row
            row = []
        row.append((number, choice))
    if row:
        yield row
