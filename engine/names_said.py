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

<<<<<<< HEAD
_MARKED: Final = re.compile(r"[《〈「『]([^《〈「『》〉」』]{1,80})[》〉」』]")
_QUOTED: Final = re.compile(
    r"(?:(?<![\w])'([^'\n]{1,80})'(?![a-z])|\"([^\"\n]{1,80})\"|“([^”]{1,80})”|‘([^’]{1,80})’)"
)
=======
_MARKED: Final = re.compile(r"[《〈「『<]([^《〈「『<>》〉」』]{1,80})[>》〉」』]")
"""Brackets that are for titles only."""
_QUOTED: Final = re.compile(
    r"(?<!\w)'([^'\n]{1,80})'(?![a-z])|\"([^\"\n]{1,80})\"|“([^”]{1,80})”|‘([^’]{1,80})’"
)
_BEGINS: Final = tuple("《〈「『<'\"“‘")
_CLOSES: Final = tuple("》〉」』>'\"”’")
>>>>>>> w-ground
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
<<<<<<< HEAD
_RECALLS: Final = re.compile(
    r"떠올|생각나|생각이 나|닮|비슷|연상|전작|원작|작가|감독|속편|시리즈|이전|다음|reminds|similar|like"
)
_ALL_CUES: Final = (_MAKER, _SEEN, _COMPARED)
_WORK_BEFORE: Final = re.compile(
    r"(?:영화|소설|드라마|작품|책|단편|시집|에세이|동화|애니메이션|만화|웹툰|시리즈|전작|후속작|film|movie|novel|book|series)\s*$",
    re.I,
)
_FOREIGN_FRAME: Final = re.compile(
    r"((?:\S+\s){0,2}?\S+?의 \S+?)(?:[을를]\s(?:떠올리게|연상|닮은|잇는)|처럼|보다|만큼|[와과]\s(?:함께|나란히|비슷|닮|같은)|에\s?버금|\s?못지)"
)
_SEEN_WORK: Final = re.compile(r"(\S+?)[을를]\s(?:\S+게\s)?(?:보셨|읽으셨|보신|읽으신)")
_MADE_WORK: Final = re.compile(
    r"(\S+?)[을를]\s(?:쓴|만든|연출한|감독한|찍은|집필한)\s(?:작가|감독|제작진|사람|저자)"
)
PLAIN_LATIN: Final = frozenset(
    [
        "sf",
        "ost",
        "tv",
        "cg",
        "dvd",
        "ktx",
        "sns",
        "ott",
        "mbti",
        "bgm",
        "vs",
        "ok",
        "pc",
        "ai",
        "dna",
        "it",
        "rpg",
        "uhd",
        "hd",
        "b",
        "a",
        "k",
        "t",
        "x",
        "o",
        "kcal",
        "kg",
        "g",
        "ml",
        "cm",
        "km",
        "s",
        "ep",
    ]
)
_CAPITAL: Final = re.compile(r"(?<![A-Za-zÀ-ɏ0-9'’])[A-ZÀ-Þ][A-Za-zÀ-ɏ0-9'’-]*(?:\.(?=\s[A-Z]))?")
_SURNAMES: Final = "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진나지엄채원천방공현함변염추도석선설마길연위표명기반왕금옥육인맹제모탁국여어은편용예경봉사부"
_ENGLISH_FREE: Final = frozenset(
    [
        "i",
        "i'm",
        "i'd",
        "i'll",
        "i've",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "christmas",
        "english",
        "earth",
        "god",
        "mr",
        "mrs",
        "ms",
        "dr",
        "tv",
        "sf",
        "ost",
        "ok",
    ]
)
_SAME: Final = (
    ("달걀", "계란", "노른자"),
    ("닭", "닭고기", "치킨"),
    ("소고기", "쇠고기", "한우"),
    ("돼지고기", "돼지"),
    ("고추", "청양고추", "홍고추"),
    ("대파", "쪽파", "파"),
    ("면", "국수", "쌀국수면"),
)
_PASSING: Final = re.compile(r"\s?(?:처럼|같[은이]|빛|향|맛|색|을 뿌린 듯)")
_ROLE_WORDS: Final = "|".join(sorted(read("grounding")["words"]["roles"], key=len, reverse=True))
_ROLED: Final = re.compile(
    rf"(?<![가-힣])(?P<name>(?:[가-힣]{{1,6}}\s)?[가-힣]{{1,6}}?)\s(?P<role>{_ROLE_WORDS})(?=(?:[은는이가의을를과와도께에로]|들|님|덕분|특유|표|답|이?[자며]|[ ,.]|$))"
)
=======
_CUES: Final = (_MADE, _SEEN, _COMPARED)
_RECALLED: Final = re.compile(
    r"떠올|생각나|생각이 나|닮|비슷|연상|전작|원작|작가|감독|속편|시리즈|이전|다음|reminds|similar|like"
)
_WORK_BEFORE: Final = re.compile(
    r"(?:영화|소설|드라마|작품|책|단편|시집|에세이|동화|애니메이션|만화|웹툰|시리즈|전작|후속작|film|movie|novel|book|series)\s*$",
    re.I,
)
_BESIDE: Final = re.compile(
    r"[와과]\s?(?:나란히|더불어|이어서)|"
    r"(?:보다|만큼|못지\s?않게?)\s.*(?:이야기|소설|영화|작품|책|동화|시집|단편|에세이)(?:예요|이에요|입니다|이죠|지요|죠)\W*$"
)
"""What stands after a work that another is set beside, even where the words are plain ones."""
_OF_SOMETHING: Final = re.compile(
    r"(\S+의 \S+?)(?:[을를]\s(?:떠올리게|연상|닮은|잇는)|처럼|보다|만큼|[와과]\s(?:함께|나란히|비슷|닮|같은)|에\s?버금|\s?못지)"
)
_WORK_ONLY: Final = re.compile(
    r"(\S+?)[을를]\s(?:(?:\S+게\s)?(?:보셨|읽으셨|보신|읽으신)|(?:쓴|만든|연출한|감독한|찍은|집필한)\s(?:작가|감독|제작진|사람|저자))"
)
"""What is seen, read or made: only a work stands there."""
_OF_PERSON: Final = re.compile(
    rf"\s?(?:{strangers.ROLES}|특유|주연|표 )|의 (?:연기|소설|시|문장|연출|영화|책|목소리|눈빛|음악)|[이가] (?:연기|쓴|만든|그린|부르|연출|출연|나오)"
)
_TASTE: Final = re.compile(r"\s?(?:처럼|같[은이]|빛|향|맛|색|을 뿌린 듯)")
_AMBIGUOUS: Final = frozenset({"마음", "우리들", "안경", "심판", "변신", "부활", "악의"})
"""Works that are what anything may be compared with."""
>>>>>>> w-ground


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
    for said in _found(text, names, backing):
        if kind := _of_another(said, text, backing, names, morphemes):
            return kind
    if _is_known_work(text, backing) or _is_framed(text, backing, morphemes):
        return "title"
    if backing.item.domain is Domain.FOOD and _is_other_dish(text, backing):
        return "title"
    return "name" if strangers.named(text, backing, morphemes) else None


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
<<<<<<< HEAD
        if (
            _UTTERED.search(inner)
            and not _WORK_BEFORE.search(before)
            and not any(c.match(after) for c in _ALL_CUES)
        ):
            continue
        if _SAYS.match(after):
            continue
        proper = any(
            m.tag == "NNP" and match.start() <= m.start < match.end() and not _is_common(m.form)
            for m in morphemes
        )
        capital = any(word[0].isupper() for word in inner.split()) if inner.isascii() else False
        cue = _WORK_BEFORE.search(before) or any(c.match(after) for c in _ALL_CUES) or _RECALLS.search(after)
        if proper or capital or cue or (" " not in inner.strip() and len(key) > 5):
            return True
        if re.match(r"\s*(?:감독|작가|속편|시리즈|다음|이후|팬|원작)", after):
