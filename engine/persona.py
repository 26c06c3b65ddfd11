"""A persona: what is known of a taste in a few sentences that the person may read and correct.

Says only what was answered, told or liked; knows no database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from data.item import BOOK_GENRES, MOVIE_GENRES, Domain, Item
from data.phrases import Language, phrases
from engine.allergies import avoided
from engine.quantities import Range
from engine.ranking import COMMON
from engine.request import DEFAULT_COUNT, Exclude, Request, union
from engine.taste import Taste
from engine.words import labels

NAMED: Final = 3
"""Things that one sentence names at most."""
LIKED_READ: Final = 60
"""Liked items, the latest, that a persona is drawn from."""
_OF_WORKS: Final = ("genres", "effects", "country", "creators", "people", "immersion")
_LISTED: Final = ("genres", "effects", "cuisine", "country", "creators", "people", "ingredients")
_EXCLUDED: Final = ("genres", "cuisine", "country", "creators", "people")
_OF_FOOD: Final = ("cuisine", "effects", "spicy", "soupy", "served", "ingredients")
_GENRES: Final[Mapping[Domain, Sequence[str]]] = {
    Domain.BOOK: BOOK_GENRES, Domain.MOVIE: MOVIE_GENRES, Domain.FOOD: (),
}  # fmt: skip


def told(said: Request) -> dict[Domain, Request]:
    """What a sentence about a taste ("나 공포 안 좋아해") says of each domain, as requests that always hold.

    A genre of both books and films, said without either, counts for both.
    """
    found = {}
    for domain in [said.domain] if said.domain else list(Domain):
        names = _OF_FOOD if domain is Domain.FOOD else _OF_WORKS
        wishes: dict[str, Any] = {name: getattr(said, name) for name in names}
        out: dict[str, Any] = {
            name: getattr(said.exclude, name)
            for name in ("genres", "cuisine", "country", "creators", "people")
        }
        if domain is Domain.FOOD:
            out |= {"genres": (), "creators": (), "people": ()}
        else:
            wishes["genres"] = tuple(g for g in said.genres if g in _GENRES[domain])
            out |= {"genres": tuple(g for g in said.exclude.genres if g in _GENRES[domain]), "cuisine": ()}
        request = Request(domain=domain, **wishes, exclude=Exclude(**out))
        if not request.is_open:
            found[domain] = request
    return found


def corrected(before: Mapping[str, Request], said: Mapping[Domain, Request]) -> dict[str, Request]:
    """What was told before, as a new sentence changes it: the new one counts where the two disagree."""
    after = dict(before)
    for domain, request in said.items():
        old = after.get(str(domain), Request(domain=domain))
        both: dict[str, Any] = {
            name: tuple(
                value
                for value in union(getattr(old, name), getattr(request, name))
                if value not in getattr(request.exclude, name, ())
            )
            for name in _LISTED
        }
        after[str(domain)] = replace(old.refined(request), text="", count=DEFAULT_COUNT, **both)
    return after


def statements(told: Mapping[str, Request]) -> list[tuple[str, str, str, str]]:
    """Everything told, one by one and none twice: (domain, "wish" or "exclude", field, value)."""
    found: list[tuple[str, str, str, str]] = []
    for domain, request in told.items():
        for name in _LISTED:
            found += [(domain, "wish", name, value) for value in getattr(request, name)]
        for name in _EXCLUDED:
            found += [(domain, "exclude", name, value) for value in getattr(request.exclude, name)]
        if request.spicy:
            found.append((domain, "wish" if request.spicy.high is None else "exclude", "spicy", "hot"))
    return list({statement[1:]: statement for statement in reversed(found)}.values())[::-1]


def without(told: Mapping[str, Request], statement: tuple[str, str, str, str]) -> dict[str, Request]:
    """What was told without one statement of it, whatever domain it was told of."""
    _, side, name, value = statement
    after = {}
    for domain, request in told.items():
        of = request if side == "wish" else request.exclude
        fewer: dict[str, Any] = {}
        if name == "spicy":
            fewer = {"spicy": Range()}
        elif side == "wish":
            fewer = {name: tuple(v for v in getattr(of, name) if v != value)}
        else:
            left: dict[str, Any] = {name: tuple(v for v in getattr(of, name) if v != value)}
            fewer = {"exclude": replace(request.exclude, **left)}
        after[domain] = replace(request, **fewer)
    return {domain: request for domain, request in after.items() if not request.is_open}


def label(statement: tuple[str, str, str, str], language: Language) -> str:
    """One statement's value as a person reads it."""
    domain, _, name, value = statement
    if name == "genres":
        return labels(language).genre(Domain(domain), value)
    if name == "spicy":
        return phrases(language).say("persona.spicy_name")
    return labels(language).of(name, value)


def describe(taste: Taste, liked: Sequence[Item], language: Language) -> list[str]:
    """The persona's sentences, what tells most first; empty when nothing is known.

    `liked` are the items liked, oldest first.
    """
    words, named = phrases(language), labels(language)
    lines: list[str] = []

    def say(key: str, names: Iterable[str]) -> None:
        if some := list(dict.fromkeys(names))[:NAMED]:
            lines.append(words.say(f"persona.{key}", names=words.fill(", ".join(some))))

    for domain in Domain:
        mine = [item for item in liked if item.domain is domain]
        wishes = taste.wishes.get(domain, Request(domain=domain))
        if domain is Domain.FOOD:
            values = (*wishes.cuisine, *_common((item.cuisine,) for item in mine if item.cuisine))
            say("cuisine", (named.of("cuisine", v) for v in values if v not in wishes.exclude.cuisine))
        else:
            values = (*wishes.genres, *_common(item.genres for item in mine))
            say(
                f"genres.{domain}", (named.genre(domain, v) for v in values if v not in wishes.exclude.genres)
            )
        say("people", (named.of("people", v) for v in (*wishes.people, *wishes.creators)))
        say("country", (named.of("country", v) for v in wishes.country))
        out = wishes.exclude
        say(f"avoids.{domain}", (
            *(named.genre(domain, v) for v in out.genres), *(named.of("cuisine", v) for v in out.cuisine),
            *(named.of("country", v) for v in out.country),
            *(named.of("people", v) for v in (*out.creators, *out.people)),
        ))  # fmt: skip
    effects = [e for wishes in taste.wishes.values() for e in wishes.effects]
    say("effects", (named.of("effects", v) for v in (*effects, *_common(item.effects for item in liked))))
    titles = [item.title if language == "ko" else item.title_en or item.title for item in reversed(liked)]
    say("liked", (f"'{title}'" for title in titles))
    if taste.spicy is not None:
        lines.append(words.say(f"persona.spicy.{taste.spicy}"))
    say("diet", (named.of("diet", v) for v in taste.diet))
    say("allergies", (
        *(named.of("allergens", v) for v in taste.allergens), *(avoided(v, language) for v in taste.avoid),
    ))  # fmt: skip
    return lines


def _common(each: Iterable[Iterable[str]]) -> list[str]:
    """Values that at least two items share, the most shared first."""
    counts = Counter(value for values in each for value in values if value not in COMMON)
    return [value for value, count in counts.most_common() if count > 1]
