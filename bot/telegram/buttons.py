"""Choices as Telegram's inline keyboards, and what a pressed button of theirs says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.telegram.keyboard import Key, Seals, keyboard
from handlers.turn import Choice
from storage import buttons
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Buttons:
    """Those of one bot: its seals, and the name that its deep links lead to."""

    seals: Seals
    username: str
    database: Database

    async def shown(self, choices: Sequence[Choice]) -> InlineKeyboardMarkup | None:
        """The keyboard; what has no room in a button is kept for when it is pressed."""
        made = keyboard(choices, self.seals, self.username)
        if made.kept:
            async with self.database.writing() as connection:
                await buttons.keep(connection, made.kept)
        if not made.rows:
            return None
        return InlineKeyboardMarkup(
            [
                [
                    InlineKeyboardButton(each.label, each.url or None, each.callback_data or None)
                    for each in row
                ]
                for row in made.rows
            ]
        )

    async def said(self, callback_data: str) -> str | None:
        """What a pressed button says, None for a forgery."""
        opened = self.seals.open(callback_data)
        if not isinstance(opened, Key):
            return opened
        async with self.database.reading() as connection:
            return await buttons.meaning(connection, opened.key)
