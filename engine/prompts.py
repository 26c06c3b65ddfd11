"""Every prompt, one place for serving and for training: from our own types to messages, and nothing else.

The words stand in `data/prompts/{ko,en}.toml`. What people and catalogs say goes in as quoted data, in sections that it
can neither open nor close. What a model need not know does not: allergies, diets, ages, names of people who ask.
A system part depends on adapter, size and language alone, so that a server may keep what it made of it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from data.item import Domain, Item
from data.phrases import Language, Phrases
from engine.grounds import Ground
from engine.persona import describe
from engine.quoting import discreet, quoted, tokens
from engine.request import Request
from engine.taste import Taste, survey
from engine.vocabulary import LISTS, NAMES, ONES
from engine.words import labels, title

Size = Literal["short", "full"]
Count = Callable[[str], int]
"""Tells how many tokens a text is at most."""

LIMIT: Final = 3_600
"""Tokens of a whole prompt; what is longer loses the oldest of the talk, then what is told of each candidate."""
TALK_CHARS, TALK_LINES, TALK_TOKENS = 200, 12, 700
"""What of one line of the talk is told, of how many, and how much of it altogether."""
SAYS: Final = 6
"""Sentences of a person's own answers, the latest."""
SUMMARY_CHARS, WHOLE_CHARS = (110, 50, 0), 400
"""What of each candidate's summary is told, where that is too long altogether, less; and of a single item's."""
LABEL_CHARS: Final[Mapping[Language, int]] = {"ko": 20, "en": 32}
"""The longest question that a button may have."""
PARTS: Final[Mapping[Size, tuple[str, ...]]] = {
    "short": ("reason", "benefit"), "full": ("reason", "benefit", "fit", "question"),
}  # fmt: skip
"""The lines of a reply, in order."""
_WISHES: Final = (
    "genres", "cuisine", "meals", "moods", "body", "effects", "situations", "immersion", "country", "creators",
    "people", "served", "ingredients",
)  # fmt: skip
_UNTOLD: Final = frozenset({"without", "diet", "survey", "item", "domain", "asked", "open"})
"""Grounds that tell of a limit, or nothing that was asked for today."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the talk so far."""

    who: Literal["user", "bot"]
    text: str


def persona(taste: Taste, liked: Sequence[Item], language: Language) -> list[str]:
    """What a prompt may tell of a person: the persona's sentences without allergies and diet, then what they answered.

    `liked` are the items liked, oldest first.
    """
    told = replace(taste, allergens=(), avoid=(), diet=(), age=None)
    said = [words for words in dict.fromkeys(taste.says) if words not in _ruled() and discreet(words)]
    return [*describe(told, liked, language), *map(discreet, said[-SAYS:])]


def rank(
    request: Request,
    persona: Sequence[str],
    talk: Sequence[Line],
    candidates: Sequence[Item],
    language: Language,
    letters: Sequence[str],
    *,
    limit: int = LIMIT,
    count: Count = tokens,
) -> list[dict[str, str]]:
    """Which of the candidates fits best, to be answered with its letter; `letters` are as many as they."""
    system = _system("rank", language)
    parts: list[str] = []
    heads = [
        f"{letter}. {_brief(item, language, cast=False)}"
        for letter, item in zip(letters, candidates, strict=True)
    ]
    for chars in SUMMARY_CHARS:
        listed = [
            f"{head}{_summary(item, language, chars)}" for head, item in zip(heads, candidates, strict=True)
        ]
        parts = [*_request(request, language), *_section("candidates", listed, language)]
        if count("\n".join((system, *persona, *parts))) <= limit - TALK_TOKENS:
            break
    return _messages(system, persona, talk, parts, "rank", language, limit, count)


def reply(
    request: Request,
    persona: Sequence[str],
    talk: Sequence[Line],
    item: Item,
    grounds: Sequence[Ground],
    language: Language,
    size: Size = "short",
    *,
    limit: int = LIMIT,
    count: Count = tokens,
) -> list[dict[str, str]]:
    """Why an item fits, to be answered in labelled lines (`engine/review.py` reads them).

    What is told before the item is the same for every pick of one answer.
    """
    told = [_brief(item, language) + _summary(item, language, WHOLE_CHARS)]
    pitches = (item.pitch if language == "ko" else item.pitch_en) or item.pitch
    told += [_words(language).say("fact.pitch", text=quoted(pitch)) for pitch in pitches]
    if meant := list(dict.fromkeys(_meant(grounds, language))):
        told.append(_words(language).say("said.meant", names=", ".join(meant)))
    parts = [*_request(request, language), *_section("item", told, language)]
    return _messages(_system("reply", language, size), persona, talk, parts, "reply", language, limit, count)


