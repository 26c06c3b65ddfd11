"""Text to Request: what a person's words ask for, and what they ask of the last answer.

Rules over word lists, names and numbers; moods told without a word for them are matched by embedding.
Knows nothing of who speaks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from data.item import BOOK_GENRES, MOVIE_GENRES, Domain
from engine import quantities
from engine.embedder import Embedder
from engine.korean import Korean, Morpheme
from engine.lexicon import Lexicon, Match, pattern, read
from engine.names import Name, NameMatch, Names
from engine.quantities import Range
from engine.request import DEFAULT_COUNT, Exclude, Request, union
from engine.text import is_korean, normalize, squeeze

Intent = Literal[
    "recommend", "why", "more", "detail", "similar", "like", "dislike", "seen", "save", "never",
    "stop", "greet", "thanks", "help", "who", "survey", "saved", "unclear",
]  # fmt: skip
FEEDBACK: tuple[Intent, ...] = ("never", "dislike", "seen", "save", "like")
SMALL_TALK: tuple[Intent, ...] = ("stop", "who", "help", "thanks", "greet")

FEELING_FLOOR, FEELING_DEVIATIONS = 0.045, 2.0
"""How much nearer than the average example the nearest must be for its mood to be taken: in cosine, and in
standard deviations of the examples. Requests that tell no mood stay below both (`docs/log.md`)."""
FOOD_ONLY = ("cuisine", "meals", "served", "soupy", "diet", "body", "price", "spicy", "kcal")


@dataclass(frozen=True, slots=True)
class Understanding:
    """What was understood of one text.

    `refers` are places (from 1) in the last answer that were pointed at, -1 for the last one;
    `named` are ids of items whose title was said, `only_title` that nothing else was; `refines` tells that the request changes the last
    one rather than standing alone; `text` is the person's text, mended.
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
        dialogue = read("dialogue")
        self._intents = Lexicon({"intent": dialogue["intents"]})
        self._allergens = Lexicon({"allergen": _allergy_names()})
        words = dialogue["words"]
        between = pattern(words["between"]).pattern
        self._after = re.compile(
            rf"(?:\s|{between}|지|하지|한|인)*?(?:{pattern(words['without']).pattern})", re.I
        )
        self._before = re.compile(
            rf"(?:{pattern(words['before_without']).pattern})"
            r"(?:\s|any|a|an|the|too|so|very|to|eat|have|watch|read|more|of|really|that|is|something)*$",
            re.I,
        )
        self._allergy = pattern(words["allergy"])
        self._request_words = pattern(words["request"])
        self._refine_words = pattern(words["refine"])
        self._korean, self._embedder = korean, embedder
        self._feelings: tuple[list[str], np.ndarray] | None = None

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
        negated = self._negated(low, [*matches, *_as_matches(named)])
        fresh = self._request(low, morphemes, matches, named, negated, domain, this_year)
        fresh = replace(fresh, text=self.search_text(mended))
        intent = self._intent(low, morphemes)
        refers = _refers(low)
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
            fresh = replace(fresh, moods=await self._felt(mended))
        intent = _settled(intent, fresh, explicit, titles, refers, low)
        refines = self._refines(low, fresh, explicit, last, intent)
        if refines and last is not None:
            anything = intent == "recommend" and fresh.is_open and fresh.count == DEFAULT_COUNT
            fresh = Request(text=fresh.text, domain=last.domain) if anything else last.refined(fresh)
        whole = squeeze(low)[0]
        only = any(squeeze(low[n.start : n.end])[0] == whole for n in named if n.name.kind == "title")
        return Understanding(intent, fresh, refers, titles, only, refines, mended, language)

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
        allergens, avoid = self._unbearable(text, morphemes)
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

    def _negated(self, text: str, matches: list[Match]) -> set[tuple[int, int]]:
        """The spans that are not wanted: before 말고, 빼고 and the like, after "no"; and what is coordinated with them."""
        out: set[tuple[int, int]] = set()
        for match in sorted(matches, key=lambda m: -m.end):
            after = text[match.end :]
            if (
                self._after.match(after)
                or re.search(r"(?:^|\s)안\s*$", text[: match.start])
                or self._before.search(text[: match.start])
                or any(
                    re.fullmatch(r"\s*(?:이?랑|하고|과|와|이?나|및|도|,|·|/)\s*", text[match.end : start])
                    for start, _ in out
                )
            ):
                out.add((match.start, match.end))
        for match in sorted(matches, key=lambda m: m.start):
            if any(re.fullmatch(r"\s*(?:or|and|,|nor|/)\s*", text[end : match.start]) for _, end in out):
                out.add((match.start, match.end))
        return out

    async def allergies(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What may be an allergy by name in a text: ids of the label list, and of other things."""
        mended, morphemes = await self._korean.analyse(normalize(text))
        return _labelled(match.value for match in self._edible(mended.lower(), morphemes))

    def _edible(self, text: str, morphemes: list[Morpheme]) -> list[Match]:
        """Names of allergens, without those that are part of a longer one (콩 in 땅콩)."""
        every = self._allergens.find(text, morphemes)
        return [
            match
            for match in every
            if not any(
                other.start <= match.start
                and match.end <= other.end
                and (other.start, other.end) != (match.start, match.end)
                for other in every
            )
        ]

    def _unbearable(self, text: str, morphemes: list[Morpheme]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Allergens of the label list, and other things, that must not be in a dish."""
        found = self._edible(text, morphemes)
        not_wanted = self._negated(text, found)
        allergy = self._allergy.search(text)
        hit = [
            match.value
            for match in found
            if (match.start, match.end) in not_wanted
            or (
                allergy is not None
                and (match.end <= allergy.start() + 1 or text[: match.start].endswith("to "))
            )
        ]
        return _labelled(hit)

    def _intent(self, text: str, morphemes: list[Morpheme]) -> Intent:
        found = {match.value for match in self._intents.find(text, morphemes)}
        for intent in (
            "never",
            "saved",
            "survey",
            "why",
            "similar",
            "detail",
            "more",
            "dislike",
            "seen",
            "save",
            "like",
        ):
            if intent in found:
                return cast("Intent", intent)
        for intent in SMALL_TALK:
            if intent in found and len(squeeze(text)[0]) <= 16:
                return intent
        return "recommend"

    async def _felt(self, text: str) -> tuple[str, ...]:
        """The mood whose example sentences are nearest, if one clearly is."""
        if len(squeeze(text)[0]) < 4:
            return ()
        if self._feelings is None:
            examples = [(mood, sentence) for mood, lines in read("feelings").items() for sentence in lines]
            vectors = await self._embedder.passages([sentence for _, sentence in examples])
            self._feelings = [mood for mood, _ in examples], vectors
        moods, vectors = self._feelings
        cosines = vectors @ await self._embedder.query(text)
        nearest = int(np.argmax(cosines))
        lead = float(cosines[nearest] - np.mean(cosines))
        clear = lead >= max(FEELING_FLOOR, FEELING_DEVIATIONS * float(np.std(cosines)))
        return (moods[nearest],) if clear else ()

    def _refines(
        self, text: str, fresh: Request, explicit: bool, last: Request | None, intent: Intent
    ) -> bool:
        if last is None or intent not in ("recommend", "more", "similar"):
            return False
        if explicit and fresh.domain is not last.domain:
            return False
        if explicit:
            return bool(self._refine_words.search(text)) and not self._after.search(text[:2])
        return fresh.domain is None or fresh.domain is last.domain


def _allergy_names() -> dict[str, list[str]]:
    """How allergies are named, by id; a name of one syllable counts as a noun only (게, not 맵게)."""
    table = read("allergens")
    entries = {name: entry for name, entry in table.items() if name != "other"}
    entries |= {f"other.{name}": entry for name, entry in table["other"].items()}
    return {
        name: [f"{word}/NNG" if len(word) == 1 else word for word in entry["names"]]
        for name, entry in entries.items()
    }


def _labelled(values: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Allergens of the label list apart from the others."""
    each = list(dict.fromkeys(values))
    others = tuple(value.removeprefix("other.") for value in each if value.startswith("other."))
    return tuple(value for value in each if not value.startswith("other.")), others


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


def _refers(text: str) -> tuple[int, ...]:
    """Which of the last picks is pointed at: numbers from 1, or -1 for the last one."""
    found = [int(match[1]) for match in re.finditer(r"(?<!\d)(\d{1,2}) ?번(?!째로 )", text)]
    found += [int(match[1]) for match in re.finditer(r"(?:#|\bnumber )(\d{1,2})\b", text)]
    for place, words in enumerate((r"첫 ?번?째|first one", r"두 ?번째|second one", r"세 ?번째|third one"), 1):
        if re.search(words, text):
            found.append(place)
    if re.search(r"마지막|last one", text):
        found.append(-1)
    return tuple(dict.fromkeys(found))


def _settled(
    intent: Intent,
    request: Request,
    explicit: bool,
    titles: tuple[str, ...],
    refers: tuple[int, ...],
    text: str,
) -> Intent:
    """The intent in the light of what else was said: "별로" beside a whole wish is no feedback."""
    pointed = bool(
        titles
        or refers
        or re.search(r"(?:^|\s)(?:이거|그거|이건|그건|저거|이 책|이 영화|그 책|그 영화|it|this|that)", text)
    )
    wishes = not replace(request, items=(), exclude=Exclude(), creators=(), people=()).is_open
    if intent in FEEDBACK and not pointed and (wishes or explicit):
        return "recommend"
    if intent in ("why", "detail") and not pointed and (wishes or explicit) and len(text) > 14:
        return "recommend"
    if intent == "more" and (wishes or explicit or titles):
        return "recommend"
    if intent == "similar" and not refers and not re.search(r"이거|그거|이런|그런|this|that", text):
        return "recommend"
    if intent == "recommend" and not (
        wishes
        or explicit
        or titles
        or request.creators
        or request.people
        or request.count != DEFAULT_COUNT
        or request.exclude != Exclude()
    ):
        return (
            "unclear" if len(squeeze(text)[0]) < 2 or not re.search(r"[가-힣a-z]{2}", text) else "recommend"
        )
    return intent
