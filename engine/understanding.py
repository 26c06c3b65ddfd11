"""Text to Request: what a person's words ask for, and what they ask of the last answer.

Rules over word lists, names and numbers; moods told without a word for them are matched by embedding.
Knows nothing of who speaks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from data.item import BOOK_GENRES, MOVIE_GENRES, Domain
from engine import quantities
from engine.allergies import Allergies, Named
from engine.embedder import Embedder
from engine.feelings import Feelings
from engine.intent import Intent, Intents, refers, settled
from engine.korean import Korean, Morpheme
from engine.lexicon import Lexicon, Match, pattern, read
from engine.names import Name, NameMatch, Names
from engine.negation import Negation
from engine.quantities import Range
from engine.request import DEFAULT_COUNT, Exclude, Request, union
from engine.text import is_korean, normalize, squeeze

FOOD_ONLY = ("cuisine", "meals", "served", "soupy", "diet", "body", "price", "spicy", "kcal")


@dataclass(frozen=True, slots=True)
class Understanding:
    """What was understood of one text.

    `refers` are places (from 1) in the last answer that were pointed at, -1 for the last one;
    `named` are ids of items whose title was said, `only_title` that nothing else was; `refines` tells that
    the request changes the last one rather than standing alone; `text` is the person's text, mended.
    """

    intent: Intent
    request: Request
    refers: tuple[int, ...] = ()
    named: tuple[str, ...] = ()
    only_title: bool = False
    refines: bool = False
    text: str = ""
    language: str = "ko"


class Understander:
    """Reads texts with one catalog's names at hand."""

    def __init__(self, korean: Korean, embedder: Embedder) -> None:
        table = read("request")
        genres = table["genres"]
        flat = {f"genres.{domain}": words for domain, words in genres.items()}
        self._lexicon = Lexicon({**{k: v for k, v in table.items() if k != "genres"}, **flat})
        words = read("dialogue")["words"]
        self._request_words = pattern(words["request"])
        self._refine_words = pattern(words["refine"])
        self._korean = korean
        self._negation = Negation()
        self._allergies = Allergies(self._negation)
        self._feelings = Feelings(embedder)
        self._intents = Intents()

    async def allergies(self, text: str) -> Named:
        """What may be an allergy by name in a text: ids of the label list, and of other things."""
        mended, morphemes = await self._korean.analyse(normalize(text))
        return self._allergies.named(mended.lower(), morphemes)

    async def understand(
        self,
        text: str,
        names: Names,
        *,
        last: Request | None = None,
        domain: Domain | None = None,
        this_year: int,
    ) -> Understanding:
        """Read one text. With `last`, a text that only changes it comes back merged into it.

        `domain` is what the text is about when the person told that otherwise, by a command say.
        """
        said = normalize(text)
        mended, morphemes = await self._korean.analyse(said)
        language = "ko" if is_korean(said) or not re.search("[a-zA-Z]", said) else "en"
        low = mended.lower()
        matches = self._lexicon.find(low, morphemes)
        named = _unshadowed(names.find(mended), matches, low)
        domain, explicit = (domain, True) if domain else _domain(matches, named)
        negated = self._negation.spans(low, [*matches, *_as_matches(named)])
        fresh = self._request(low, morphemes, matches, named, negated, domain, this_year)
        fresh = replace(fresh, text=self.search_text(mended))
        intent = self._intents.first(low, morphemes)
        pointed = refers(low)
        titles = tuple(
            dict.fromkeys(
                i for n in named if n.name.kind == "title" and not _is_in(n, negated) for i in n.name.items
            )
        )
        if intent == "recommend" and fresh.is_open and not explicit and not titles:
            guess = names.closest(low)
            if guess is not None:
                fresh = replace(fresh, domain=guess.domain, **_named_field(guess))
                titles = guess.items if guess.kind == "title" else ()
        if intent == "recommend" and fresh.is_open and not titles:
            fresh = replace(fresh, moods=await self._feelings.felt(mended))
        intent = settled(intent, fresh, explicit, titles, pointed, low)
        refines = self._refines(low, fresh, explicit, last, intent)
        if refines and last is not None:
            anything = intent == "recommend" and fresh.is_open and fresh.count == DEFAULT_COUNT
            fresh = Request(text=fresh.text, domain=last.domain) if anything else last.refined(fresh)
        whole = squeeze(low)[0]
        only = any(squeeze(low[n.start : n.end])[0] == whole for n in named if n.name.kind == "title")
        return Understanding(intent, fresh, pointed, titles, only, refines, mended, language)

    def search_text(self, text: str) -> str:
        """The text without the words that only ask, for searching."""
        return " ".join(self._request_words.sub(" ", text).split()) or text

    def _request(
        self,
        text: str,
        morphemes: list[Morpheme],
        matches: list[Match],
        named: list[NameMatch],
        negated: set[tuple[int, int]],
        domain: Domain | None,
        this_year: int,
    ) -> Request:
        wanted: dict[str, list[str]] = defaultdict(list)
        unwanted: dict[str, list[str]] = defaultdict(list)
        spoken = [(name.start, name.end) for name in named if name.name.kind == "title"]
        for match in matches:
            field = match.field
            if field == "ingredients" and any(
                low <= match.start and match.end <= high for low, high in spoken
            ):
                continue  # the 김치 of 김치찌개 is no wish of its own
            if field.startswith("genres."):
                if domain is Domain.FOOD or (domain is not None and field != f"genres.{domain}"):
                    continue
                field = "genres"
            elif domain in (Domain.BOOK, Domain.MOVIE) and field in FOOD_ONLY:
                continue
            chosen = unwanted if (match.start, match.end) in negated else wanted
            if match.value not in chosen[field]:
                chosen[field].append(match.value)
        allergens, avoid = self._allergies.refused(text, morphemes)
        unbearable = bool(allergens or avoid)
        quantity: dict[str, Range] = {}
        for found in quantities.find(text, this_year, domain):
            quantity.setdefault(found.kind, found.value)
        creators, people, titles, items, ingredients, like = ([""][:0] for _ in range(6))
        for name in named:
            out = (name.start, name.end) in negated
            match name.name.kind:
                case "creator":
                    (unwanted["creators"] if out else creators).append(name.name.value)
                case "person":
                    (unwanted["people"] if out else people).append(name.name.value)
                case "title" if out:
                    titles.append(text[name.start : name.end])
                case "title" if re.match(
                    r"\s*(?:이?랑|하고|과|와)?\s*(?:비슷|같은|처럼|느낌|닮)", text[name.end :]
                ) or re.search(r"(?:like|similar to)\s*$", text[: name.start]):
                    like += name.name.items
                    titles.append(name.name.value)
                case "title":
                    items += name.name.items
                case "ingredient" if not out and domain in (None, Domain.FOOD):
                    ingredients.append(name.name.value)
                case _:
                    pass
        countries = [c for c in wanted["country"] if c != "foreign"]
        if domain is Domain.FOOD and wanted["cuisine"]:
            countries = []
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
        if domain is None and (
            wanted["cuisine"] or wanted["diet"] or allergens or (wanted["body"] and soupy)
        ):
            domain = Domain.FOOD
        return Request(
            domain=domain,
            genres=tuple(wanted["genres"]),
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
            price=quantity["price"].high if "price" in quantity else 1 if wanted["price"] else None,
            splurge=bool(wanted["splurge"]),
            age=min(ages) if ages and not unwanted["age"] else None,
            diet=tuple(wanted["diet"]),
            allergens=allergens,
            avoid=avoid,
            ingredients=() if unbearable else union(ingredients, wanted["ingredients"]),
            like=tuple(dict.fromkeys(like)),
            items=tuple(dict.fromkeys(items)),
            exclude=Exclude(
                genres=tuple(g for g in unwanted["genres"] if g not in wanted["genres"]),
                cuisine=tuple(c for c in unwanted["cuisine"] if c not in wanted["cuisine"]),
                country=union([c for c in unwanted["country"] if c != "foreign"], ["KR"] if foreign else []),
                creators=tuple(unwanted["creators"]),
                people=tuple(unwanted["people"]),
                titles=tuple(dict.fromkeys(titles)),
            ),
            count=(quantity["count"].high or DEFAULT_COUNT) if "count" in quantity else DEFAULT_COUNT,
        )

    def _refines(
        self, text: str, fresh: Request, explicit: bool, last: Request | None, intent: Intent
    ) -> bool:
        if last is None or intent not in ("recommend", "more", "similar"):
            return False
        if explicit and fresh.domain is not last.domain:
            return False
        if explicit:
            return bool(self._refine_words.search(text)) and not self._negation.begins(text)
        return fresh.domain is None or fresh.domain is last.domain


