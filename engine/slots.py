"""Slot filling: what the words, names and numbers found in a text, wanted or turned down, make of a Request."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from data.item import Domain
from engine.allergies import Named
from engine.lexicon import Match, read
from engine.names import NameMatch
from engine.negation import Span
from engine.quantities import Quantity, Range
from engine.request import DEFAULT_COUNT, FORMS, Exclude, Request, union
from engine.topic import is_cast

OF_MANY_COUNTRIES: Final = {"western", "southeast_asian"}
"""Cuisines that a country tells more than: Italian is western, and not French."""
FOOD_ONLY: Final = ("cuisine", "meals", "served", "soupy", "diet", "body", "price", "spicy", "kcal")
_MANNER: Final = re.compile(
    r"\s*(?:같은|비슷한|감성|갬성|느낌|스타일|분위기|풍(?=의|으로|\s|$)|(?:-|\s)?(?:like|style|esque|vibes?)\b)",
    re.I,
)
"""After a maker's name: something in that manner is wanted, not by that maker."""
OF_A_MAKER: Final = 2
"""How many works stand for a maker's manner."""
_RESEMBLED: Final = re.compile(
    r"^\s*(?:이?랑|하고|과|와)?\s*(?:비슷|같은|처럼|느낌|닮)|"
    r"비슷|그런 ?(?:느낌|거|걸|류|책|영화|분위기)|(?:something|anything|one|more) like (?:it|that)|similar",
    re.I,
)
"""What after a title says that something like it is wanted: 코스모스 재밌게 읽었는데 비슷한 책."""


