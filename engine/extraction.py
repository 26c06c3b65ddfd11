"""What a model reads from a text where the rules read nothing: it fills what is empty, from closed vocabularies, and
changes nothing that the rules found.

It adds wishes and tightens what to look for; limits (allergens, diet, age, exclusions, prices, numbers) are never its.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from data.item import GENRES, Domain
from data.phrases import Language, phrases
from engine import prompts
from engine.completion import Unavailable
from engine.llm import LLM
from engine.names import Kind, Names
from engine.request import Request
from engine.text import normalize, squeeze
from engine.understanding import Understanding
from engine.vocabulary import LISTS, NAMES, ONES

BUDGET_SECONDS: Final = 1.2
MAX_TOKENS: Final = 200
MOST: Final = 3
"""Values of one field that are taken."""
MANY: Final = 5
"""Fields that a text fills at most: whoever fills more has copied the vocabulary."""
NAME_CHARS: Final = 30
OPEN_CHARS, LONG_CHARS = 8, 40
"""Letters of a text that says something, though the rules read nothing in it; and of one that says more than one thing."""
_OF_FOOD: Final = frozenset({"cuisine", "meals", "body", "served", "soupy", "ingredients"})
_OF_WORKS: Final = frozenset({"genres", "immersion", "country", "creators", "people"})
_GUESSED: Final = frozenset({"text", "domain", "among", "moods", "count", "unchecked", "conflicts"})
"""Fields that tell nothing of whether the rules understood: moods are guessed where nothing else was said."""
_BEARERS: Final[Mapping[str, Kind]] = {"creators": "creator", "people": "person"}


def schema() -> dict[str, Any]:
    """The JSON schema of what a model may say of a request."""
    words = {"type": "string", "maxLength": NAME_CHARS}
    country = {"type": "string", "minLength": 2, "maxLength": 2}
    properties: dict[str, Any] = {name: {"enum": list(values)} for name, values in ONES.items()}
    for name, values in LISTS.items():
        properties[name] = {"type": "array", "items": {"enum": list(values)}, "maxItems": MOST}
    properties["soupy"] = {"type": "boolean"}
    properties["country"] = {"type": "array", "items": country, "maxItems": MOST}
    for name in NAMES:
        properties[name] = {"type": "array", "items": words, "maxItems": MOST}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def asks(understood: Understanding) -> bool:
    """Whether a model is worth asking: the text says something, and the rules read next to nothing in it."""
    request = understood.request
    if understood.intent != "recommend" or understood.refines or understood.named or understood.refers:
        return False
    if request.unknown:
        return False
    blank = Request()
    found = sum(
        getattr(request, each.name) != getattr(blank, each.name)
        for each in fields(Request)
        if each.name not in _GUESSED
    )
    said = len(squeeze(understood.text)[0])
    return (found == 0 and said >= OPEN_CHARS) or (found == 1 and said >= LONG_CHARS)


async def extracted(
    llm: LLM,
    understood: Understanding,
    names: Names,
    language: Language,
    *,
    last: Request | None = None,
    budget: float = BUDGET_SECONDS,
) -> Request:
    """The request with what a model read in the text besides; as it was where there is no answer in time."""
    request = understood.request
    if not (llm.available and llm.can("json")):
        return request
    messages = prompts.extract(understood.text, last, language)
    try:
        raw = await llm.json(messages, schema(), adapter=None, max_tokens=MAX_TOKENS, budget=budget)
    except Unavailable:
        return request
    return filled(request, raw, understood.text, names)


def filled(request: Request, raw: object, text: str, names: Names) -> Request:
    """The request with what `raw` says where it says nothing itself.

    Only values of the vocabularies count, of the request's own domain, that it does not turn down; of names only
    those that the text says, and of people only those that the catalog knows. `raw` may be anything.
    """
    if not isinstance(raw, dict) or sum(bool(raw.get(name)) for name in (*LISTS, *NAMES, "country")) > MANY:
        return request
    domain = request.domain
    if domain is None and not request.among and raw.get("domain") in ONES["domain"]:
        domain = Domain(raw["domain"])
    foreign = {Domain.FOOD: _OF_WORKS, None: _OF_WORKS | _OF_FOOD}.get(domain, _OF_FOOD)
    taken: dict[str, Any] = {"domain": domain}
    for name, vocabulary in LISTS.items():
        known = GENRES[domain] if name == "genres" and domain else vocabulary
        taken[name] = tuple(value for value in _values(raw, name) if value in known)
    taken["country"] = tuple(
        value for value in _values(raw, "country") if phrases("ko").variants(f"label.country.{value}")
    )
    for name, kind in _BEARERS.items():
        taken[name] = _known(_values(raw, name), kind, text, names)
    taken["ingredients"] = _eaten(request, _values(raw, "ingredients"), text)
    taken["immersion"] = raw.get("immersion") if raw.get("immersion") in ONES["immersion"] else None
    taken["soupy"] = raw.get("soupy") if isinstance(raw.get("soupy"), bool) else None
    blank = Request()
    new = {
        name: _not_turned_down(request, name, value)
        for name, value in taken.items()
        if name not in foreign and getattr(request, name) == getattr(blank, name)
    }
    return replace(request, **{name: value for name, value in new.items() if value not in ((), None)})


def _values(raw: Mapping[str, Any], name: str) -> list[str]:
    """The first few words of a list, none twice."""
    listed = raw.get(name)
    words = (each for each in listed[: 4 * MOST] if isinstance(each, str)) if isinstance(listed, list) else ()
    kept = dict.fromkeys(normalize(each, NAME_CHARS) for each in words if len(each) <= NAME_CHARS)
    return [each for each in kept if each][:MOST]


def _says(text: str, name: str) -> bool:
    said = squeeze(normalize(name))[0]
    return len(said) >= 2 and said in squeeze(normalize(text))[0]


def _known(said: list[str], kind: Kind, text: str, names: Names) -> tuple[str, ...]:
    """The names that the text says, as the catalog spells them."""
    bearers = (
        bearer
        for each in said
        if _says(text, each)
        for bearer in names.spelt(squeeze(each)[0])
        if bearer.kind == kind and bearer.sure
    )
    return tuple(dict.fromkeys(bearer.value for bearer in bearers))


def _eaten(request: Request, said: list[str], text: str) -> tuple[str, ...]:
    """Ingredients that the text says; none where it also says what not to eat, which they might be."""
    if request.allergens or request.avoid or request.exclude.titles:
        return ()
    return tuple(each for each in said if _says(text, each))


def _not_turned_down(request: Request, name: str, value: Any) -> Any:
    out = getattr(request.exclude, name, ())
    return tuple(each for each in value if each not in out) if isinstance(value, tuple) else value