def _domain(matches: list[Match], named: list[NameMatch]) -> tuple[Domain | None, bool]:
    """The domain and whether the person said it, rather than it following from a genre or a name."""
    said = [match for match in matches if match.field == "domain"]
    if said:
        points = dict.fromkeys(Domain, 0.0)
        for match in said:
            points[Domain(match.value)] += 2 if match.value == "book" else 1
        for name in named:
            points[name.name.domain] += 1 if name.name.kind != "ingredient" else 0.2
        best = max(points, key=lambda domain: points[domain])
        return best, True
    genres = {
        domain: {m.value for m in matches if m.field == f"genres.{domain}"} - set(others)
        for domain, others in ((Domain.BOOK, MOVIE_GENRES), (Domain.MOVIE, BOOK_GENRES))
    }
    if genres[Domain.BOOK] and not genres[Domain.MOVIE]:
        return Domain.BOOK, True
    if genres[Domain.MOVIE] and not genres[Domain.BOOK]:
        return Domain.MOVIE, True
    sure = {name.name.domain for name in named if name.sure}
    if len(sure) == 1:
        return sure.pop(), False
    if any(match.field in ("cuisine", "diet", "soupy", "served", "spicy", "body") for match in matches):
        return (Domain.FOOD, False) if not genres[Domain.MOVIE] else (None, False)
    return None, False


