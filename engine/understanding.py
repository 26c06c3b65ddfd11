"""Text to Request: what a person's words ask for, and what they ask of the last answer.

Rules over word lists, names and numbers; moods told without a word for them are matched by embedding.
Knows nothing of who speaks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

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
from engine.quantities import Quantity, Range
from engine.request import DEFAULT_COUNT, FORMS, Exclude, Request, union
from engine.text import is_korean, normalize, squeeze

SEARCHED_CHARS: Final = 300
"""What of a text is embedded and searched: more costs seconds and says nothing more about a wish."""
FRAGMENT_CHARS: Final = 10
_FRAGMENT: Final = re.compile(r"(?:거|건|걸|것|거로|걸로|것으로)$")
"""How a text ends that says of which kind the last request should have been: 국물 있는 거."""
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
        numbers = _as_matches_of(quantities.find(low, this_year, domain))
        named = _unshadowed(names.find(mended), [*matches, *numbers], low)
        domain, explicit = (domain, True) if domain else _domain(matches, named)
        about = domain or (last.domain if last else None)  # tells what "짧은" is short of
        found = list(quantities.find(low, this_year, about))
        negated = self._negation.spans(low, [*matches, *_as_matches(named)])
        for number in _as_matches_of(found):
            negated |= self._negation.spans(low, [number])
        fresh = self._request(low, morphemes, matches, named, negated, domain, found)
        fresh = replace(fresh, text=self.search_text(mended))
        intent = self._intents.first(low, morphemes)
        pointed = refers(low)
        titles = tuple(
            dict.fromkeys(
                i for n in named if n.name.kind == "title" and not _is_in(n, negated) for i in n.name.items
            )
        )
        if intent == "recommend" and fresh.is_open and not titles:
            guess = names.closest(
                self.search_text(_without(low, [m for m in matches if m.field == "domain"]))
            )
            if guess is not None and domain in (None, guess.domain):
                fresh = replace(fresh, domain=guess.domain, **_named_field(guess))
                titles = guess.items if guess.kind == "title" else ()
        if intent == "recommend" and fresh.is_open and not titles:
            fresh = replace(fresh, moods=await self._feelings.felt(mended[:SEARCHED_CHARS]))
        same = last is not None and (domain is None or last.domain in (None, domain))
        if not (intent == "more" and same and fresh.is_open):  # "다른 책" after books asks for more of them
            intent = settled(intent, fresh, explicit, titles, pointed, low)
        counted = any(quantity.kind == "count" for quantity in found)
        if intent == "unclear" and counted:
            intent = "recommend"
        chosen_anew = explicit and last is not None and last.domain is not None
        refines = same and self._refines(low, morphemes, fresh, chosen_anew, intent)
        if refines and last is not None:
            anything = intent == "recommend" and fresh.is_open and not counted and not explicit
            count = fresh.count if counted else last.count
            fresh = (
                Request(text=fresh.text, domain=last.domain)
                if anything
                else replace(last.refined(fresh), count=count)
            )
        if intent == "similar" and not titles and not pointed and (strange := _unknown_name(mended)):
            intent, fresh = "recommend", replace(fresh, unknown=strange)
        if (
            fresh.domain is Domain.FOOD and fresh.immersion == "light"
        ):  # "더 가볍게" of a dish means its calories
            fresh = replace(fresh, immersion=None, body=union(fresh.body, ("diet",)))
        whole = squeeze(low)[0]
        only = any(squeeze(low[n.start : n.end])[0] == whole for n in named if n.name.kind == "title")
        return Understanding(intent, fresh, pointed, titles, only, refines, mended, language)

    def search_text(self, text: str) -> str:
        """The text without the words that only ask, for searching."""
        return (" ".join(self._request_words.sub(" ", text).split()) or text)[:SEARCHED_CHARS]

    def _request(
        self,
        text: str,
        morphemes: list[Morpheme],
        matches: list[Match],
        named: list[NameMatch],
        negated: set[tuple[int, int]],
        domain: Domain | None,
        found: list[Quantity],
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
            if (
                field == "served"
                and chosen is unwanted
                and any(m.field == "soupy" and m.start == match.start for m in matches)
            ):
                continue  # who wants no 국물 may still want it hot
            if match.value not in chosen[field]:
                chosen[field].append(match.value)
        allergens, avoid = self._allergies.refused(text, morphemes)
        unbearable = bool(allergens or avoid)
        quantity: dict[str, Range] = {}
        for each in found:
            value = _turned(each) if (each.start, each.end) in negated else each.value
            if value is not None:
                quantity.setdefault(each.kind, value)
        creators, people, titles, items, ingredients, like = ([""][:0] for _ in range(6))
        for name in named:
            out = (name.start, name.end) in negated
            match name.name.kind:
                case "creator" if _is_cast(name, named, text):
                    pass
                case "creator":
                    (unwanted["creators"] if out else creators).append(name.name.value)
                case "person":
                    (unwanted["people"] if out else people).append(name.name.value)
                case "title" if out:
                    titles += (text[name.start : name.end], name.name.value)
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
            wanted["cuisine"] or wanted["diet"] or unbearable or (wanted["body"] and soupy)
        ):
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
                genres=tuple(g for g in unwanted["genres"] if g not in FORMS or g not in wanted["genres"]),
                cuisine=tuple(c for c in unwanted["cuisine"] if c not in wanted["cuisine"]),
                country=union([c for c in unwanted["country"] if c != "foreign"], ["KR"] if foreign else []),
                creators=tuple(unwanted["creators"]),
                people=tuple(unwanted["people"]),
                titles=tuple(dict.fromkeys(titles)),
            ),
            count=(quantity["count"].high or DEFAULT_COUNT) if "count" in quantity else DEFAULT_COUNT,
        )

    def _refines(
        self, text: str, morphemes: list[Morpheme], fresh: Request, anew: bool, intent: Intent
    ) -> bool:
        """Whether a text of the last request's domain changes that request rather than standing alone.

        `anew` tells that the domain was named though it was settled already.
        """
        if intent not in ("recommend", "more", "similar"):
            return False
        if not anew or intent == "more":
            return True
        if self._negation.begins(text):
            return False
        asked = self.search_text(text).rstrip(" .!?~요")
        only_excludes = (
            replace(fresh, exclude=Exclude(), allergens=(), avoid=()).is_open and not fresh.is_open
        )
        ends_in_to = any(  # 한국 영화로
            m.tag == "JKB" and m.form in ("로", "으로") and text[: m.end] == asked for m in morphemes
        )
        fragment = len(squeeze(asked)[0]) <= FRAGMENT_CHARS and bool(_FRAGMENT.search(asked))
        return only_excludes or ends_in_to or fragment or bool(self._refine_words.search(text))


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
    sure = {name.name.domain for name in named if name.sure or name.name.kind == "title"}
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


def _as_matches_of(found: Iterable[Quantity]) -> list[Match]:
    return [Match(f"quantity.{each.kind}", "", each.start, each.end) for each in found]


def _without(text: str, matches: list[Match]) -> str:
    for match in matches:
        text = text[: match.start] + " " * (match.end - match.start) + text[match.end :]
    return text


def _is_cast(name: NameMatch, named: list[NameMatch], text: str) -> bool:
    """Whether a name that a director and an actor bear is said as the actor's: 이병헌 나오는 영화."""
    borne = any(n.name.kind == "person" and n.start == name.start for n in named)
    after, before = text[name.end :], text[: name.start]
    acts = re.match(r"[이가은는]?\s*(?:주연|배우|연기|안\s*)?(?:나오|나온|나왔|출연|주연|배우|연기)", after)
    return borne and bool(acts or re.search(r"(?:starring|with|actor)\s*$", before))


