"""Titles and names that a sentence says of an item and that are neither its own nor the request's.

What a catalog knows is found by its dictionary; what none need know by quotation marks, by a list of works that models
like to name, and by what only stands beside a work. Plain words that are also titles (고래, 소나기) count only where
something marks them. Proper nouns by themselves are `strangers`'; numbers somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from data.item import Domain
from engine import strangers
from engine.backing import Backing
from engine.korean import Morpheme
from engine.lexicon import read
from engine.names import MAX_NAME, Name, Names
from engine.text import squeeze

Fault = Literal["title", "name"]

SURE: Final = 4
"""Letters from which a title is one wherever it stands, if its words are no common phrase."""

_MARKED: Final = re.compile(r"[《〈「『<]([^《〈「『<>》〉」』]{1,80})[>》〉」』]")
"""Brackets that are for titles only."""
_QUOTED: Final = re.compile(
    r"(?<!\w)'([^'\n]{1,80})'(?![a-z])|\"([^\"\n]{1,80})\"|“([^”]{1,80})”|‘([^’]{1,80})’"
)
_BEGINS: Final = tuple("《〈「『<'\"“‘")
_CLOSES: Final = tuple("》〉」』>'\"”’")
_UTTERED: Final = re.compile(r"(?:[.!?~…]|[요다까죠네야어아지]\s*)$|,")
_SAYS: Final = re.compile(
    r"\s*(?:이?라는|이?라고|이?란|하고|하는|같은|고)\s*(?:말|마음|생각|느낌|질문|한마디|인사|소리|대사|문장|부르|외치|묻|물|말하|속삭|단어|뜻)"
)
_PARTICLE: Final = re.compile(
    r"(?:이나|나|이랑|랑|하고|과|와|은|는|이|가|을|를|의|도|만|에|로|으로|처럼|보다|만큼|까지|부터|같은|답|다운|못지|라는|이라는|란|"
    r"께서|네|들|님|씨|풍|식|표|급|예요|이에요|입니다|이고|이며|이자|이라|라|마저|조차|뿐|대로|였|이었|인|일|야|아|호|역)"
)
_MADE: Final = re.compile(
    r"(?:[을를]|의)?\s*(?:쓴|만든|연출한|감독한|찍은|그린|지은|집필한)\s|의\s*(?:감독|작가|저자|원작)|\s*(?:감독|작가|제작진)(?:의|이|가|답)"
)
_SEEN: Final = re.compile(
    r"[을를]\s*(?:\S+게\s*)?(?:보셨|읽으셨|보신|읽으신|보았|봤|읽었|좋아하|사랑하|사랑한|아끼|기억하)|(?:이|가)?\s*(?:재미있으셨|재밌으셨|좋으셨|그리)"
)
_COMPARED: Final = re.compile(
    r"(?:처럼|보다|만큼|못지\s?않|같은|다음으로|에\s?버금|에 이어|이?나\s|[와과]\s?(?:같은|함께|나란히|비슷|닮|달리|는|마찬가지|이어|또|더불어|짝|비교|비견)|"
    r"[을를]\s?(?:떠올|닮|연상|잇는|뛰어넘|능가|이은)|의\s.{0,12}(?:떠올|생각|닮|그리|느껴|잇)|(?:부터|까지)\s.{0,6}(?:이어|단숨|쭉|정주행)|"
    r"으?로\s?(?:이어지|넘어가|가는)|[와과]는\s|이?랑\s)"
)
_CUES: Final = (_MADE, _SEEN, _COMPARED)
_RECALLED: Final = re.compile(
    r"떠올|생각나|생각이 나|닮|비슷|연상|전작|원작|작가|감독|속편|시리즈|이전|다음|reminds|similar|like"
)
_WORK_BEFORE: Final = re.compile(
    r"(?:영화|소설|드라마|작품|책|단편|시집|에세이|동화|애니메이션|만화|웹툰|시리즈|전작|후속작|film|movie|novel|book|series)\s*$",
    re.I,
)
_BESIDE: Final = re.compile(
    r"[와과]\s?(?:나란히|더불어|이어서|함께 (?:보|읽)(?:면|으면|어|아|기|시면|으시면))|"
    r"(?:처럼|보다|만큼|못지\s?않게?)\s.*(?:이야기|소설|영화|작품|책|동화|시집|단편|에세이)(?:예요|이에요|입니다|이죠|지요|죠)\W*$"
)
"""What stands after a work that another is set beside, even where the words are plain ones."""
_OUTDONE: Final = re.compile(r"보다\s(?:훨씬|더|덜|조금|한층|먼저|좀)")
_ADVERBIAL: Final = re.compile(r"으?로\s(?!이어|넘어|가는|시작|유명|알려)")
"""What follows words that are no title: 낮은 목소리로 흘러가요."""
_OF_SOMETHING: Final = re.compile(
    r"(\S+의 \S+?)(?:[을를]\s(?:떠올리게|연상|닮은|잇는)|처럼|보다|만큼|[와과]\s(?:함께|나란히|비슷|닮|같은)|에\s?버금|\s?못지)"
)
_WORK_ONLY: Final = re.compile(
    r"(\S+?)[을를]\s(?:(?:\S+게\s)?(?:보셨|읽으셨|보신|읽으신)|(?:쓴|만든|연출한|감독한|찍은|집필한)\s(?:작가|감독|제작진|사람|저자))"
)
"""What is seen, read or made: only a work stands there."""
_OF_PERSON: Final = re.compile(
    rf"\s?(?:{strangers.ROLES}|특유|주연|표 )|의 (?:연기|소설|시|문장|연출|영화|책|목소리|눈빛|음악)|[을를] (?:떠올리|연상|닮)|[이가] (?:연기|쓴|만든|그린|부르|연출|출연|나오)"
)
_TASTE: Final = re.compile(r"\s?(?:처럼|같[은이]|빛|향|맛|색|을 뿌린 듯)")
_AMBIGUOUS: Final = frozenset({"마음", "우리들", "안경", "심판", "변신", "부활", "악의"})
"""Works that are what anything may be compared with."""


@dataclass(frozen=True, slots=True)
class _Said:
    """Names of the dictionary at `text[start:end]`, so many letters long."""

    names: Sequence[Name]
    start: int
    end: int
    letters: int


def fault(text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]) -> Fault | None:
    """The kind of the first title or name that nothing backs. `morphemes` are those of a Korean text, empty where no
    analyser is ready: fewer strangers are then found."""
    if _is_quoted(text, backing, names, morphemes):
        return "title"
    places = _places(text)
    own = _own(places, backing)
    for said in _found(text, places, names, backing, own):
        if kind := _of_another(said, text, backing, names, morphemes):
            return kind
    if _is_known_work(text, backing) or _is_framed(text, backing, morphemes):
        return "title"
    if backing.item.domain is Domain.FOOD and _is_other_dish(text, backing):
        return "title"
    return "name" if strangers.named(text, backing, morphemes, own) else None


def _is_quoted(text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]) -> bool:
    """Whether something in quotation marks is a title of something else, rather than words that somebody says."""
    if any(not backing.within(match[1]) for match in _MARKED.finditer(text)):
        return True
    for match in _QUOTED.finditer(text):
        inner = next(group for group in match.groups() if group is not None)
        key = squeeze(inner)[0]
        if not key or backing.within(inner):
            continue
        if any(name.kind == "title" for name in names.spelt(key)):
            return True
        before, after = text[: match.start()], text[match.end() :]
        cue = _WORK_BEFORE.search(before) or any(cue.match(after) for cue in _CUES)
        if (_UTTERED.search(inner) and not cue) or _SAYS.match(after):
            continue
        proper = any(
            m.tag == "NNP" and match.start() <= m.start < match.end() and not strangers.is_common(m.form)
            for m in morphemes
        )
        words = inner.split() if inner.isascii() else []
        capital = sum(word[0].isupper() for word in words) >= min(2, len(words)) > 0
        if proper or capital or cue or _RECALLED.search(after) or (" " not in inner.strip() and len(key) > 5):
            return True
    return False


Places = Sequence[tuple[int, Sequence[tuple[str, int]]]]


def _places(text: str) -> Places:
    """Where each word begins, and what a name may be that begins there: squeezed and with its end, the longest first."""
    squeezed, at = squeeze(text)
    ends = [number for number, place in enumerate(at) if _ends(text, place + 1)]
    return [
        (
            start,
            [
                (squeezed[first : last + 1], at[last] + 1)
                for last in reversed(ends)
                if 0 <= last - first < MAX_NAME
            ],
        )
        for first, start in enumerate(at)
        if not (start and (text[start - 1].isalnum() or text[start - 1] in "》〉」』>’”"))
    ]


def _own(places: Places, backing: Backing) -> list[tuple[int, int]]:
    """Where the item's own names and the request's stand, the longest at each word's beginning."""
    return [
        (start, end)
        for start, spelt in places
        if (end := next((end for key, end in spelt if backing.owns(key)), None)) is not None
    ]


