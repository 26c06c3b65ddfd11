"""Text to Request: what a person's words ask for, and what they ask of the last answer.

Rules over word lists, names and numbers; moods told without a word for them are matched by embedding.
Knows nothing of who speaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from data.item import Domain
from engine import english, quantities
from engine.allergies import Allergies, Named
from engine.embedder import Embedder, bundled
from engine.feelings import Feelings
from engine.intent import SMALL_TALK, Intent, Intents, refers, settled
from engine.korean import Korean, Morpheme
from engine.lexicon import Lexicon, Match, pattern, read
from engine.names import Name, NameMatch, Names
from engine.negation import Negation
from engine.quantities import Quantity
from engine.request import Exclude, Request, union
from engine.slots import fill
from engine.text import is_korean, normalize, squeeze
from engine.topic import domain_of, foreigner, meant, own, several, stranger, unknown_name

SEARCHED_CHARS: Final = 300
"""What of a text is embedded and searched: more costs seconds and says nothing more about a wish."""
BEGUN: Final = 64
"""How many texts may be begun with and not be understood after all, such as answers to a question."""
FRIGHT: Final = "무서워"
"""Said of films after films, and else of oneself."""
FRAGMENT_CHARS: Final = 10
_FRAGMENT: Final = re.compile(r"(?:거|건|걸|것|거로|걸로|것으로)$")
"""How a text ends that says of which kind the last request should have been: 국물 있는 거."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """What was understood of one text.

    `refers` are places (from 1) in the last answer that were pointed at, -1 for the last one;
    `named` are ids of items whose title was said, `only_title` that nothing else was; `refines` tells that
    the request changes the last one rather than standing alone; `text` is the person's text, mended;
    `alone` what it asks by itself, where `request` is the last one changed by it;
    `retracted` are the allergies that intent "retract" takes back, None for all of them.
    """

    intent: Intent
    request: Request
    refers: tuple[int, ...] = ()
    named: tuple[str, ...] = ()
    only_title: bool = False
    refines: bool = False
    text: str = ""
    language: str = "ko"
    alone: Request | None = None
    retracted: Named | None = None


@dataclass(slots=True)
class _Heard:
    """One text by itself: the words it was read in, and the wish that they make.

    `explicit` tells that the domain was named, `titles` are items whose title was said, `only_title` that nothing
    else was, `pointed` are places in the last answer, `counted` tells that a number of picks was said, and
    `retracts` that allergies are taken back: those `retracted`, or all.
    """

    low: str
    morphemes: list[Morpheme]
    matches: list[Match]
    domain: Domain | None
    explicit: bool
    fresh: Request
    titles: tuple[str, ...]
    only_title: bool
    pointed: tuple[int, ...]
    counted: bool
    retracts: bool
    retracted: Named | None

    @property
    def points(self) -> bool:
        """Whether it names or points at something."""
        return bool(self.titles or self.pointed)

    @property
    def is_open(self) -> bool:
        """Whether nothing in it could be searched for."""
        return self.fresh.is_open and not self.titles

    def follows(self, last: Request | None) -> bool:
        """Whether it may be of the same domain as the last request."""
        return last is not None and (self.domain is None or last.domain in (None, self.domain))


class Understander:
    """Reads texts with one catalog's names at hand."""

    def __init__(self, korean: Korean, embedder: Embedder) -> None:
        table = read("request")
        genres = table["genres"]
        flat = {f"genres.{domain}": words for domain, words in genres.items()}
        self._lexicon = Lexicon({**{k: v for k, v in table.items() if k != "genres"}, **flat})
        words = read("dialogue")["words"]
        self._request_words = pattern(words["request"])
        self._things = frozenset(words["things"])
        self._refine_words = pattern(words["refine"])
        self._instead = pattern(words["instead"])
        self._plain = frozenset(words["plain"])
        self._korean = korean
        self._negation = Negation()
        self._allergies = Allergies(self._negation)
        self._feelings = Feelings(bundled(embedder))
        self._intents = Intents()
        self._embedder = embedder
        self._begun: dict[str, tuple[str, list[Morpheme], Intent]] = {}

    async def allergies(self, text: str, listed: bool = False) -> Named:
        """What may be an allergy by name in a text: ids of the label list, and of other things.

        `listed` tells that the text answers what one must not eat: then a list's unknown words count too.
        """
        await self._korean.ready()
        mended, morphemes = self._korean.analyse(normalize(text))
        read = self._allergies.listed if listed else self._allergies.named
        return read(mended.lower(), morphemes)

    def expect(self, text: str) -> None:
        """Begin with a text that is about to be understood; while the analyser loads, nothing is begun."""
        if not self._korean.is_ready:
            return
        said = normalize(text)
        self._begun[said] = self._begin(said)
        while len(self._begun) > BEGUN:
            del self._begun[next(iter(self._begun))]

    def _begin(self, said: str) -> tuple[str, list[Morpheme], Intent]:
        """The text mended, its morphemes and what it seems to ask for; its query is made while the rest is read."""
        mended, morphemes = self._korean.analyse(english.mended(said))
        intent = self._intents.first(mended.lower(), morphemes)
        if intent == "recommend":
            self._embedder.expect(self.search_text(mended))
        return mended, morphemes, intent

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
        await self._korean.ready()
        begun = self._begun.pop(said) if said in self._begun else self._begin(said)
        mended, morphemes, intent = begun
        heard = self._hear(mended, morphemes, names, last, domain, this_year)
        if intent == "recommend" and heard.is_open:
            self._guess(heard, names)
        if intent == "recommend" and (unknown := self._stranger(heard)):
            heard.fresh = replace(heard.fresh, unknown=unknown)
        if intent == "recommend" and heard.is_open:
            felt = await self._feelings.felt(mended[:SEARCHED_CHARS])
            heard.fresh = replace(heard.fresh, moods=felt)
        intent = self._settled(intent, heard, last)
        if among := several(heard.low, heard.matches) if intent == "recommend" else ():
            each = heard.fresh.count if heard.counted and "씩" in heard.low else 1
            heard.fresh = replace(heard.fresh, domain=None, among=among, count=each * len(among))
        if intent == "unclear" and heard.counted:
            intent = "recommend"
        refines = heard.follows(last) and self._refines(heard, last, intent)
        request, alone = heard.fresh, None
        if refines and last is not None:
            if not request.is_open and not self._refine_words.search(heard.low):
                alone = replace(request, domain=request.domain or last.domain)
            request = _merged(heard, last, intent)
        elif last is not None and intent == "recommend" and self._changes_domain(heard, last):
            request = _elsewhere(heard.fresh, last)
        if intent == "similar" and not heard.points and (strange := unknown_name(mended)):
            known = request.creators or request.people or request.like
            intent, request = "recommend", replace(request, unknown="" if known else strange)
        if request.domain is Domain.FOOD and request.immersion == "light":
            # "더 가볍게" of a dish means its calories
            request = replace(request, immersion=None, body=request.body or ("diet",))
        return Understanding(
            intent,
            request,
            heard.pointed,
            heard.titles,
            heard.only_title,
            refines,
            mended,
            "ko" if is_korean(said) or not re.search("[a-zA-Z]", said) else "en",
            alone,
            heard.retracted,
        )

    def _hear(
        self,
        mended: str,
        morphemes: list[Morpheme],
        names: Names,
        last: Request | None,
        domain: Domain | None,
        this_year: int,
    ) -> _Heard:
        """What the words, names and numbers of a text say, and what of it is turned down."""
        low, of_film = mended.lower(), last is not None and last.domain is Domain.MOVIE
        matches = [
            match
            for match in self._lexicon.find(low, morphemes)
            if of_film or low[match.start : match.end] != FRIGHT
        ]
        numbers = _as_matches_of(quantities.find(low, this_year, domain))
        said_names = own(names.find(mended), matches, morphemes, low)
        named = meant(said_names, [*matches, *numbers], low)
        told, of_works = domain, last is not None and last.domain in (Domain.BOOK, Domain.MOVIE)
        domain, explicit = (domain, True) if domain else domain_of(low, [*matches, *numbers], named)
        if told is None and not explicit and domain is Domain.FOOD and of_works:
            # "Korean" is a kitchen and a country: after films it is the country
            lands = {match.start for match in matches if match.field == "country"}
            matches = [m for m in matches if m.field != "cuisine" or m.start not in lands]
            domain, explicit = domain_of(low, matches, named)
        about = domain or (last.domain if last else None)  # tells what "짧은" is short of
        found = list(quantities.find(low, this_year, about))
        negated = self._negation.spans(low, [*matches, *_as_matches(named)])
        for number in _as_matches_of(found):
            negated |= self._negation.spans(low, [number])
        eaten = [(name.start, name.end) for name in said_names if name.name.kind == "ingredient"]
        back = self._allergies.taken_back(low, morphemes)
        refused = self._allergies.refused(low, morphemes, eaten)
        if back is not None:
            refused = self._allergies.refused(_without(low, [back[1]]), ())
        compared = {word.start for word in morphemes if (word.form, word.tag) == ("보다", "JKB")}
        # 액션보다 tells that it is about films, and does not wish for action
        wished = [match for match in matches if match.end not in compared]
        fresh = fill(low, wished, named, negated, domain, found, refused)
        if tired := self._tired_of(low, morphemes, [*matches, *numbers, *_as_matches(named)]):
            out = fresh.exclude
            fresh = replace(fresh, exclude=replace(out, titles=union(out.titles, tired)))
        of_titles = [name for name in named if name.name.kind == "title"]
        meant_items = (i for n in of_titles if (n.start, n.end) not in negated for i in n.name.items)
        whole = squeeze(low)[0]
        return _Heard(
            low,
            morphemes,
            matches,
            domain,
            explicit,
            replace(fresh, text=self.search_text(mended)),
            tuple(dict.fromkeys(meant_items)),
            any(squeeze(low[n.start : n.end])[0] == whole for n in of_titles),
            refers(low),
            any(quantity.kind == "count" for quantity in found),
            back is not None,
            back[0] if back else None,
        )

    @staticmethod
    def _stranger(heard: _Heard) -> str:
        """Someone whom the text asks for and nothing here is by."""
        if heard.is_open:
            return stranger(heard.low, heard.morphemes)
        if heard.fresh.creators or heard.fresh.people or heard.titles:
            return ""
        return foreigner(heard.low, heard.morphemes, [(match.start, match.end) for match in heard.matches])

    def _guess(self, heard: _Heard, names: Names) -> None:
        """Take a text that says nothing else for a name that it is nearly spelt like."""
        domains = [(match.start, match.end) for match in heard.matches if match.field == "domain"]
        guess = names.closest(self._asked(_without(heard.low, domains)))
        if guess is not None and heard.domain in (None, guess.domain):
            heard.fresh = replace(heard.fresh, domain=guess.domain, **_named_field(guess))
            heard.titles = guess.items if guess.kind == "title" else ()

    def _settled(self, intent: Intent, heard: _Heard, last: Request | None) -> Intent:
        """What a text asks for, after its words alone said `intent` and now that its wish is known."""
        chatter = intent in SMALL_TALK and self._intents.is_chatter(heard.low)
        # "다른 책" after books asks for more of them
        more = intent == "more" and heard.follows(last) and heard.fresh.is_open
        if not (chatter or more):
            intent = settled(intent, heard.fresh, heard.explicit, heard.titles, heard.pointed, heard.low)
        if heard.retracts:
            return "retract"
        if self._allergies.is_bare(heard.low, heard.morphemes):
            return "which_allergy"
        of_wish = intent in ("recommend", "like", "dislike") and not heard.points and not heard.fresh.is_open
        if of_wish and self._intents.tells_taste(heard.low, midway=last is not None):
            return "taste"
        return intent

    def _changes_domain(self, heard: _Heard, last: Request) -> bool:
        """Whether a text says nothing but that the last wish is meant of another domain: 영화 말고 책으로."""
        other = heard.domain is not None and last.domain is not None and heard.domain is not last.domain
        return other and heard.explicit and heard.is_open and bool(self._instead.search(heard.low))

    def _tired_of(self, text: str, morphemes: Sequence[Morpheme], known: Sequence[Match]) -> list[str]:
        """Nouns that no list knows and that are turned down: titles that hold one are left out."""
        taken = [*known, *self._allergies.found(text, morphemes)]
        return [
            noun.form
            for noun in morphemes
            if noun.tag in ("NNG", "NNP")
            and noun.form not in self._plain
            and not any(match.start < noun.end and noun.start < match.end for match in taken)
            and self._negation.follows(text, noun.end)
        ]

    def search_text(self, text: str) -> str:
        """The text without the words that only ask, and without those for the thing itself, for searching: all
        that is searched is a film where a film is asked for, and each word costs a millisecond."""
        asked = self._asked(text)
        return " ".join(word for word in asked.split() if word.lower() not in self._things) or asked

    def _asked(self, text: str) -> str:
        return (" ".join(self._request_words.sub(" ", text).split()) or text)[:SEARCHED_CHARS]

    def _refines(self, heard: _Heard, last: Request | None, intent: Intent) -> bool:
        """Whether a text of the last request's domain changes that request rather than standing alone."""
        text, fresh = heard.low, heard.fresh
        if intent not in ("recommend", "more", "similar"):
            return False
        named_again = heard.explicit and last is not None and last.domain is not None
        if not named_again or intent == "more":
            return True
        if self._negation.begins(text):
            return False
        asked = self._asked(text).rstrip(" .!?~요")
        only_excludes = (
            replace(fresh, exclude=Exclude(), allergens=(), avoid=()).is_open and not fresh.is_open
        )
        ends_in_to = any(  # 한국 영화로
            m.tag == "JKB" and m.form in ("로", "으로") and text[: m.end] == asked for m in heard.morphemes
        )
        fragment = len(squeeze(asked)[0]) <= FRAGMENT_CHARS and bool(_FRAGMENT.search(asked))
        return only_excludes or ends_in_to or fragment or bool(self._refine_words.search(text))


