"""The terminal as a platform: replies as cards and numbered choices.

Without a terminal nothing asks, colours or waits. Decides nothing: what it shows, other platforms show.
"""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
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
    Payload,
    Person,
    Press,
    Reply,
    Text,
    Turn,
)

CARD_WIDTH = 88
"""Columns of a card at most: longer lines are tiring to read."""


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
        self._growing: Live | None = None
        """What is shown of an answer that is still being written, until the whole of it takes its place."""

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        if reply.interim:
            if self._interactive:
                self._grow(reply)
            return message_id or uuid.uuid4().hex[:12]
        if self._growing is not None:
            self._growing.stop()
            self._growing = None
        if reply.choices or reply.cards or reply.poll:
            self._choices = offered(reply)
        render(self._out, reply, self._words)
        if reply.file is not None:
            self._out.print(Styled(self._saved(reply.file)), soft_wrap=True)
        return message_id or uuid.uuid4().hex[:12]

    def _grow(self, reply: Reply) -> None:
        if self._growing is None:
            self._growing = Live(console=self._out, auto_refresh=False, transient=True)
            self._growing.start()
        cards = [_panel(card, n, len(reply.cards), (), self._words) for n, card in enumerate(reply.cards, 1)]
        self._growing.update(Group(Styled(reply.text), *cards), refresh=True)

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


def offered(reply: Reply) -> tuple[Choice, ...]:
    """What can be chosen of a reply: there are no polls here, so their options are buttons."""
    return (*reply.choices, *ballots(reply))


def render(out: Console, reply: Reply, words: Phrases) -> None:
    """Show a reply: its text, its cards with their own buttons, then the other choices, all numbered."""
    numbered = list(enumerate(offered(reply), 1))
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
    body += [Padding(Styled(card.reason), (1, 0, 0, 0))] if card.reason else []
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