def _found(
    text: str, places: Places, names: Names, backing: Backing, own: Sequence[tuple[int, int]]
) -> Iterator[_Said]:
    """What the dictionary knows, the longest at each word's beginning; the item's own names are passed over."""
    for start, spelt in places:
        if any(low <= start < high for low, high in own):
            continue
        for key, end in spelt:
            found = names.spelt(key)
            if found and not (len(key) > 1 and backing.has(text[start:end])):
                yield _Said(found, start, end, len(key))
                break


def _ends(text: str, end: int) -> bool:
    """Whether a name may end here: the word does, or a particle follows."""
    after = text[end : end + 1]
    if not after or not after.isalnum():
        return True
    if text[end - 1].isascii():
        return not after.isascii()
    return _PARTICLE.match(text, end) is not None


def _of_another(
    said: _Said, text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]
) -> Fault | None:
    words, after = text[said.start : said.end], text[said.end :]
    quoted = text[said.start - 1 : said.start] in _BEGINS and after[:1] in _CLOSES
    food = backing.item.domain is Domain.FOOD
    if strangers.is_common(words):
        return None
    for name in said.names:
        if backing.item.id in name.items:
            continue
        match name.kind:
            case "title" if name.domain is Domain.FOOD:
                if quoted or (food and said.letters > 1 and not strangers.is_plain_food(words)):
                    return "title"
            case "title" if quoted or _is_title(said, name, text, backing, names, morphemes):
                return "title"
            case "creator" | "person" if _is_person(said, name, text):
                return "name"
            case "ingredient" if food and said.letters > 1 and not strangers.is_plain_food(words):
                same = next(
                    (group for group in read("grounding")["words"]["same"] if words in group), [words]
                )
                if not _TASTE.match(after) and not any(map(backing.within, same)):
                    return "name"
    return None