def _as_matches(named: list[NameMatch]) -> list[Match]:
    return [Match(f"name.{name.name.kind}", name.name.value, name.start, name.end) for name in named]


def _as_matches_of(found: Iterable[Quantity]) -> list[Match]:
    return [Match(f"quantity.{each.kind}", "", each.start, each.end) for each in found]


def _merged(heard: _Heard, last: Request, intent: Intent) -> Request:
    """The last request as a text changes it; "아무거나" keeps of it nothing but the domain."""
    fresh = heard.fresh
    if intent == "recommend" and fresh.is_open and not heard.counted and not heard.explicit:
        return Request(text=fresh.text, domain=last.domain)
    return replace(last.refined(fresh), count=fresh.count if heard.counted else last.count)


def _elsewhere(fresh: Request, last: Request) -> Request:
    """A wish for another domain with what of the last one tells of the person and the hour, not of the work."""
    return replace(
        fresh,
        text=f"{last.text} {fresh.text}".strip(),
        moods=last.moods,
        situations=last.situations,
        effects=last.effects,
    )


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def _named_field(name: Name) -> dict[str, Any]:
    match name.kind:
        case "creator":
            return {"creators": (name.value,)}
        case "person":
            return {"people": (name.value,)}
        case _:
            return {"items": name.items}
