"""What must not be eaten: told in words, kept, listed, taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator

from data.item import Domain
from engine.allergies import Named, avoided
from engine.request import Request, union
from engine.taste import Taste
from handlers import memory
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn

QUESTION = "allergies"
"""The survey question that remembers them."""


async def keep(room: Room, request: Request) -> None:
    """Keep what a text says must not be eaten, whatever else the text was about: for good with consent."""
    told = [*request.allergens, *(f"other.{name}" for name in request.avoid)]
    limits = room.session.setdefault("limits", {})
    for name in ("allergens", "avoid", "diet"):
        limits[name] = list(union(limits.get(name, ()), getattr(request, name)))
    if told and room.consent:
        given = (await memory.survey_answers(room)).get(Domain.FOOD, {})
        memory.keep_answers(room, Domain.FOOD, given | {QUESTION: list(union(given.get(QUESTION, ()), told))})


async def show(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """The allergies known, and where to change them; in a group only for the asker."""
    known = await memory.known_taste(room)
    names = names_of(room, known.allergens, known.avoid)
    say = room.words.say
    key = "none" if not names else "list" if room.consent else "list_talk"
    text = say(f"limits.{key}", names=", ".join(names))
    yield Reply(
        text=text,
        choices=(Choice(say("button.change_allergies"), f"survey:{Domain.FOOD}:{QUESTION}:ask", 1),),
        private=turn.chat.kind != "private",
    )


async def retract(turn: Turn, room: Room, gone: Named | None) -> AsyncIterator[Reply]:
    """Take back allergies: those named, or all of them when `gone` is None."""
    known = await memory.known_taste(room)
    labels, others = gone if gone is not None else (known.allergens, known.avoid)
    labels = tuple(name for name in labels if name in known.allergens)
    others = tuple(name for name in others if name in known.avoid)
    limits = room.session.get("limits", {})
    limits["allergens"] = [name for name in limits.get("allergens", ()) if name not in labels]
    limits["avoid"] = [name for name in limits.get("avoid", ()) if name not in others]
    given = (await memory.survey_answers(room)).get(Domain.FOOD, {})
    dropped = {*labels, *(f"other.{name}" for name in others)}
    if dropped & set(given.get(QUESTION, ())):
        left = [name for name in given[QUESTION] if name not in dropped]
        memory.keep_answers(room, Domain.FOOD, given | {QUESTION: left})
    if raw := room.session.get("request"):
        raw["allergens"] = [name for name in raw.get("allergens", ()) if name not in labels]
        raw["avoid"] = [name for name in raw.get("avoid", ()) if name not in others]
    say = room.words.say
    names = names_of(room, labels, others)
    if not names:
        yield Reply(text=say("limits.not_known"))
        return
    left = names_of(
        room, [n for n in known.allergens if n not in labels], [n for n in known.avoid if n not in others]
    )
    lines = [say("limits.retracted", names=", ".join(names))]
    if left:
        lines.append(say("limits.still", names=", ".join(left)))
    yield Reply(
        text=" ".join(lines), choices=(Choice(say("button.begin.food"), "d:food", 1),),
        private=turn.chat.kind != "private",
    )  # fmt: skip


async def ask(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """An allergy was told without its name: which one, one press or word away."""
    say = room.words.say
    yield Reply(
        text=say("limits.which"),
        choices=(Choice(say("button.change_allergies"), f"survey:{Domain.FOOD}:{QUESTION}:ask", 1),),
    )


def all_of(room: Room, known: Taste) -> list[str]:
    """Allergies and diets as a person reads them."""
    diets = [room.words.say(f"label.diet.{name}") for name in known.diet]
    return [*names_of(room, known.allergens, known.avoid), *diets]


def names_of(
    room: Room, allergens: tuple[str, ...] | list[str], avoid: tuple[str, ...] | list[str]
) -> list[str]:
    """Allergies as a person reads them."""
    labels = [room.words.variants(f"label.allergens.{name}") or [name] for name in allergens]
    return [*(label[0] for label in labels), *(avoided(name, room.language) for name in avoid)]
