"""How a card is headed on every platform: its number and the icon of its domain. Draws nothing."""

from __future__ import annotations

from typing import Final

from data.item import Domain
from handlers.turn import Card

ICONS: Final[dict[str, str]] = {Domain.BOOK: "📖", Domain.MOVIE: "🎬", Domain.FOOD: "🍚"}
FIT_MOST: Final = 10


def heading(card: Card, place: int, cards: int) -> str:
    """What stands before a card's title: its icon, and its number where several cards are shown."""
    icon = ICONS.get(card.domain, "✨")
    return f"{place}. {icon}" if cards > 1 else icon
