"""What a text is about: its domain, which of the names in it are meant as names, and names that nothing bears."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from data.item import BOOK_GENRES, MOVIE_GENRES, Domain
from engine.korean import Morpheme
from engine.lexicon import Match
from engine.names import NameMatch
from engine.text import squeeze

_RESEMBLES: Final = re.compile(
    r"^(.{2,40}?)\s*(?:이?랑|하고|과|와)?\s*(?:비슷한|같은|처럼)\s|\b(?:like|similar to) (.{2,40})$", re.I
)


_THING: Final = re.compile(
    r"(?:영화|무비|책|소설|음식|메뉴|요리|movies?|films?|books?|novels?|dish|food)$", re.I
)
"""Words for the thing itself: they tell more of what is wanted than 점심 or 읽었 in a story told around it."""
_NOT_THAT: Final = re.compile(r"\s*(?:은|는)?\s*(?:말고|빼고|아니고|아니라|대신)|\s+(?:no more|instead of)\b")
_NO: Final = re.compile(r"\b(?:not|no|instead of|rather than)(?: an?| any| the)?\s+$")
"""What turns a domain down: 책 말고 영화로, a book instead of a film."""
_AND: Final = re.compile(
    r"\s*(?:이?랑|하고|와|과|도|,|/|&|\+|그리고|추천|하나|한 ?[권편]|하나씩|and|a|an|one|\s)*\s*", re.I
)
_SURNAMES: Final = "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진나지엄채원천방공현함변염추"
_ASKED_FOR: Final = re.compile(
    r"(?:[이가은는])?\s*(?:나오|나온|출연|주연|감독|작가|배우|작품|영화|책|소설|꺼|거|걸|[?!.~]|$)"
)
_OF_DISHES: Final = frozenset(
    {"cuisine", "diet", "soupy", "served", "spicy", "body", "quantity.price", "quantity.kcal"}
)
_WORK: Final = re.compile(
    r"\s*(?:의\s)?(?:처럼|같은|팬|신작|글|거|꺼|감독|작가|배우|영화|책|소설|에세이|작품|주연|나오|출연)"
)


def domain_of(text: str, matches: Sequence[Match], named: Sequence[NameMatch]) -> tuple[Domain | None, bool]:
    """The domain and whether the person said it, rather than it following from a genre or a name."""
    said = _meant_domains(text, matches)
    if said:
        points = dict.fromkeys(Domain, 0.0)
        for place, match in enumerate(said):
            points[Domain(match.value)] += 2 if match.value == "book" else 1
            points[Domain(match.value)] += 2 if _THING.match(text[match.start : match.end]) else 0
            points[Domain(match.value)] += 0.5 if place == len(said) - 1 else 0  # what is asked comes last
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
    if any(match.field in _OF_DISHES for match in matches):
        return (Domain.FOOD, False) if not genres[Domain.MOVIE] else (None, False)
    return None, False


def _meant_domains(text: str, matches: Sequence[Match]) -> list[Match]:
    """The words for a domain, without one that is turned down for another; 두꺼운 책 말고 still wants a book."""
    said = [match for match in matches if match.field == "domain"]
    left = [m for m in said if not _NOT_THAT.match(text[m.end :]) and not _NO.search(text[: m.start])]
    return left or said


def several(text: str, matches: Sequence[Match]) -> tuple[Domain, ...]:
    """The domains of a text that asks for more than one of them: 책이랑 영화 하나씩."""
    things = [m for m in _meant_domains(text, matches) if _THING.match(text[m.start : m.end])]
    found = []
    for one, other in itertools.pairwise(things):
        if one.value != other.value and _AND.fullmatch(text[one.end : other.start]):
            found += [Domain(one.value), Domain(other.value)]
    return tuple(dict.fromkeys(found))


def meant(named: Sequence[NameMatch], matches: Sequence[Match], text: str) -> list[NameMatch]:
    """Names without those that more likely are plain words: a short title that is also a wish (불안, 괴물)."""
    kept = []
    for name in named:
        covered = any(m.start <= name.start and name.end <= m.end for m in matches if m.field != "domain")
        cue = re.match(
            r"\s*(?:이?랑|하고|과|와|은|는|을|를|[이가](?=\s))?\s*(?:(?:내|제|진짜|정말|너무)\s)?"
            r"(?:비슷|같은|처럼|느낌|어때|봤|읽었|줄거리|말고|빼고|자세|어디서|인생 ?(?:영화|책)|재밌게|재미있게|좋았)",
            text[name.end :],
        )
        alone = squeeze(text)[0] == squeeze(text[name.start : name.end])[0]
        quoted = text[name.start - 1 : name.start] in tuple("<『「《\"'‘“")
        food = name.name.domain is Domain.FOOD
        asked = not text[: name.start].strip() and re.match(r"\s*[을를]?\s*추천", text[name.end :])
        if (
            name.name.kind in ("creator", "person")
            and not name.sure
            and not alone
            and not _WORK.match(text[name.end :])
        ):
            continue  # 놀란 is a director before 영화, and surprised elsewhere
        if (
            name.name.kind != "title"
            or cue
            or alone
            or quoted
            or (not covered and (name.sure or food or asked))
        ):
            kept.append(name)
    return kept


def is_cast(name: NameMatch, named: Sequence[NameMatch], text: str) -> bool:
    """Whether a name that a director and an actor bear is said as the actor's: 이병헌 나오는 영화."""
    borne = any(n.name.kind == "person" and n.start == name.start for n in named)
    after, before = text[name.end :], text[: name.start]
    acts = re.match(r"[이가은는]?\s*(?:주연|배우|연기|안\s*)?(?:나오|나온|나왔|출연|주연|배우|연기)", after)
    return borne and bool(acts or re.search(r"(?:starring|with|actor)\s*$", before))