def _is_title(
    said: _Said, name: Name, text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]
) -> bool:
    """Whether words that are some title are said as one."""
    words, before = text[said.start : said.end], text[: said.start]
    after = text[said.end :].lstrip(".…!?,")  # 집으로...와, E.T.를
    if words.isascii() and any(char.isalpha() for char in words):
        several = sum(word[0].isupper() for word in words.split()) > 1
        inside = said.letters >= SURE and not strangers.SENTENCE_STARTS.search(before)
        marked = bool(_WORK_BEFORE.search(before)) or any(cue.match(after) for cue in _CUES)
        return words[0].isupper() and (several or inside or marked)
    made_or_seen = _MADE.match(after) or _SEEN.match(after)
    compared = _COMPARED.match(after)
    if _is_sibling(name, backing, names) and (made_or_seen or compared or said.letters >= SURE):
        return True
    if words.isdigit() or said.letters == 1:
        return _MADE.match(after) is not None
    within = [m for m in morphemes if said.start <= m.start < said.end]
    if any(m.tag == "NNP" and not strangers.is_common(m.form) for m in within):
        return True
    phrase = words in _phrases() or _ADVERBIAL.match(after) is not None
    if " " in name.value and not phrase and said.letters >= SURE - 1:
        return True
    plain = phrase or len(within) == 1 or (not within and said.letters < SURE)
    if not plain and said.letters >= SURE:
        return True
    if made_or_seen or _WORK_BEFORE.search(before) or _BESIDE.match(after):
        return True
    if said.letters >= SURE - 1 and not phrase and _OUTDONE.match(after):
        return True
    return compared is not None and not plain