def question(request: Request, shipped: str, name: str, language: Language) -> list[dict[str, str]]:
    """How a button could ask what it asks; `shipped` is what it says, `name` what its value is called."""
    words = _words(language)
    button = [words.say("said.button", name=quoted(name)), words.say("said.shipped", label=quoted(shipped))]
    parts = [*_request(request, language), *_section("label", button, language)]
    return _messages(_system("question", language), (), (), parts, "question", language, LIMIT, tokens)


def extract(text: str, last: Request | None, language: Language) -> list[dict[str, str]]:
    """What a text asks for, to be answered with an object of a request's fields; `last` is what was asked before."""
    parts = _section("last", [_wishes(last, language)] if last is not None else [], language)
    parts += _section("text", [quoted(discreet(text))], language)
    return _messages(_system("extract", language), (), (), parts, "extract", language, LIMIT, tokens)


def value_name(domain: Domain, field: str, value: str, language: Language) -> str:
    """What a value of a request's field is called in a prompt."""
    own = _words(language).variants(f"ground.{field}.{value}")
    return own[0] if own else labels(language).of(f"genres.{domain}" if field == "genres" else field, value)


def review_target(parts: Mapping[str, object], language: Language, size: Size = "short") -> str:
    """A reply as it is to be written, from its parts by name ("reason", "benefit", "fit", "question")."""
    words = _words(language)
    return "\n".join(f"{words.variants(f'label.{part}')[0]}: {parts[part]}" for part in PARTS[size])


def extract_target(request: Request) -> str:
    """What a model is to read of a text that asks for `request`: its fields of the vocabularies, as JSON."""
    said = {
        name: value
        for name in (*ONES, *LISTS, "soupy", "country", *NAMES)
        if (value := getattr(request, name)) not in (None, ())
    }
    return json.dumps(said, ensure_ascii=False)


def line_labels() -> dict[str, str]:
    """What each part of a reply may be labelled with, in any language: label in lower case → part."""
    languages: tuple[Language, ...] = ("ko", "en")
    return {
        label.lower(): part
        for language in languages
        for part in PARTS["full"]
        for label in _words(language).variants(f"label.{part}")
    }


@cache
def _words(language: Language) -> Phrases:
    text = (files("data") / "prompts" / f"{language}.toml").read_text(encoding="utf-8")
    return Phrases(language, tomllib.loads(text))


@cache
def _system(name: str, language: Language, size: Size = "short") -> str:
    """A system part, which no request, person or candidate has a word in."""
    words = _words(language)
    tags: dict[str, Any] = {
        tag: words.say(f"tag.{tag}") for tag in ("request", "item", "candidates", "label")
    }
    lines = "\n".join(
        f"{words.variants(f'label.{part}')[0]}: {words.say(f'lines.{part}')}" for part in PARTS[size]
    )
    fields = "\n".join(_fields(language)) if name == "extract" else ""
    rules = words.say("system.quoted", **tags)
    return words.say(
        f"system.{name}", quoted=rules, lines=lines, fields=fields, most=LABEL_CHARS[language], **tags
    ).strip()


def _fields(language: Language) -> Iterator[str]:
    words = _words(language)
    for field, values in {**ONES, **LISTS}.items():
        yield f"{field} ({words.say(f'field.{field}')}): {', '.join(values)}"
    yield f"soupy ({words.say('field.soupy')}): true, false"
    for field in ("country", *NAMES):
        yield f"{field} ({words.say(f'field.{field}')})"