=======
        cue = _WORK_BEFORE.search(before) or any(cue.match(after) for cue in _CUES)
        if (_UTTERED.search(inner) and not cue) or _SAYS.match(after):
            continue
        proper = any(
            m.tag == "NNP" and match.start() <= m.start < match.end() and not strangers.is_common(m.form)
            for m in morphemes
        )
        capital = inner.isascii() and any(word[0].isupper() for word in inner.split())
        if proper or capital or cue or _RECALLED.search(after) or (" " not in inner.strip() and len(key) > 5):
>>>>>>> w-ground
            return True
    return False


def _found(text: str, names: Names, backing: Backing) -> Iterator[_Said]:
    """What the dictionary knows, the longest at each word's beginning; the item's own names are passed over."""
    squeezed, places = squeeze(text)
    free = 0
    for at, start in enumerate(places):
        if at < free or (start and (text[start - 1].isalnum() or text[start - 1] in "》〉」』>’”")):
            continue
        for length in range(min(MAX_NAME, len(squeezed) - at), 0, -1):
            end = places[at + length - 1] + 1
            found = names.spelt(squeezed[at : at + length])
            if not found or not _ends(text, end):
                continue
            if backing.is_own(text[start:end]):
                free = at + length
                break
            if length > 1 and backing.has(text[start:end]):
                continue
            yield _Said(found, start, end, length)
            break