def fill(
    text: str,
    matches: Sequence[Match],
    named: Sequence[NameMatch],
    negated: set[Span],
    domain: Domain | None,
    found: Sequence[Quantity],
    refused: Named,
) -> Request:
    """The request that a text makes by itself: without its words, and without what was asked before.

    `negated` are the spans that are turned down, `refused` what must not be in a dish. Of a domain's
    fields only those count that its items have.
    """
    wanted: dict[str, list[str]] = defaultdict(list)
    unwanted: dict[str, list[str]] = defaultdict(list)
    spoken = [(name.start, name.end) for name in named if name.name.kind == "title"]
    for match in matches:
        field, place = match.field, (match.start, match.end)
        if any(low <= place[0] and place[1] <= high and (low, high) != place for low, high in spoken):
            continue  # the 김치 of 김치찌개 is no wish of its own, nor the 판타지 of 한여름의 판타지아
        if field.startswith("genres."):
            if domain is Domain.FOOD or (domain is not None and field != f"genres.{domain}"):
                continue
            field = "genres"
        elif domain in (Domain.BOOK, Domain.MOVIE) and field in FOOD_ONLY:
            continue
        chosen = unwanted if (match.start, match.end) in negated else wanted
        if (
            field == "served"
            and chosen is unwanted
            and any(m.field == "soupy" and m.start == match.start for m in matches)
        ):
            continue  # who wants no 국물 may still want it hot
        if match.value not in chosen[field]:
            chosen[field].append(match.value)
    allergens, avoid = refused
    for value in wanted["refuses"]:
        if value.startswith("other."):
            avoid = union(avoid, [value.removeprefix("other.")])
        else:
            allergens = union(allergens, [value])
    unbearable = bool(allergens or avoid)
    quantity: dict[str, Range] = {}
    conflicts = [
        name
        for name in ("genres", "cuisine", "country", "soupy")
        if set(wanted[name]) & set(unwanted[name]) - FORMS
    ]
    for each in found:
        span = _turned(each) if (each.start, each.end) in negated else each.value
        if span is not None and each.kind in quantity and not _overlap(quantity[each.kind], span):
            conflicts.append(each.kind)
        if span is not None:
            quantity.setdefault(each.kind, span)
    if set(wanted["spicy"]) & {"2", "3"} and (set(wanted["spicy"]) & {"0", "1"} or unwanted["spicy"]):
        conflicts.append("spicy")
    creators, people, titles, items, ingredients, like = ([""][:0] for _ in range(6))
    unknown = ""
    for name in named:
        out = (name.start, name.end) in negated
        match name.name.kind:
            case "creator" if is_cast(name, named, text):
                pass
            case "creator" | "person" if not out and _MANNER.match(text[name.end :]):
                like += name.name.items[:OF_A_MAKER]
            case "creator" | "person" if not out and _elsewhere(name, named, domain):
                unknown = name.name.value  # it would be a rule that nothing keeps
            case "creator":
                (unwanted["creators"] if out else creators).append(name.name.value)
            case "person":
                (unwanted["people"] if out else people).append(name.name.value)
            case "title" if out:
                titles += (text[name.start : name.end], name.name.value)
            case "title" if _RESEMBLED.search(text[name.end :]) or re.search(
                r"(?:like|similar to)\s*$", text[: name.start]
            ):
                like += name.name.items
                titles.append(name.name.value)
            case "title":
                items += name.name.items
            case "ingredient" if not out and domain in (None, Domain.FOOD):
                ingredients.append(name.name.value)
            case _:
                pass
    for kind in unwanted["kinds"]:
        titles += read("kinds")["kinds"][kind]
    for region, within in read("kinds")["regions"].items():
        if region in wanted["country"]:
            wanted["country"].remove(region)
            wanted["country"] += [c for c in within if c not in unwanted["country"]]
    countries = [c for c in wanted["country"] if c != "foreign" and c not in unwanted["country"]]
    if domain is Domain.FOOD and wanted["cuisine"] and not {*wanted["cuisine"]} & OF_MANY_COUNTRIES:
        countries = []  # 중식 is a kitchen, wherever a dish was thought of
    foreign = "foreign" in wanted["country"]
    immersion = wanted["immersion"][0] if wanted["immersion"] else None
    if immersion is None and unwanted["immersion"]:
        immersion = "light" if "deep" in unwanted["immersion"] else "deep"
    soupy = True if "yes" in wanted["soupy"] else None
    if "no" in wanted["soupy"] or "yes" in unwanted["soupy"]:
        soupy = False
    served = tuple(wanted["served"])
    if unwanted["served"] and not served:
        served = ("cold",) if "hot" in unwanted["served"] else ("hot",)
    ages = [int(value) for value in wanted["age"]]
    if quantity.get("age"):
        ages.append(quantity["age"].high or 0)
    if domain is None and (wanted["cuisine"] or wanted["diet"] or unbearable or (wanted["body"] and soupy)):
        domain = Domain.FOOD
    return Request(
        domain=domain,
        genres=tuple(g for g in wanted["genres"] if g in FORMS or g not in unwanted["genres"]),
        cuisine=tuple(wanted["cuisine"]),
        meals=tuple(wanted["meals"]),
        moods=tuple(wanted["moods"]),
        body=tuple(wanted["body"]),
        effects=tuple(wanted["effects"]),
        situations=tuple(wanted["situations"]),
        immersion=immersion,
        creators=tuple(creators),
        people=tuple(person for person in people if person not in creators),
        country=tuple(countries),
        years=quantity.get("years", Range()),
        length=quantity.get("length", Range()),
        kcal=quantity.get("kcal", Range()),
        spicy=_spice(wanted["spicy"], unwanted["spicy"]),
        soupy=soupy,
        served=served,
        price=quantity["price"].high
        if "price" in quantity
        else 1
        if wanted["price"]
        else 2
        if unwanted["splurge"]
        else None,
        conflicts=tuple(dict.fromkeys(conflicts)),
        unchecked=tuple(wanted["unchecked"]),
        unknown=unknown,
        splurge=bool(wanted["splurge"]),
        age=min(ages) if ages and not unwanted["age"] else None,
        diet=tuple(wanted["diet"]),
        allergens=allergens,
        avoid=avoid,
        ingredients=() if unbearable else union(ingredients, wanted["ingredients"]),
        like=tuple(dict.fromkeys(like)),
        items=tuple(dict.fromkeys(items)),
        exclude=Exclude(
            genres=tuple(g for g in unwanted["genres"] if g not in FORMS or g not in wanted["genres"]),
            cuisine=tuple(c for c in unwanted["cuisine"] if c not in wanted["cuisine"]),
            country=union([c for c in unwanted["country"] if c != "foreign"], ["KR"] if foreign else []),
            creators=tuple(unwanted["creators"]),
            people=tuple(unwanted["people"]),
            titles=tuple(dict.fromkeys(titles)),
        ),
        count=(quantity["count"].high or DEFAULT_COUNT) if "count" in quantity else DEFAULT_COUNT,
    )


def _elsewhere(name: NameMatch, named: Sequence[NameMatch], domain: Domain | None) -> bool:
    """Whether a name is borne in other domains only than the one that is asked for."""
    borne = {other.name.domain for other in named if other.start == name.start}
    return domain is not None and domain not in borne


def _turned(quantity: Quantity) -> Range | None:
    """What is left when a quantity is turned down: short for no long ones; of years and counts, nothing."""
    low, high = quantity.value.low, quantity.value.high
    if quantity.kind not in ("length", "kcal") or (low is None) == (high is None):
        return None
    return Range(None, low - 1) if low is not None else Range((high or 0) + 1, None)


def _overlap(one: Range, other: Range) -> bool:
    low = max(one.low or 0, other.low or 0)
    highs = [span.high for span in (one, other) if span.high is not None]
    return not highs or low <= min(highs)


def _spice(wanted: list[str], unwanted: list[str]) -> Range:
    if "0" in wanted:
        return Range(None, 0)
    if "1" in wanted:
        return Range(None, 1)
    if unwanted:
        return Range(None, 0)
    return Range(3 if "3" in wanted else 2, None) if wanted else Range()