def _unshadowed(named: list[NameMatch], matches: list[Match], text: str) -> list[NameMatch]:
    """Names without those that more likely are plain words: a short title that is also a wish (불안, 괴물)."""
    kept = []
    for name in named:
        covered = any(m.start <= name.start and name.end <= m.end for m in matches if m.field != "domain")
        cue = re.match(
            r"\s*(?:이?랑|하고|과|와)?\s*(?:비슷|같은|처럼|느낌|어때|봤|읽었|줄거리|말고|빼고|자세|어디서)",
            text[name.end :],
        )
        alone = squeeze(text)[0] == squeeze(text[name.start : name.end])[0]
        quoted = text[name.start - 1 : name.start] in tuple("<『「《\"'‘“")
        food = name.name.domain is Domain.FOOD
        if name.name.kind != "title" or cue or alone or quoted or (not covered and (name.sure or food)):
            kept.append(name)
    return kept


def _as_matches(named: list[NameMatch]) -> list[Match]:
    return [Match(f"name.{name.name.kind}", name.name.value, name.start, name.end) for name in named]


def _is_in(name: NameMatch, spans: set[tuple[int, int]]) -> bool:
    return (name.start, name.end) in spans


def _named_field(name: Name) -> dict[str, Any]:
    match name.kind:
        case "creator":
            return {"creators": (name.value,)}
        case "person":
            return {"people": (name.value,)}
        case _:
            return {"items": name.items}


def _spice(wanted: list[str], unwanted: list[str]) -> Range:
    if "0" in wanted:
        return Range(None, 0)
    if "1" in wanted:
        return Range(None, 1)
    if unwanted:
        return Range(None, 0)
    return Range(3 if "3" in wanted else 2, None) if wanted else Range()
