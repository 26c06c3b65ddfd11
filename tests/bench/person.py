"""A person made up from a seed: what they like, what they must not eat, what each day is like, what they then say.

The bot sees none of it but the words and the buttons. Knows neither engine nor app.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from data.item import BOOK_GENRES, MOVIE_GENRES, Domain, Item
from engine.taste import Option, survey

EFFECTS: Final = (
    "comfort", "empathy", "inspiration", "perspective", "escape", "laughter", "thrill", "romance", "calm", "energy",
)  # fmt: skip
CUISINES: Final = (
    "korean", "chinese", "japanese", "western", "southeast_asian", "indian", "mexican", "bunsik", "fastfood", "cafe", "fusion",
)  # fmt: skip
ALLERGIES: Final = {
    "shrimp": "새우", "egg": "계란", "peanut": "땅콩", "milk": "우유", "peach": "복숭아", "tomato": "토마토", "crab": "게", "walnut": "호두",
    "other.sesame": "참깨", "other.kiwi": "키위", "other.와사비": "와사비",
}  # fmt: skip
HELD: Final = {
    "other.sesame": ("참깨", "통깨", "깨소금", "참기름", "흑임자"), "other.kiwi": ("키위",), "other.와사비": ("와사비",),
}  # fmt: skip
MOODS: Final = {
    "tired": "지친", "sad": "우울한", "anxious": "불안한", "angry": "짜증 나는", "bored": "심심한", "lonely": "외로운", "happy": "기분 좋은",
}  # fmt: skip
WEATHER: Final = {"rainy": "비 오는", "hot_day": "너무 더운", "cold_day": "추운", "": "오늘 같은"}
GENRES: Final = {
    Domain.BOOK: {
        "essay": "에세이", "psychology": "심리학 책", "history": "역사 책", "science": "과학 책", "mystery": "추리소설", "sf": "SF 소설",
        "fantasy": "판타지 소설", "philosophy": "철학 책", "economics": "경제 책", "society": "사회 책", "classic": "고전", "poetry": "시집",
    },
    Domain.MOVIE: {
        "romance": "로맨스 영화", "comedy": "코미디 영화", "thriller": "스릴러 영화", "mystery": "미스터리 영화", "horror": "공포 영화",
        "action": "액션 영화", "sf": "SF 영화", "animation": "애니메이션", "crime": "범죄 영화", "music": "음악 영화", "war": "전쟁 영화",
    },
    Domain.FOOD: {
        "korean": "한식", "chinese": "중식", "japanese": "일식", "western": "양식", "bunsik": "분식", "indian": "인도 음식",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """What an answer to some words must keep, whatever the engine took them to mean."""

    domain: Domain
    count: int = 3
    genre: str = ""
    cuisine: str = ""
    country: str = ""
    longest: int | None = None

    def broken_by(self, item: Item) -> list[str]:
        checks = {
            "domain": item.domain is not self.domain,
            "genre": bool(self.genre) and self.genre not in item.genres,
            "cuisine": bool(self.cuisine) and item.cuisine != self.cuisine,
            "country": bool(self.country) and item.country != self.country,
            "length": self.longest is not None and (item.length is None or item.length > self.longest),
        }
        return [name for name, wrong in checks.items() if wrong]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one person's life. `meal` is the one they ask about."""

    number: int
    mood: str
    weather: str
    meal: str


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    rule: Rule