def stranger(text: str, morphemes: Sequence[Morpheme]) -> str:
    """The name of a person whom a text asks for, as far as its form tells: 조승우 나오는 거."""
    names = (
        word.form
        for word in morphemes
        if word.tag == "NNP"
        and len(word.form) == 3
        and word.form[0] in _SURNAMES
        and _ASKED_FOR.match(text[word.end :])
    )
    return next(names, "") or foreigner(text, morphemes, ())


def foreigner(text: str, morphemes: Sequence[Morpheme], known: Sequence[tuple[int, int]]) -> str:
    """A name of two words, as foreign ones are, that a text asks for: 스티븐 킹 소설. Neither word reaches into
    what is known."""
    names = (f"{given.form} {family.form}" for given, family in _foreign(text, morphemes, known))
    return next(names, "")


def own(
    named: Sequence[NameMatch], matches: Sequence[Match], morphemes: Sequence[Morpheme], text: str
) -> list[NameMatch]:
    """Names without those that are only the first word of another's: 무라카미 is one, 무라카미 류 is someone else."""
    spans = [*((each.start, each.end) for each in matches), *((each.start, each.end) for each in named)]

    def goes_on(name: tuple[int, int]) -> bool:
        others = [span for span in spans if span != name]
        return any((given.start, given.end) == name for given, _ in _foreign(text, morphemes, others))

    return [
        name
        for name in named
        if name.name.kind not in ("creator", "person") or not goes_on((name.start, name.end))
    ]


def _foreign(
    text: str, morphemes: Sequence[Morpheme], known: Sequence[tuple[int, int]]
) -> Iterator[tuple[Morpheme, Morpheme]]:
    for given, family in itertools.pairwise(morphemes):
        if (
            given.tag == family.tag == "NNP"
            and family.start == given.end + 1
            and _ASKED_FOR.match(text[family.end :])
            and not any(start < family.end and given.start < end for start, end in known)
        ):
            yield given, family


def unknown_name(text: str) -> str:
    """What a text wants something like, when that is no "이거" but a name: 해리포터 같은 책."""
    match = _RESEMBLES.search(text.strip(" .!?"))
    name = (match[1] or match[2]).strip() if match else ""
    return (
        "" if re.fullmatch(r"(?:이|그|저)(?:런|거|것|책|영화|음식)?|this|that|it|these", name, re.I) else name
    )
