"""What is known of a person that bears on a choice: limits, survey, history. Made from plain answers and events.

Knows no database: whoever has one hands over what it remembers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from data.item import Domain
from engine.quantities import Range
from engine.request import Exclude, Request, union

RECENT = 200
"""How many shown items count as lately shown."""


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of a survey question: what it sets in a Request, and what it says of the person."""

    id: str
    labels: Mapping[str, str]
    sets: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """`kind`: single, multi, grid (items of `domain`), people (names of `domain`). `typed` allows free text; `first`
    are the ids of the items that a grid offers, in their order."""

    id: str
    kind: str
    ask: Mapping[str, str]
    options: tuple[Option, ...] = ()
    typed: bool = False
    field: str | None = None
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    domain: Domain
    titles: Mapping[str, str]
    questions: tuple[Question, ...]


@cache
def survey(domain: Domain) -> Survey:
    """The shipped survey of a domain, `data/survey/DOMAIN.toml`."""
    raw = tomllib.loads((files("data") / "survey" / f"{domain}.toml").read_text(encoding="utf-8"))
    return Survey(domain, raw["title"], tuple(_question(each) for each in raw["question"]))


def _question(raw: Mapping[str, Any]) -> Question:
    options = tuple(
        Option(each["id"], {"ko": each["ko"], "en": each["en"]}, each.get("sets", {}), each.get("says", ""))
        for each in raw.get("options", ())
    )
    return Question(
        raw["id"],
        raw["kind"],
        {"ko": raw["ko"], "en": raw["en"]},
        options,
        raw.get("typed", False),
        raw.get("field"),
        tuple(raw.get("first", ())),
    )


@checked(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Taste:
    """What holds for one person.

    Limits, which no pick breaks: `allergens` and `avoid` (things outside the label list), `diet`, `age`
    in years, `spicy` and `price` at most, `never`. Wishes: `wishes`, by domain, from the survey and from
    what was told; what they exclude is left out unless a request asks for it. History: item ids, oldest first. `says` are sentences about the person, searched by method 1.
    """

    allergens: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    diet: tuple[str, ...] = ()
    age: int | None = None
    spicy: int | None = None
    price: int | None = None
    wishes: dict[Domain, Request] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    @property
    def judged(self) -> tuple[str, ...]:
        """The items on which there was feedback."""
        return (*self.liked, *self.saved, *self.disliked, *self.never)

    def told(self, wish: Request, domains: Sequence[Domain]) -> Taste:
        """This taste with what the person wishes for once above it: in the wish's own domain, or in `domains`."""
        known = dict(self.wishes)
        for domain in (wish.domain,) if wish.domain else domains:
            bare = replace(wish, domain=domain, among=(), text="", spicy=Range())
            known[domain] = known.get(domain, Request(domain=domain)).refined(bare)
        return replace(
            self,
            allergens=union(self.allergens, wish.allergens),
            avoid=union(self.avoid, wish.avoid),
            diet=union(self.diet, wish.diet),
            age=min((age for age in (self.age, wish.age) if age is not None), default=None),
            spicy=wish.spicy.high if wish.spicy else self.spicy,
            price=wish.price if wish.price is not None or wish.splurge else self.price,
            wishes=known,
            says=(*self.says, wish.text) if wish.text else self.says,
            liked=union(self.liked, (*wish.like, *wish.items)),
            disliked=union(self.disliked, wish.exclude.items),
        )

    def limited(self, request: Request) -> Request:
        """The request with this person's limits on what they may eat and see added to its own."""
        age = min((a for a in (request.age, self.age) if a is not None), default=None)
        spicy, high = request.spicy, request.spicy.high
        if (
            self.spicy is not None
            and self.spicy < 3
            and not request.spicy
            and request.domain is not Domain.BOOK
        ):
            spicy = replace(spicy, high=min(high, self.spicy) if high is not None else self.spicy)
        told = self.wishes.get(request.domain) if request.domain else None
        return replace(
            request,
            exclude=request.exclude.joined(told.exclude.sparing(request) if told else Exclude()),
            allergens=union(request.allergens, self.allergens),
            avoid=union(request.avoid, self.avoid),
            diet=union(request.diet, self.diet),
            age=age,
            spicy=spicy,
            price=request.price if request.price is not None or request.splurge else self.price,
        )


TASTE: Final[TypeAdapter[Taste]] = TypeAdapter(Taste)


def taste_of(
    answers: Mapping[str, Mapping[str, list[str]]],
    events: Iterable[tuple[str, str]],
    shown: Iterable[str] = (),
    told: Mapping[str, Request] = MappingProxyType({}),
) -> Taste:
    """The taste that survey answers (domain → question → answers) and events (kind, item id; oldest first) make.

    `told` is what the person says of their taste, by domain: it stands above the survey. Answers that the surveys no longer know are passed over: surveys change, and nobody should lose the rest.
    """
    limits: dict[str, Any] = {}
    wishes: dict[Domain, dict[str, Any]] = {}
    says: list[str] = []
    history: dict[str, list[str]] = {kind: [] for kind in ("like", "dislike", "seen", "save", "never")}
    for name, given in answers.items():
        try:
            domain = Domain(name)
        except ValueError:
            continue
        for question in survey(domain).questions:
            for answer in given.get(question.id, ()):
                if question.kind == "grid":
                    history["seen"].append(answer)
                elif question.kind == "people":
                    _add(wishes.setdefault(domain, {}), "people", [answer])
                    says.append(f"{answer} 작품을 좋아한다")
                elif question.field is not None:
                    known = not answer.startswith("other.")
                    _add(limits, question.field if known else "avoid", [answer.removeprefix("other.")])
                else:
                    option = next((o for o in question.options if o.id == answer), None)
                    if option is None:
                        says.append(answer)
                        continue
                    if option.says:
                        says.append(option.says)
                    for key, value in option.sets.items():
                        if key in ("age", "spicy", "price"):
                            limits[key] = value
                        elif key == "diet":
                            _add(limits, key, value)
                        elif isinstance(value, list):
                            _add(wishes.setdefault(domain, {}), key, value)
                        else:
                            wishes.setdefault(domain, {})[key] = value
    for kind, item in events:
        if kind in history:
            for other in ("like", "dislike") if kind in ("like", "dislike") else (kind,):
                if item in history[other]:
                    history[other].remove(item)
            history[kind].append(item)
    whole = {d: Request.from_dict({"domain": d, **fields}) for d, fields in wishes.items()}
    for name, said in told.items():
        if said.spicy:
            limits["spicy"] = said.spicy.high
        base = whole.get(Domain(name), Request(domain=Domain(name)))
        whole[Domain(name)] = base.refined(replace(said, text="", spicy=Range()))
    return Taste(
        allergens=tuple(limits.get("allergens", ())),
        avoid=tuple(limits.get("avoid", ())),
        diet=tuple(limits.get("diet", ())),
        age=limits.get("age"),
        spicy=limits.get("spicy"),
        price=limits.get("price"),
        wishes=whole,
        says=tuple(says),
        liked=tuple(history["like"]),
        disliked=tuple(history["dislike"]),
        seen=tuple(history["seen"]),
        saved=tuple(history["save"]),
        never=tuple(history["never"]),
        shown=tuple(shown)[-RECENT:],
    )


def _add(fields: dict[str, Any], key: str, values: list[str]) -> None:
    kept = fields.setdefault(key, [])
    kept += [value for value in values if value not in kept]