def _messages(
    system: str,
    persona: Sequence[str],
    talk: Sequence[Line],
    parts: Sequence[str],
    name: str,
    language: Language,
    limit: int,
    count: Count,
) -> list[dict[str, str]]:
    words = _words(language)
    person = _section("person", [quoted(each) for each in persona], language)
    asked = words.say(f"ask.{name}")
    room = min(TALK_TOKENS, limit - count("\n".join((system, *person, *parts, asked))))
    lines = _fitting(talk, room, language, count)
    user = "\n".join((*person, *_section("talk", lines, language), *parts, asked))
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _fitting(talk: Sequence[Line], room: int, language: Language, count: Count) -> list[str]:
    """The latest lines of the talk that fit, oldest first."""
    words = _words(language)
    kept: list[str] = []
    for line in reversed(talk[-TALK_LINES:]):
        text = _cut(quoted(discreet(line.text)), TALK_CHARS)
        if not text:
            continue
        longer = [words.say(f"said.{line.who}", text=text), *kept]
        if count("\n".join(_section("talk", longer, language))) > room:
            break
        kept = longer
    return kept


def _section(tag: str, lines: Sequence[str], language: Language) -> list[str]:
    name = _words(language).say(f"tag.{tag}")
    told = [line for line in lines if line]
    return [f"<{name}>", *told, f"</{name}>"] if told else []


def _request(request: Request, language: Language) -> list[str]:
    return _section("request", [quoted(discreet(request.text)), _wishes(request, language)], language)


def _wishes(request: Request, language: Language) -> str:
    """What was understood of a request, without what rules keep already."""
    named = labels(language)
    names = [named.of("domain", request.domain)] if request.domain else []
    for field in _WISHES:
        value = getattr(request, field)
        for each in (value,) if isinstance(value, str) else value or ():
            key = f"genres.{request.domain}" if field == "genres" and request.domain else field
            names.append(quoted(named.of(key, each)))
    if request.soupy is not None:
        names.append(_words(language).say(f"ground.soupy.{'yes' if request.soupy else 'no'}"))
    return _words(language).say("said.wishes", names=", ".join(dict.fromkeys(names))) if names else ""


def _meant(grounds: Sequence[Ground], language: Language) -> Iterator[str]:
    words = _words(language)
    for ground in grounds:
        if ground.kind in _UNTOLD:
            continue
        field, _, value = ground.key.partition(".")
        if words.variants(f"ground.{ground.key}"):
            yield words.say(f"ground.{ground.key}", name=quoted(ground.name))
        else:
            yield labels(language).of(field, value)


def _brief(item: Item, language: Language, cast: bool = True) -> str:
    """An item in a line: what a prompt may say of it, allergens and age ratings left out."""
    words, named = _words(language), labels(language)

    def some(key: str, names: Sequence[str]) -> list[str]:
        return [words.say(key, names=", ".join(names))] if names else []

    facts = some(f"fact.creators.{item.domain}", [quoted(named.of("creators", n)) for n in item.creators[:2]])
    if item.year is not None:
        key = "fact.year" if item.year > 0 else "fact.before_christ"
        facts.append(words.say(key, value=abs(item.year)))
    if item.country and item.domain is not Domain.FOOD:
        facts.append(named.of("country", item.country))
    facts += [named.genre(item.domain, genre) for genre in item.genres[:3]]
    facts += [named.of("cuisine", item.cuisine)] if item.cuisine else []
    if cast:
        facts += some("fact.people", [quoted(named.of("people", name)) for name in item.people[:3]])
    if item.length:
        facts.append(words.say(f"fact.length.{item.domain}", value=item.length))
    facts += [words.say("fact.kcal", value=item.kcal)] if item.kcal is not None else []
    facts += [named.of("spicy", item.spicy)] if item.spicy is not None else []
    if item.soupy is not None:
        facts.append(words.say(f"fact.soupy.{'yes' if item.soupy else 'no'}"))
    facts += some("fact.ingredients", [quoted(name) for name in item.ingredients[:6]])
    facts += some("fact.effects", [named.of("effects", effect) for effect in item.effects])
    facts += some("fact.situations", [named.of("situations", each) for each in item.situations[:3]])
    return f"{quoted(title(item, language))}: {'; '.join(facts)}"


def _summary(item: Item, language: Language, chars: int) -> str:
    summary = (item.summary if language == "ko" else item.summary_en) or item.summary
    if not chars or not summary:
        return ""
    return "; " + _words(language).say("fact.summary", text=_cut(quoted(summary[: 2 * chars]), chars))


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1].rstrip() + "…"


@cache
def _ruled() -> frozenset[str]:
    """What answers of the surveys say of diets and ages, which are rules."""
    asked = (question for domain in Domain for question in survey(domain).questions)
    return frozenset(
        option.says for each in asked for option in each.options if {"diet", "age"} & set(option.sets)
    )