@dataclass(slots=True)
class Hidden:
    """Weights are about -1 to 1; `quirks` are what no feature explains."""

    seed: int
    genres: Mapping[str, float] = field(init=False)
    effects: Mapping[str, float] = field(init=False)
    cuisines: Mapping[str, float] = field(init=False)
    allergies: tuple[str, ...] = field(init=False)
    age: int = field(init=False)
    consents: bool = field(init=False)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        draw = random.Random(f"hidden{self.seed}")
        self.genres = {name: draw.gauss(0, 0.6) for name in (*BOOK_GENRES, *MOVIE_GENRES)}
        self.effects = {name: draw.gauss(0, 0.6) for name in EFFECTS}
        self.cuisines = {name: draw.gauss(0, 0.6) for name in CUISINES}
        self.allergies = tuple(draw.sample(sorted(ALLERGIES), draw.choice((0, 1, 1, 2))))
        self.age = draw.choice((13, 17, 25, 35, 45))
        self.consents = self.seed % 5 != 4
        self.chance = random.Random(f"does{self.seed}")

    def utility(self, item: Item) -> float:
        """0 to 1: how much they like an item on any day."""
        quirk = random.Random(f"{self.seed}{item.id}").gauss(0, 0.4)
        maker = [
            random.Random(f"{self.seed}{name}").gauss(0, 0.4) for name in (*item.creators, *item.people[:2])
        ]
        kinds = [self.genres[genre] for genre in item.genres] or [self.cuisines.get(item.cuisine or "", 0.0)]
        does = [self.effects[effect] for effect in item.effects] or [0.0]
        whole = 1.4 * sum(kinds) / len(kinds) + 1.2 * sum(does) / len(does) + quirk
        whole += sum(maker) / len(maker) if maker else 0.0
        return 1 / (1 + math.exp(-1.6 * whole))

    def utility_on(self, item: Item, day: Day) -> float:
        """0 to 1: the same on one day, whose mood, weather and meal count for three tenths."""
        fits = [day.mood in item.moods]
        fits += [day.weather in item.situations] if day.weather else []
        fits += [day.meal in item.meals] if item.domain is Domain.FOOD else []
        return 0.7 * self.utility(item) + 0.3 * sum(fits) / len(fits)

    def must_not_have(self, item: Item) -> list[str]:
        """What of them an item would break: an allergy, their age."""
        if item.domain is not Domain.FOOD:
            return (
                ["age"] if item.domain is Domain.MOVIE and (item.age is None or item.age > self.age) else []
            )
        return [
            each
            for each in self.allergies
            if (each not in HELD and (item.allergens is None or each in item.allergens))
            or (
                each in HELD
                and (not item.ingredients or any(w in i for w in HELD[each] for i in item.ingredients))
            )
        ]

    def day(self, number: int) -> Day:
        """The season turns in sixty days; a mood lasts for three days or so."""
        sky = random.Random(f"sky{number}")  # one weather for all
        warm = "hot_day" if number < 30 else "cold_day"
        mood = random.Random(f"{self.seed}mood{number // 3}").choice(sorted(MOODS))
        if random.Random(f"{self.seed}today{number}").random() < 0.3:
            mood = self.chance.choice(sorted(MOODS))
        meal = ("lunch", "dinner", "dinner", "late_night")[sky.randrange(4)]
        return Day(number, mood, sky.choice(("rainy", warm, warm, "")), meal)

    def wish(self, domain: Domain, day: Day) -> Said:
        """A first request: of the day's mood or weather, of a kind they like, or of nothing at all."""
        chance, mood, sky = self.chance, MOODS[day.mood], WEATHER[day.weather]
        liked = self._liked(domain)
        name = GENRES[domain][liked]
        rule, korean = Rule(domain), Rule(domain, country="KR")
        kind = Rule(domain, cuisine=liked) if domain is Domain.FOOD else Rule(domain, genre=liked)
        if domain is Domain.BOOK:
            made = [
                Said(f"{mood} 날 읽을 책 추천해줘", rule), Said(f"{sky} 날 읽기 좋은 책", rule), Said("오늘 뭐 읽지?", rule),
                Said("자기 전에 읽을 책 추천해줘", rule), Said(f"{name} 추천해줘", kind), Said("한국 책 추천해줘", korean),
                Said("책 두 권만 추천해줘", Rule(domain, 2)), Said("위로가 되는 책 읽고 싶어", rule),
            ]  # fmt: skip
        elif domain is Domain.MOVIE:
            made = [
                Said(f"{mood} 날 볼 영화 추천해줘", rule), Said(f"{sky} 날 볼 영화", rule), Said("오늘 뭐 보지?", rule),
                Said("주말에 볼 영화 추천해줘", rule), Said(f"{name} 보고 싶어", kind), Said("한국 영화 추천해줘", korean),
                Said("영화 두 편만 추천해줘", Rule(domain, 2)), Said("가볍게 볼 영화", rule),
            ]  # fmt: skip
        else:
            meal = {"lunch": "점심", "dinner": "저녁", "late_night": "야식"}[day.meal]
            made = [
                Said(f"{meal} 뭐 먹지?", rule), Said(f"{sky} 날 {meal} 메뉴 추천해줘", rule), Said(f"{mood} 날 먹을 {meal}", rule),
                Said(f"{name} 먹고 싶어", kind), Said(f"국물 있는 {meal} 추천해줘", rule),
                Said(f"20분 안에 되는 {meal} 요리", Rule(domain, longest=20)), Said(f"{meal} 메뉴 두 개만", Rule(domain, 2)),
            ]  # fmt: skip
        return chance.choice(made)

    def refinement(self, rule: Rule) -> Said:
        """A change of the wish that was just answered."""
        korean = Rule(rule.domain, rule.count, rule.genre, rule.cuisine, "KR", longest=rule.longest)
        made = {
            Domain.BOOK: [Said("더 가볍게 읽을 수 있는 걸로", rule), Said("한국 작가 걸로", korean)],
            Domain.MOVIE: [Said("더 웃긴 걸로", rule), Said("한국 영화로", korean)],
            Domain.FOOD: [Said("국물 있는 걸로", rule), Said("더 가벼운 걸로", rule)],
        }
        return self.chance.choice(made[rule.domain])

    def telling(self) -> str:
        """What they say of their allergies; empty when they have none."""
        return (
            f"나 {'랑 '.join(ALLERGIES[each] for each in self.allergies)} 알레르기 있어"
            if self.allergies
            else ""
        )

    def answers(self, domain: Domain) -> dict[str, list[str]]:
        """What they answer in a survey: question → options, the likest of those that say something."""
        given: dict[str, list[str]] = {}
        for question in survey(domain).questions:
            if question.field == "allergens":
                given[question.id] = [each for each in self.allergies if not each.startswith("other.")]
            elif question.id == "age":
                given[question.id] = [str(self.age)]
            elif question.options and question.id not in ("spice", "diet", "price", "gender", "body"):
                ranked = sorted(question.options, key=lambda option: (-self._of(option), option.id))
                given[question.id] = [each.id for each in ranked[: 2 if question.kind == "multi" else 1]]
        return given

    def _liked(self, domain: Domain) -> str:
        """One of the four kinds they like best."""
        weights = self.cuisines if domain is Domain.FOOD else self.genres
        best: Sequence[str] = sorted(GENRES[domain], key=lambda name: -weights[name])[:4]
        return self.chance.choice(best)

    def _of(self, option: Option) -> float:
        weights = [self.genres[genre] for genre in option.sets.get("genres", ())]
        weights += [self.effects[effect] for effect in option.sets.get("effects", ())]
        return (
            sum(weights) / len(weights)
            if weights
            else random.Random(f"{self.seed}{option.id}").random() - 0.5
        )