def _turned(quantity: Quantity) -> Range | None:
    """What is left when a quantity is turned down: short for no long ones; of years and counts, nothing."""
    low, high = quantity.value.low, quantity.value.high
    if quantity.kind not in ("length", "kcal") or (low is None) == (high is None):
        return None
    return Range(None, low - 1) if low is not None else Range((high or 0) + 1, None)


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


_RESEMBLES: Final = re.compile(
    r"^(.{2,40}?)\s*(?:이?랑|하고|과|와)?\s*(?:비슷한|같은|처럼)\s|\b(?:like|similar to) (.{2,40})$", re.I
)


def _unknown_name(text: str) -> str:
    """What a text wants something like, when that is no "이거" but a name: 해리포터 같은 책."""
    match = _RESEMBLES.search(text.strip(" .!?"))
    name = (match[1] or match[2]).strip() if match else ""
    return (
        "" if re.fullmatch(r"(?:이|그|저)(?:런|거|것|책|영화|음식)?|this|that|it|these", name, re.I) else name
    )


def _spice(wanted: list[str], unwanted: list[str]) -> Range:
    if "0" in wanted:
        return Range(None, 0)
    if "1" in wanted:
        return Range(None, 1)
    if unwanted:
        return Range(None, 0)
    return Range(3 if "3" in wanted else 2, None) if wanted else Range()
