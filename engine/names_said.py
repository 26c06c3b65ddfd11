"""Names and titles that a sentence says of an item and that are neither its own nor the request's.

What a catalog knows is found by its dictionary, what it does not by quotation marks, by the analyser's proper nouns,
by capital letters and by what stands beside a name. Plain words that are also titles (고래, 소나기) count only where
something marks them. Knows nothing of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from data.item import Domain
from engine.backing import Backing, plain
from engine.korean import Morpheme
from engine.lexicon import read
from engine.names import MAX_NAME, Name, Names
from engine.text import squeeze

Fault = Literal["title", "name"]

SURE: Final = 4
"""Letters from which a title of several words is one wherever it stands."""

_MARKED: Final = re.compile(r"[《〈「『<]([^《〈「『<>》〉」』]{1,80})[>》〉」』]")
_QUOTED: Final = re.compile(r"(?:(?<![\w])'([^'\n]{1,80})'(?![a-z])|\"([^\"\n]{1,80})\"|“([^”]{1,80})”|‘([^’]{1,80})’)")
_UTTERED: Final = re.compile(r"(?:[.!?~…]|[요다까죠네야어아지]\s*)$|,")
_SAYS: Final = re.compile(r"\s*(?:이?라는|이?라고|이?란|하고|하는|같은|고)\s*(?:말|마음|생각|느낌|질문|한마디|인사|소리|대사|문장|부르|외치|묻|물|말하|속삭|단어|뜻)")
_PARTICLE: Final = re.compile(
    r"(?:이나|나|이랑|랑|하고|과|와|은|는|이|가|을|를|의|도|만|에|로|으로|처럼|보다|만큼|까지|부터|같은|답|다운|못지|라는|이라는|란|"
    r"께서|네|들|님|씨|풍|식|표|급|예요|이에요|입니다|이고|이며|이자|이라|라|마저|조차|뿐|대로|였|이었|인|일|야|아|호|역|인들)(?![ㄱ-ㅎ])"
)
_MAKER: Final = re.compile(
    r"(?:[을를]|의)?\s*(?:쓴|만든|연출한|감독한|찍은|그린|지은|집필한)\s|(?:의)\s*(?:감독|작가|저자|원작)|\s*(?:감독|작가|제작진)(?:의|이|가|답)"
)
_SEEN: Final = re.compile(
    r"[을를]\s*(?:\S+게\s*)?(?:보셨|읽으셨|보신|읽으신|보았|봤|읽었|좋아하|사랑하|사랑한|아끼|기억하)|(?:이|가)?\s*(?:재미있으셨|재밌으셨|좋으셨|그리)"
)
_COMPARED: Final = re.compile(
    r"(?:처럼|보다|만큼|못지\s?않|같은|다음으로|에\s?버금|에 이어|[이]?나\s|[와과]\s?(?:같은|함께|나란히|비슷|닮|달리|는|마찬가지|이어|또|더불어|짝|비교|비견)|[을를]\s?(?:떠올|닮|연상|잇는|뛰어넘|능가|이은)|의\s.{0,12}(?:떠올|생각|닮|그리|느껴|잇)|"
    r"(?:부터|까지)\s.{0,6}(?:이어|단숨|쭉|정주행)|(?:으?로)\s?(?:이어지|넘어가|가는)|[와과]는\s|이?랑\s)"
)
_RECALLS: Final = re.compile(r"떠올|생각나|생각이 나|닮|비슷|연상|전작|원작|작가|감독|속편|시리즈|이전|다음|reminds|similar|like")
_ALL_CUES: Final = (_MAKER, _SEEN, _COMPARED)
_WORK_BEFORE: Final = re.compile(r"(?:영화|소설|드라마|작품|책|단편|시집|에세이|동화|애니메이션|만화|웹툰|시리즈|전작|후속작|film|movie|novel|book|series)\s*$", re.I)
_BESIDE: Final = re.compile(
    r"[와과]\s?(?:나란히|더불어|이어서)|(?:보다|만큼|못지\s?않게?)\s.*(?:이야기|소설|영화|작품|책|동화|시집|단편|에세이)(?:예요|이에요|입니다|이죠|지요|죠)\W*$"
)
"""What stands after a work that another is set beside, even where the words are plain ones."""
_FOREIGN_FRAME: Final = re.compile(
    r"((?:\S+\s){0,2}?\S+?의 \S+?)(?:[을를]\s(?:떠올리게|연상|닮은|잇는)|처럼|보다|만큼|[와과]\s(?:함께|나란히|비슷|닮|같은)|에\s?버금|\s?못지)"
)
_SEEN_WORK: Final = re.compile(r"(\S+?)[을를]\s(?:\S+게\s)?(?:보셨|읽으셨|보신|읽으신)")
_MADE_WORK: Final = re.compile(r"(\S+?)[을를]\s(?:쓴|만든|연출한|감독한|찍은|집필한)\s(?:작가|감독|제작진|사람|저자)")
PLAIN_LATIN: Final = frozenset(
    "sf ost tv cg dvd ktx sns ott mbti bgm vs ok pc ai dna it rpg uhd hd b a k t x o kcal kg g ml cm km s ep".split()
)
_CAPITAL: Final = re.compile(r"(?<![A-Za-zÀ-ɏ0-9'’])[A-ZÀ-Þ][A-Za-zÀ-ɏ0-9'’-]*(?:\.(?=\s[A-Z]))?")
_SURNAMES: Final = "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진나지엄채원천방공현함변염추도석선설마길연위표명기반왕금옥육인맹제모탁국여어은편용예경봉사부"
_ENGLISH_FREE: Final = frozenset(
    "i i'm i'd i'll i've monday tuesday wednesday thursday friday saturday sunday january february march april may june july "
    "august september october november december christmas english earth god mr mrs ms dr tv sf ost ok".split()
)
_SAME: Final = (("달걀", "계란", "노른자"), ("닭", "닭고기", "치킨"), ("소고기", "쇠고기", "한우"), ("돼지고기", "돼지"), ("고추", "청양고추", "홍고추"), ("대파", "쪽파", "파"), ("면", "국수", "쌀국수면"))
_PASSING: Final = re.compile(r"\s?(?:처럼|같[은이]|빛|향|맛|색|을 뿌린 듯)")
_ROLE_WORDS: Final = "|".join(sorted(read("grounding")["words"]["roles"], key=len, reverse=True))
_ROLED: Final = re.compile(rf"(?<![가-힣])(?P<name>(?:[가-힣]{{1,6}}\s)?[가-힣]{{1,6}}?)\s(?P<role>{_ROLE_WORDS})(?=(?:[은는이가의을를과와도께에로]|들|님|덕분|특유|표|답|이?[자며]|[ ,.]|$))")


@dataclass(frozen=True, slots=True)
class _Said:
    """Names of the dictionary at `text[start:end]`."""

    names: Sequence[Name]
    start: int
    end: int
    letters: int


def fault(text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]) -> Fault | None:
    """The kind of the first title or name that nothing backs. `morphemes` are those of a Korean text, empty where no
    analyser is ready: fewer strangers are then found, never fewer titles."""
    if _quoted(text, backing, names, morphemes):
        return "title"
    for said in _found(text, names, backing):
        if kind := _of_another(said, text, backing, names, morphemes):
            return kind
    if _known_work(text, backing) or _framed_work(text, backing, morphemes):
        return "title"
    if _stranger(text, backing, morphemes) or _roled(text, backing, morphemes) or _latin(text, backing):
        return "name"
    return None


def _quoted(text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]) -> bool:
    """Whether something in quotation marks is a title of something else."""
    for match in _MARKED.finditer(text):
        if not backing.within(match[1]):
            return True
    for match in _QUOTED.finditer(text):
        inner = next(group for group in match.groups() if group is not None)
        key = squeeze(inner)[0]
        if not key or backing.within(inner):
            continue
        if any(name.kind == "title" for name in names.spelt(key)):
            return True
        before, after = text[: match.start()], text[match.end() :]
        if _UTTERED.search(inner) and not _WORK_BEFORE.search(before) and not any(c.match(after) for c in _ALL_CUES):
            continue
        if _SAYS.match(after):
            continue
        proper = any(
            m.tag == "NNP" and match.start() <= m.start < match.end() and not _is_common(m.form) for m in morphemes
        )
        capital = any(word[0].isupper() for word in inner.split()) if inner.isascii() else False
        cue = _WORK_BEFORE.search(before) or any(c.match(after) for c in _ALL_CUES) or _RECALLS.search(after)
        if proper or capital or cue or " " not in inner.strip() and len(key) > 5:
            return True
        if re.match(r"\s*(?:감독|작가|속편|시리즈|다음|이후|팬|원작)", after):
            return True
    return False


def _found(text: str, names: Names, backing: Backing) -> Iterator[_Said]:
    """What the dictionary knows, longest first at each word's beginning; the item's own names are passed over."""
    squeezed, places = squeeze(text)
    free = 0
    for at in range(len(squeezed)):
        start = places[at]
        if at < free or (start and (text[start - 1].isalnum() or text[start - 1] in "》〉」』>’”")):
            continue
        for length in range(min(MAX_NAME, len(squeezed) - at), 0, -1):
            end = places[at + length - 1] + 1
            if not _ends(text, end):
                continue
            found = names.spelt(squeezed[at : at + length])
            if not found:
                continue
            if backing.is_own(text[start:end]):
                free = at + length
                break
            if length > 1 and backing.has(text[start:end]):
                continue
            yield _Said(found, start, end, length)
            break


def _ends(text: str, end: int) -> bool:
    after = text[end : end + 1]
    if not after or not after.isalnum():
        return True
    return not text[end - 1].isascii() and bool(_PARTICLE.match(text, end)) or (
        text[end - 1].isascii() and not after.isascii()
    )


def _of_another(
    said: _Said, text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]
) -> Fault | None:
    item, words, after = backing.item, text[said.start : said.end], text[said.end :]
    quoted = text[said.start - 1 : said.start] in tuple("《〈「『<'\"“‘") and after[:1] in tuple("》〉」』>'\"”’")
    for name in said.names:
        if item.id in name.items or _is_common(words):
            continue
        match name.kind:
            case "title" if name.domain is Domain.FOOD:
                if quoted or (item.domain is Domain.FOOD and said.letters > 1 and not _is_generic_food(words)):
                    return "title"
            case "title":
                if quoted or _is_title(said, name, text, backing, names, morphemes):
                    return "title"
            case "creator" | "person":
                if _is_person(said, name, text):
                    return "name"
            case "ingredient" if item.domain is Domain.FOOD:
                same = next((group for group in _SAME if words in group), (words,))
                if (
                    said.letters > 1
                    and not _is_generic_food(words)
                    and not _PASSING.match(after)
                    and not any(backing.has(word) or backing.within(word) for word in same)
                ):
                    return "name"
    return None


def _is_title(
    said: _Said, name: Name, text: str, backing: Backing, names: Names, morphemes: Sequence[Morpheme]
) -> bool:
    words, before, after = text[said.start : said.end], text[: said.start], text[said.end :]
    if words.isascii() and any(char.isalpha() for char in words):
        if not words[0].isupper():
            return False
        several = sum(word[:1].isupper() for word in words.split()) > 1
        first = not before.strip(" \"'“‘")
        return several or (not first and said.letters > 3) or bool(_WORK_BEFORE.search(before))
    made, seen, compared = _MAKER.match(after), _SEEN.match(after), _COMPARED.match(after)
    cue = made or seen or _WORK_BEFORE.search(before)
    sibling = any(
        set(borne.items) & set(name.items)
        for creator in backing.item.creators
        for borne in names.spelt(squeeze(creator)[0][:MAX_NAME])
    )
    if sibling and (cue or compared or said.letters >= SURE):
        return True
    if words.isdigit():
        return False
    within = [m for m in morphemes if said.start <= m.start < said.end]
    proper = any(m.tag == "NNP" and not _is_common(m.form) for m in within)
    if said.letters == 1:
        return False
    several = len(re.findall(r"\w+", name.value)) > 1
    if proper or (several and words not in _phrases() and said.letters >= SURE - 1):
        return True
    plain_word = len(within) == 1 or words in _phrases() or (not within and said.letters <= 3)
    if not plain_word and said.letters >= SURE:
        return True
    if compared and _BESIDE.match(after):
        return True
    return bool(made or seen or (_WORK_BEFORE.search(before) and not words.endswith(("이야기",)))) or bool(
        compared and (not plain_word or not within)
    )


def _is_person(said: _Said, name: Name, text: str) -> bool:
    words, after = text[said.start : said.end], text[said.end :]
    if words.isascii():
        return words[:1].isupper() and name.sure
    if name.sure and said.letters > 2:
        return True
    return bool(re.match(rf"\s?(?:{_ROLE_WORDS}|특유|주연|표 )|의 (?:연기|소설|시|문장|연출|영화|책|목소리|눈빛|음악)|[이가] (?:연기|쓴|만든|그린|부르|연출|출연|나오)", after))


def _known_work(text: str, backing: Backing) -> bool:
    """Whether a work, or a dish, that no catalog need hold is named."""
    words = read("grounding")["words"]
    for match in _works().finditer(text):
        said = match[0]
        if backing.has(said) or backing.within(said):
            continue
        after = text[match.end() :]
        if not _ends(text, match.end()):
            continue
        if len(squeeze(said)[0]) >= SURE or any(cue.match(after) for cue in (_MAKER, _SEEN)):
            return True
        if len(said) > 1 and _COMPARED.match(after) and said not in ("마음", "우리들", "안경", "심판", "변신", "부활", "악의"):
            return True
    if backing.item.domain is Domain.FOOD:
        if any(
            not backing.has(dish) and not backing.within(dish) and _ends(text, at + len(dish))
            for dish in (*words["dishes"], *_ingredients())
            if dish in text
            for at in _starts(text, dish)
        ):
            return True
        return any(not backing.within(match[0]) for match in _dishes_en().finditer(text))
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
        ) and any(m.tag == "NNP" for m in morphemes if match.end(1) - len(" ".join(words[-2:])) <= m.start < match.end(1)):
            return True
    return False


def _stranger(text: str, backing: Backing, morphemes: Sequence[Morpheme]) -> bool:
    """Whether a proper noun of the analyser's is nobody and nowhere of the item's."""
    after_known = -1  # where a known name ended: 무라카미 is one, 무라카미 류 someone else
    for place, morpheme in enumerate(morphemes):
        if morpheme.tag != "NNP" and (morpheme.known or morpheme.tag != "NNG"):
            continue
        start, end = morpheme.start, morpheme.end
        own = place
        while own and morphemes[own - 1].end == start and morphemes[own - 1].tag[:1] in "NX" and morphemes[own - 1].start < start:
            own -= 1
            start = morphemes[own].start
        for follower in morphemes[place + 1 :]:
            if follower.start != end or follower.tag[:1] not in "NX" and follower.tag != "SL":
                break
            end = follower.end
        chunk = text[start:end]
        if _backed(chunk, text[morpheme.start : morpheme.end], backing):
            after_known = end
            continue
        if len(chunk) > 1:
            return True
        if re.match(rf"\s?(?:{_ROLE_WORDS})", text[end:]) or (after_known == start - 1 and text[start - 1] == " "):
            return True
    return any(not _backed(chunk, chunk, backing) for chunk in _fragments(text, morphemes))


def _fragments(text: str, morphemes: Sequence[Morpheme]) -> Iterator[str]:
    """Words that the analyser could only take to pieces, as it does with names it does not know: one that begins with
    a particle, or nouns of one syllable in a row (옥류관)."""
    for place, morpheme in enumerate(morphemes):
        if morpheme.start and text[morpheme.start - 1] != " ":
            continue
        end = place
        while end < len(morphemes) and morphemes[end].tag[:1] in "NX" and morphemes[end].end == morphemes[end].start + 1 and (
            end == place or morphemes[end].start == morphemes[end - 1].end
        ):
            end += 1
        if end - place >= 3 and not any(m.tag in ("NR", "NNB", "NP", "XSV", "XSA") for m in morphemes[place:end]):
            yield text[morpheme.start : morphemes[end - 1].end]
        elif (
            morpheme.tag[0] == "J"
            and place
            and morphemes[place - 1].tag[0] != "S"
            and morphemes[place - 1].end < morpheme.start
        ) or (
            morpheme.tag == "MM" and morpheme.form == "니"
        ):
            yield re.split(r"[\s,.!?]", text[morpheme.start :])[0]


def _backed(chunk: str, proper: str, backing: Backing) -> bool:
    if backing.has(chunk) or _is_common(chunk) or _is_common(proper) or _is_generic_food(chunk):
        return True
    country = _places().get(backing.item.country or "", frozenset())
    if chunk in country or proper in country:
        return True
    if any(chunk.endswith(suffix) and backing.has(chunk[: -len(suffix)]) for suffix in ("네", "들", "님", "씨", "호", "표", "식", "풍", "파", "판", "어", "인", "역", "가", "댁")):
        return True
    return len(proper) > 1 and backing.has_word(proper) or any(
        len(chunk) > size and backing.has_word(chunk[:size]) and proper not in chunk[size:] for size in range(2, len(chunk))
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
        whole = len(own) == 1 and own[0].tag in ("NNG", "NNB", "XR", "MAG", "MM") and own[0].end - own[0].start == len(last)
        ends = any(m.tag[0] in "JE" for m in own)
        if shaped and not whole and not ends:
            return True
    return False


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
        if low in PLAIN_LATIN or len(bare) < 2 or backing.has_word(bare) or backing.has(bare) or low in places or low in _ENGLISH_FREE:
            continue
        if all(backing.has_word(part) or part.lower() in _english() for part in bare.split("-")) and "-" in bare:
            continue
        if korean:
            return True
        if not text[: match.start()].strip(" \"'“‘(") or re.search(r"[.!?:]['\"”’]?\s+['\"“‘]?$", text[: match.start()]):
            after = text[match.end() :]
            if low in _english() and not re.match(r"\s[A-Z][a-z]", after):
                continue
            if low in _english() and not _is_capital_name(after, backing):
                continue
            if word == bare and not re.match(r"\s(?:[A-Z][a-z]|(?:is|was|has|and|will|\w+s)\b(?!\s+(?:in|of|to)\b))", after):
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
    "국물 육수 양념 소스 채소 야채 고기 해산물 반찬 밥 면 국 죽 떡 전 물 김 가지 사과 얼음 간식 안주 공기 건더기 고명 향신료 나물 해물 생선 과일 음료 "
    "커피 요리 음식 국수 찌개 볶음 튀김옷 간장 양념장 밥상 집밥 분식 한식 보양식 디저트 빵 꿀 소금 설탕 꽃 배 밤 콩 깨 기름 채소들 술 소주 맥주 막걸리 와인".split()
)


@cache
def _common() -> frozenset[str]:
    return frozenset(read("grounding")["words"]["common"])


@cache
def _phrases() -> frozenset[str]:
    """Titles that are also how one speaks."""
    return frozenset(read("grounding")["words"].get("phrases", ()))


@cache
def _places() -> dict[str, frozenset[str]]:
    return {country: frozenset(words) for country, words in read("grounding")["places"].items()}


@cache
def _works() -> re.Pattern[str]:
    words = read("grounding")["words"]
    every = sorted({*words["works"], *words["works_en"]}, key=len, reverse=True)
    spaced = (r"\s?".join(map(re.escape, work.split())) for work in every)
    return re.compile(rf"(?<![\w])(?:{'|'.join(spaced)})")


@cache
def _ingredients() -> tuple[str, ...]:
    """Ingredients whose names are no other words."""
    return tuple(word for word in read("ingredients")["free"] if len(word) > 2)


@cache
def _dishes_en() -> re.Pattern[str]:
    words = "|".join(sorted(map(re.escape, read("grounding")["words"]["dishes_en"]), key=len, reverse=True))
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


@cache
def _english() -> frozenset[str]:
    """Words that stand in lower case in what the package itself says in English: they are no names."""
    said: set[str] = set()
    for path in ("phrases/en.toml", "catalog/books.jsonl", "catalog/movies.jsonl", "catalog/foods.jsonl"):
        text = (files("data") / path).read_text(encoding="utf-8")
        said |= set(re.findall(r"(?<![A-Za-z])[a-z]+(?![A-Za-z])", text))
    return frozenset(said | set(read("grounding")["words"].get("english", ())))
