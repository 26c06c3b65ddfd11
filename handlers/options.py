"""What may be answered to a question of a survey: what is offered, and what else is understood when it is typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from data.item import Allergen, Domain, Item
from engine.allergies import avoided
from engine.taste import Question
from engine.words import person
from engine.writing import Writer
from handlers.memory import Answers
from handlers.room import Room

ALLERGENS: Final[tuple[str, ...]] = Allergen.__args__  # type: ignore[attr-defined]
OFFERED: Final = 60
"""Films of a grid: more pages nobody turns."""


async def options_of(room: Room, question: Question, given: Answers) -> list[tuple[str, str]]:
    """Values and labels of a question, those of the catalog included, what was typed in last."""
    if question.kind == "grid":
        writer = Writer(room.language)
        films = {item.id: item for item in await room.engine.catalog(Domain.MOVIE)}
        ages = [int(age) for age in given.get("age", ()) if age.isdecimal()]
        offered = [films[each] for each in question.first if each in films] or list(films.values())
        offered = [film for film in offered if not ages or (film.age is not None and film.age <= ages[0])]
        ticked = [films[each] for each in given.get(question.id, ()) if each in films]
        shown = {film.id: writer.title(film) for film in (*offered[:OFFERED], *ticked)}
        options = list(shown.items())
    elif question.kind == "people":
        chosen = given.get(question.id, ())
        names = [*chosen, *(n for n in _names(await room.engine.catalog(Domain.MOVIE)) if n not in chosen)]
        options = [(name, person(name, room.language)) for name in names]
    elif question.field == "allergens":
        options = [(value, room.words.say(f"label.allergens.{value}")) for value in ALLERGENS]
    else:
        options = [(option.id, option.labels[room.language]) for option in question.options]
    known = {value for value, _ in options}
    return options + [(v, _label(room, question, v)) for v in given.get(question.id, ()) if v not in known]


async def named(room: Room, question: Question, given: Answers) -> list[tuple[str, str, tuple[str, ...]]]:
    """Values, labels and other names of all that may be answered: of a grid far more than it offers."""
    if question.kind != "grid":
        return [(value, label, ()) for value, label in await options_of(room, question, given)]
    writer, films = Writer(room.language), await room.engine.catalog(Domain.MOVIE)
    return [(film.id, writer.title(film), (film.title, film.title_en or "", *film.aliases)) for film in films]


def _names(items: Sequence[Item]) -> list[str]:
    """Directors and actors of the catalog, those of most films first."""
    counts = Counter(name for item in items for name in dict.fromkeys((*item.creators, *item.people)))
    return [name for name, count in counts.most_common(45) if count > 1]


def _label(room: Room, question: Question, value: str) -> str:
    for option in question.options:
        if option.id == value:
            return option.labels[room.language]
    if question.field == "allergens":
        return (
            room.words.variants(f"label.allergens.{value}")[0]
            if value in ALLERGENS
            else avoided(value.removeprefix("other."), room.language)
        )
    return person(value, room.language) if question.kind == "people" else value
