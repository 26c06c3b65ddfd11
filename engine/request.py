"""What a person asks for now: the wishes of one request, and how a later one refines it.

Knows nothing of the words that were used (`understanding.py`) or of who asks (`taste.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from pydantic import TypeAdapter

from data.item import Domain
from engine.quantities import Range

DEFAULT_COUNT = 3
ANY: Final = Range()

FORMS: Final = frozenset({"novel", "short_story"})
"""Genres that say how a thing is told; beside a genre that says what of, they are a wish, not a rule."""


@dataclass(frozen=True, slots=True)
class Exclude:
    """What must not come: values of the item's fields, parts of titles, ids of items."""

    genres: tuple[str, ...] = ()
    cuisine: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    items: tuple[str, ...] = ()

    def joined(self, other: Exclude) -> Exclude:
        """Both together."""
        return Exclude(**{f.name: union(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)})

    def sparing(self, request: Request) -> Exclude:
        """This without what a request asks for by name."""
        kept = {
            name: tuple(value for value in getattr(self, name) if value not in getattr(request, name))
            for name in ("genres", "cuisine", "country", "creators", "people")
        }
        return replace(self, **kept)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Empty means that nothing was said about it.

    Rules, which every pick keeps: domain, genres, cuisine, creators, people, country, years, length,
    kcal, spicy, price (at most), age (at most), diet, allergens and avoid (none of them), exclude.
    Wishes, which order the picks: meals, moods, body, effects, situations, immersion, soupy, served,
    ingredients, splurge. `among` are the domains that are asked for at once, none of them alone; `conflicts`
    are rules that the text gave twice, and not alike; `unchecked` what was asked that no item tells (prizes, streaming services). `like` and `items` are ids of items to resemble and of items named; `unknown` is a
    name to resemble that no item bears.
    """

    text: str = ""
    domain: Domain | None = None
    among: tuple[Domain, ...] = ()
    genres: tuple[str, ...] = ()
    cuisine: tuple[str, ...] = ()
    meals: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    situations: tuple[str, ...] = ()
    immersion: str | None = None
    creators: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    years: Range = ANY
    length: Range = ANY
    kcal: Range = ANY
    spicy: Range = ANY
    soupy: bool | None = None
    served: tuple[str, ...] = ()
    price: int | None = None
    splurge: bool = False
    age: int | None = None
    diet: tuple[str, ...] = ()
    allergens: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    ingredients: tuple[str, ...] = ()
    like: tuple[str, ...] = ()
    unknown: str = ""
    unchecked: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    exclude: Exclude = field(default_factory=Exclude)
    count: int = DEFAULT_COUNT

    @property
    def is_open(self) -> bool:
        """Whether it says nothing but perhaps the domain and the count."""
        return (
            replace(self, text="", domain=None, among=(), unchecked=(), conflicts=(), count=DEFAULT_COUNT)
            == Request()
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, what says nothing left out."""
        whole: dict[str, Any] = REQUEST.dump_python(self, mode="json")
        return {key: value for key, value in whole.items() if not _is_empty(key, value)}

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> Request:
        """Raises pydantic.ValidationError when `raw` is no request."""
        return REQUEST.validate_python(raw)

    def without(self, rule: str) -> Request:
        """This request with one rule dropped; of exclusions, the items stay excluded."""
        dropped: Any = Exclude(items=self.exclude.items) if rule == "exclude" else getattr(Request(), rule)
        return replace(self, **{rule: dropped})

    def refined(self, other: Request) -> Request:
        """This request as `other` changes it: what `other` says replaces, what must not come adds up."""
        changed: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(other, each.name)
            if each.name in ("allergens", "avoid", "diet"):
                changed[each.name] = union(getattr(self, each.name), value)
            elif each.name == "exclude":
                changed["exclude"] = self.exclude.joined(other.exclude)
            elif each.name == "text":
                changed["text"] = f"{self.text} {other.text}".strip()[-400:]
            elif each.name in ("unchecked", "unknown", "conflicts"):
                changed[each.name] = value  # of the last text only
            elif each.name == "domain" and value is not None:
                changed |= {"domain": value, "among": ()}
            elif each.name == "count":
                changed["count"] = value if value != DEFAULT_COUNT else self.count
            elif not _is_empty(each.name, value):
                changed[each.name] = value
        merged = replace(self, **changed)
        for name in ("genres", "cuisine", "country", "creators", "people"):
            unwanted, rewanted = getattr(other.exclude, name), getattr(other, name)
            kept: Any = tuple(v for v in getattr(merged, name) if v not in unwanted)
            out: Any = tuple(v for v in getattr(merged.exclude, name) if v not in rewanted)
            merged = replace(merged, exclude=replace(merged.exclude, **{name: out}), **{name: kept})
        if other.exclude.titles and not other.items:
            merged = replace(merged, items=())  # 치킨, then 치킨 말고
        return merged


REQUEST: Final[TypeAdapter[Request]] = TypeAdapter(Request)


def union(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """Both, in order, nothing twice."""
    return tuple(dict.fromkeys((*one, *other)))


def _is_empty(name: str, value: object) -> bool:
    """Whether a field says nothing: `soupy=False` says "no broth", `splurge=False` does not."""
    if isinstance(value, dict):
        return all(_is_empty(key, each) for key, each in value.items())
    if value is False:
        return name != "soupy"
    return value is None or value in ("", (), []) or value in (ANY, Exclude())