def _ends(text: str, end: int) -> bool:
    """Whether a name may end here: the word does, or a particle follows."""
    after = text[end : end + 1]
    if not after or not after.isalnum():
        return True
<<<<<<< HEAD
    return (not text[end - 1].isascii() and bool(_PARTICLE.match(text, end))) or (
        text[end - 1].isascii() and not after.isascii()
    )
=======
    if text[end - 1].isascii():
        return not after.isascii()
    return _PARTICLE.match(text, end) is not None
>>>>>>> w-ground


def _of_another(
    said: _Said, text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]
) -> Fault | None:
<<<<<<< HEAD
    item, words, after = backing.item, text[said.start : said.end], text[said.end :]
    quoted = text[said.start - 1 : said.start] in tuple("《〈「『'\"“‘") and after[:1] in tuple(
        "》〉」』'\"”’"
    )
=======
    words, after = text[said.start : said.end], text[said.end :]
    quoted = text[said.start - 1 : said.start] in _BEGINS and after[:1] in _CLOSES
    food = backing.item.domain is Domain.FOOD
    if strangers.is_common(words):
        return None
>>>>>>> w-ground
    for name in said.names:
        if backing.item.id in name.items:
            continue
        match name.kind:
            case "title" if name.domain is Domain.FOOD:
<<<<<<< HEAD
                if quoted or (
                    item.domain is Domain.FOOD and said.letters > 1 and not _is_generic_food(words)
                ):
=======
                if quoted or (food and said.letters > 1 and not strangers.is_plain_food(words)):
>>>>>>> w-ground
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
    words, before, after = text[said.start : said.end], text[: said.start], text[said.end :]
    if words.isascii() and any(char.isalpha() for char in words):
        several = sum(word[0].isupper() for word in words.split()) > 1
        inside = said.letters >= SURE and bool(before.strip(" \"'“‘"))
        return words[0].isupper() and (several or inside or bool(_WORK_BEFORE.search(before)))
    made_or_seen = _MADE.match(after) or _SEEN.match(after)
    compared = _COMPARED.match(after)
    if _is_sibling(name, backing, names) and (made_or_seen or compared or said.letters >= SURE):
        return True
    if words.isdigit() or said.letters == 1:
        return False
    within = [m for m in morphemes if said.start <= m.start < said.end]
    if any(m.tag == "NNP" and not strangers.is_common(m.form) for m in within):
        return True
    phrase = words in _phrases()
    if " " in name.value and not phrase and said.letters >= SURE - 1:
        return True
    plain = phrase or len(within) == 1 or (not within and said.letters < SURE)
    if not plain and said.letters >= SURE:
        return True
    if made_or_seen or _WORK_BEFORE.search(before) or _BESIDE.match(after):
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
<<<<<<< HEAD
        return words[:1].isupper() and name.sure
    if name.sure and said.letters > 2:
        return True
    return bool(
        re.match(
            rf"\s?(?:{_ROLE_WORDS}|특유|주연|표 )|의 (?:연기|소설|시|문장|연출|영화|책|목소리|눈빛|음악)|[이가] (?:연기|쓴|만든|그린|부르|연출|출연|나오)",
            after,
        )
    )
=======
        return words[0].isupper() and name.sure
    return (name.sure and said.letters > 2) or _OF_PERSON.match(text, said.end) is not None
>>>>>>> w-ground


def _is_known_work(text: str, backing: Backing) -> bool:
    """Whether a work that no catalog need hold is named."""
    for match in _works().finditer(text):
        if not _ends(text, match.end()) or backing.within(match[0]):
            continue
        letters, after = len(squeeze(match[0])[0]), text[match.end() :]
        if letters >= SURE or _MADE.match(after) or _SEEN.match(after):
            return True