def _is_sibling(name: Name, backing: Backing, names: Names) -> bool:
    """Whether a title is by one of the item's own creators: models like to name what they know by the same hand."""
    return any(
        not set(work.items).isdisjoint(name.items)
        for creator in backing.item.creators
        for work in names.spelt(squeeze(creator)[0])
    )


def _is_person(said: _Said, name: Name, text: str) -> bool:
    words = text[said.start : said.end]
    if words.isascii():
        return words[0].isupper() and name.sure
    return (name.sure and said.letters > 2) or _OF_PERSON.match(text, said.end) is not None


def _is_known_work(text: str, backing: Backing) -> bool:
    """Whether a work that no catalog need hold is named."""
    for match in _works().finditer(text):
        if not _ends(text, match.end()) or backing.within(match[0]):
            continue
        letters, after = len(squeeze(match[0])[0]), text[match.end() :]
        if letters >= SURE or _MADE.match(after) or _SEEN.match(after):
            return True
        if letters > 1 and match[0] not in _AMBIGUOUS and _COMPARED.match(after):
            return True
    return False


def _is_framed(text: str, backing: Backing, morphemes: Sequence[Morpheme]) -> bool:
    """Whether what stands where only a work can stand is not backed: 하치의 마지막 연인을 쓴 작가."""
    generic = tuple(read("grounding")["words"]["generic"])
    for match in _WORK_ONLY.finditer(text):
        noun = match[1].strip("'\"“”‘’《》〈〉「」『』<>")
        if not noun.endswith(generic) and not backing.within(noun):
            return True
    for match in _OF_SOMETHING.finditer(text):
        one, other = match[1].split("의 ", 1)
        if (
            len(one) < 2
            or one.endswith(generic)
            or other.endswith(generic)
            or backing.has(one)
            or backing.has(other)
        ):
            continue
        if any(m.tag == "NNP" for m in morphemes if match.start(1) <= m.start < match.end(1)):
            return True
    return False


def _is_other_dish(text: str, backing: Backing) -> bool:
    """Whether a dish or an ingredient is named beside a dish that is neither."""
    for match in _dishes().finditer(text):
        korean = not match[0].isascii()
        if (not korean or _ends(text, match.end())) and not backing.within(match[0]):
            return True
    return False


@cache
def _phrases() -> frozenset[str]:
    """Titles that are also how one speaks."""
    return frozenset(read("grounding")["words"]["phrases"])


@cache
def _works() -> re.Pattern[str]:
    words = read("grounding")["words"]
    every = sorted({*words["works"], *words["works_en"]}, key=len, reverse=True)
    spaced = (r"\s?".join(map(re.escape, work.split())) for work in every)
    return re.compile(rf"(?<!\w)(?:{'|'.join(spaced)})")


@cache
def _dishes() -> re.Pattern[str]:
    """Dishes, and ingredients whose names are no other words."""
    words = read("grounding")["words"]
    free = [word for word in read("ingredients")["free"] if len(word) > 2]
    korean = sorted({*words["dishes"], *free}, key=len, reverse=True)
    english = sorted(words["dishes_en"], key=len, reverse=True)
    return re.compile(
        rf"(?<!\w)(?:{'|'.join(map(re.escape, korean))})|(?i:\b(?:{'|'.join(map(re.escape, english))})\b)"
    )
