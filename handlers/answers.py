"""What a person answered: remembered with consent, else held for this talk only."""

from __future__ import annotations

from dataclasses import replace

from data.item import Domain
from data.phrases import Phrases
from engine.allergies import avoided
from engine.request import union
from engine.taste import Taste
from handlers.room import Room
from storage import taste, users

Answers = dict[str, list[str]]
"""Values by question of one survey."""


async def answers(room: Room, domain: Domain) -> Answers:
    """What was answered so far, remembered or in this talk."""
    remembered: dict[str, Answers] = await room.read(taste.answers, room.user.id)
    return {**remembered.get(domain, {}), **room.session.get("answers", {}).get(domain, {})}


def keep(room: Room, domain: Domain, given: Answers) -> None:
    """Keep the answers of a domain: for good with consent, else in this talk."""
    if room.user.consent:
        room.write(taste.save_answers, room.user.id, str(domain), given)
        room.session.get("answers", {}).pop(domain, None)
    else:
        room.session.setdefault("answers", {})[str(domain)] = given


def agree(room: Room, consent: bool) -> None:
    """Keep whether moods, body states and allergies may be remembered; what this talk holds goes along."""
    room.user = replace(room.user, consent=consent)
    room.write(users.set_consent, room.user.id, consent)
    if consent:
        for domain, given in room.session.pop("answers", {}).items():
            room.write(taste.save_answers, room.user.id, domain, given)


def limit_names(words: Phrases, known: Taste) -> list[str]:
    """What the person must not or does not eat, as one reads it."""
    named = [words.say(f"label.allergens.{name}") for name in known.allergens]
    named += [avoided(name, words.language) for name in known.avoid]
    return named + [words.say(f"label.diet.{name}") for name in known.diet]


def told_limits(room: Room) -> tuple[list[str], list[str]]:
    """What this talk was told must not be eaten, as answers of the food survey: allergies, diets."""
    limits = room.session.get("limits", {})
    others = [f"other.{name}" for name in limits.get("avoid", ())]
    return [*limits.get("allergens", ()), *others], list(limits.get("diet", ()))


async def remember_all(room: Room) -> None:
    """Agree, and remember what this talk was told: answers, allergies and diets."""
    given = await answers(room, Domain.FOOD)
    agree(room, True)
    for question, told in zip(("allergies", "diet"), told_limits(room), strict=True):
        if told:
            given |= {question: [v for v in union(given.get(question, ()), told) if v != "none"]}
    if given:
        keep(room, Domain.FOOD, given)