<<<<<<< HEAD
        if (
            len(said) > 1
            and _COMPARED.match(after)
            and said not in ("마음", "우리들", "안경", "심판", "변신", "부활", "악의")
        ):
            return True
    if backing.item.domain is Domain.FOOD:
        return any(
            (
                text.startswith(dish, at)
                and not backing.has(dish)
                and not backing.within(dish)
                and _ends(text, at + len(dish))
            )
            for dish in words["dishes"]
            for at in _starts(text, dish)
        )
    return False


def _starts(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        if not at or not text[at - 1].isalnum():
            yield at
        at = text.find(word, at + 1)


def _framed_work(text: str, backing: Backing, morphemes: Sequence[Morpheme]) -> bool:
    """Whether what stands where only a work can stand is not backed: 갈매기의 꿈을 떠올리게 하는."""
    for frame in (_SEEN_WORK, _MADE_WORK):
        for match in frame.finditer(text):
            noun = match[1].strip("'\"“”‘’《》〈〉「」『』")
            if not (_is_generic(noun) or backing.has(noun) or backing.within(noun)):
                return True
    for match in _FOREIGN_FRAME.finditer(text):
        words = match[1].split()
        one, other = words[-2].removesuffix("의"), words[-1]
        if not (
            backing.has(one) or backing.has(other) or _is_generic(other) or _is_generic(one) or len(one) < 2
        ) and any(
            m.tag == "NNP"
            for m in morphemes
            if match.end(1) - len(" ".join(words[-2:])) <= m.start < match.end(1)
        ):
=======
        if letters > 1 and match[0] not in _AMBIGUOUS and _COMPARED.match(after):
>>>>>>> w-ground
            return True
    return False


<<<<<<< HEAD
def _stranger(text: str, backing: Backing, morphemes: Sequence[Morpheme]) -> bool:
    """Whether a proper noun of the analyser's is nobody and nowhere of the item's."""
    after_known = -1  # where a known name ended: 무라카미 is one, 무라카미 류 someone else
    for place, morpheme in enumerate(morphemes):
        if morpheme.tag != "NNP" and (morpheme.known or morpheme.tag != "NNG"):
            continue
        start, end = morpheme.start, morpheme.end
        own = place
        while (
            own
            and morphemes[own - 1].end == start
            and morphemes[own - 1].tag[:1] in "NX"
            and morphemes[own - 1].start < start
        ):
            own -= 1
            start = morphemes[own].start
        for follower in morphemes[place + 1 :]:
            if follower.start != end or (follower.tag[:1] not in "NX" and follower.tag != "SL"):
                break
            end = follower.end
        chunk = text[start:end]
        if _backed(chunk, text[morpheme.start : morpheme.end], backing):
            after_known = end
            continue
        if len(chunk) > 1:
            return True
        if re.match(rf"\s?(?:{_ROLE_WORDS})", text[end:]) or (
            after_known == start - 1 and text[start - 1] == " "
        ):
=======
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
>>>>>>> w-ground
            return True
    return False


<<<<<<< HEAD
def _backed(chunk: str, proper: str, backing: Backing) -> bool:
    if backing.has(chunk) or _is_common(chunk) or _is_common(proper) or _is_generic_food(chunk):
        return True
    country = _places().get(backing.item.country or "", frozenset())
    if chunk in country or proper in country:
        return True
    if any(
        chunk.endswith(suffix) and backing.has(chunk[: -len(suffix)])
        for suffix in (
            "네",
            "들",
            "님",
            "씨",
            "호",
            "표",
            "식",
            "풍",
            "파",
            "판",
            "어",
            "인",
            "역",
            "가",
            "댁",
        )
    ):
        return True
    return (len(proper) > 1 and backing.has_word(proper)) or any(
        len(chunk) > size and backing.has_word(chunk[:size]) and proper not in chunk[size:]
        for size in range(2, len(chunk))
    )


def _roled(text: str, backing: Backing, morphemes: Sequence[Morpheme]) -> bool:
    """Whether somebody stands before 감독, 작가, 씨 … whom the item does not know, by the shape of the name."""
    for match in _ROLED.finditer(text):
        name, role = match["name"], match["role"]
        last = name.split()[-1]
        if backing.has(name) or backing.has(last) or backing.has(name.replace(" ", "")) or _is_common(last):
            continue
        shaped = len(last) == 3 and last[0] in _SURNAMES
        if role in ("군", "양", "님", "왕", "할머니", "할아버지", "형사", "대통령"):
            continue
        at = match.start() + len(name) - len(last)
        own = [m for m in morphemes if at <= m.start < at + len(last)]
        whole = (
            len(own) == 1
            and own[0].tag in ("NNG", "NNB", "XR", "MAG", "MM")
            and own[0].end - own[0].start == len(last)
        )
        ends = any(m.tag[0] in "JE" for m in own)
        if shaped and not whole and not ends:
=======
def _is_other_dish(text: str, backing: Backing) -> bool:
    """Whether a dish or an ingredient is named beside a dish that is neither."""
    for match in _dishes().finditer(text):
        korean = not match[0].isascii()
        if (not korean or _ends(text, match.end())) and not backing.within(match[0]):
>>>>>>> w-ground
            return True
    return False


<<<<<<< HEAD
def _latin(text: str, backing: Backing) -> bool:
    """Whether a word in capitals is a name that nothing backs: in a Korean sentence any, in an English one any but
    the first word, unless that one is none of the words that begin sentences."""
    korean = any("가" <= char <= "힣" for char in text)
    places = _places().get(backing.item.country or "", frozenset())
    capitals = list(_CAPITAL.finditer(text))
    for match in capitals:
        word = match[0].rstrip(".")
        bare = re.sub(r"['’]s?$", "", word)
        low = plain(bare)
        if (
            low in PLAIN_LATIN
            or len(bare) < 2
            or backing.has_word(bare)
            or backing.has(bare)
            or low in places
            or low in _ENGLISH_FREE
        ):
            continue
        if (
            all(backing.has_word(part) or part.lower() in _english() for part in bare.split("-"))
            and "-" in bare
        ):
            continue
        if korean:
            return True
        if not text[: match.start()].strip(" \"'“‘(") or re.search(
            r"[.!?:]['\"”’]?\s+['\"“‘]?$", text[: match.start()]
        ):
            after = text[match.end() :]
            if low in _english() and not re.match(r"\s[A-Z][a-z]", after):
                continue
            if low in _english() and not _is_capital_name(after, backing):
                continue
            if word == bare and not re.match(
                r"\s(?:[A-Z][a-z]|(?:is|was|has|and|will|\w+s)\b(?!\s+(?:in|of|to)\b))", after
            ):
                continue
            return True
        return True
    return False


def _is_capital_name(after: str, backing: Backing) -> bool:
    following = re.match(r"\s([A-Z][\w'’-]+)", after)
    return bool(following) and not backing.has_word(re.sub(r"['’]s?$", "", following[1]))  # type: ignore[index]


def _is_common(word: str) -> bool:
    return word in _common()


def _is_generic(word: str) -> bool:
    return any(word.endswith(noun) for noun in read("grounding")["words"]["generic"])


def _is_generic_food(word: str) -> bool:
    return word in _GENERIC_FOOD


_GENERIC_FOOD: Final = frozenset(
    [
        "국물",
        "육수",
        "양념",
        "소스",
        "채소",
        "야채",
        "고기",
        "해산물",
        "반찬",
        "밥",
        "면",
        "국",
        "죽",
        "떡",
        "전",
        "물",
        "김",
        "얼음",
        "간식",
        "안주",
        "공기",
        "건더기",
        "고명",
        "향신료",
        "나물",
        "해물",
        "생선",
        "과일",
        "음료",
        "커피",
        "요리",
        "음식",
        "국수",
        "찌개",
        "볶음",
        "튀김옷",
        "간장",
        "양념장",
        "밥상",
        "집밥",
        "분식",
        "한식",
        "보양식",
        "디저트",
        "빵",
        "꿀",
        "소금",
        "설탕",
        "꽃",
        "배",
        "밤",
        "콩",
        "깨",
        "기름",
        "채소들",
        "술",
        "소주",
        "맥주",
        "막걸리",
        "와인",
    ]
)


@cache
def _common() -> frozenset[str]:
    return frozenset(read("grounding")["words"]["common"])


=======
>>>>>>> w-ground
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
