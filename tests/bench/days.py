"""Sixty days with people who were made up: do answers stay fresh, keep the rules, and learn what each likes?

    python tests/bench/days.py [--days 60] [--people 5] [--seed 0]

Each talks with the real program, clock and all, about a book, a film and a meal a day: wishes from templates,
"다른 거", refinements, likes and dislikes by a hidden taste with noise, surveys in the first week. Beside every
answer the same engine is asked for somebody of whom nothing but the limits is known.

What the columns mean stands in the head of `measures.py`.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from zoneinfo import ZoneInfo

from bot import jobs
from bot.app import App, opened
from bot.command import run
from bot.settings import Settings
from data.item import Domain, Item
from data.phrases import phrases
from engine.embedder import Vectors
from engine.recommendation import Recommendation
from engine.recommender import Recommender
from engine.request import Exclude, Request
from engine.taste import Taste
from tests.bench.measures import Served, report
from tests.bench.person import Day, Hidden, Rule, Said
from tests.talk import Answer, Someone, Stage

FIRST_DAY: Final = datetime.datetime(2026, 6, 1, tzinfo=ZoneInfo("Asia/Seoul"))
HOURS: Final = {Domain.FOOD: 12, Domain.BOOK: 18, Domain.MOVIE: 21}
SURVEYS: Final = {0: Domain.FOOD, 2: Domain.MOVIE, 4: Domain.BOOK}
"""On which day which survey is answered."""
LIKES, DISLIKES, NOISE = 0.62, 0.38, 0.1
"""From which utility on a person presses 👍 or 👎, and how much they are mistaken."""


class Clock:
    """A `time.time` that stands where it is put, and ticks a millisecond a look."""

    def __init__(self) -> None:
        self.now = FIRST_DAY.timestamp()

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    def set(self, day: int, hour: int) -> None:
        self.now = (FIRST_DAY + datetime.timedelta(days=day, hours=hour)).timestamp()


class Watched(Recommender):
    """The engine, which remembers what it was last asked and what it said."""

    last: tuple[Request, Taste, Recommendation] | None = None
    """Emptied by whoever waits for the next one."""

    async def recommend(self, request: Request, taste: Taste, **more: Any) -> Recommendation:
        found = await super().recommend(request, taste, **more)
        self.last = request, taste, found
        return found


@dataclass(slots=True)
class Dated(App):
    """The program on the day that `time.time` says."""

    def today(self) -> datetime.date:
        return datetime.datetime.fromtimestamp(time.time(), ZoneInfo(self.settings.timezone)).date()


async def simulate(
    app: App, people: Sequence[int], days: int, progress: Callable[[str], None]
) -> list[Served]:
    """Every answer that these people (by seed) got in their days, one person after the other."""
    items = {item.id: item for item in await jobs.all_items(app.database)}
    vectors = {key: hit.vector for key, hit in (await app.index.get(list(items))).items()}
    engine = Watched(app.index, app.embedder, app.engine.korean)
    dated = Dated(
        **{each.name: getattr(app, each.name) for each in fields(App) if each.init} | {"engine": engine}
    )
    stage = Stage(dated, "days")
    served: list[Served] = []
    with _clock() as clock:
        for seed in people:
            life = Life(Hidden(seed), Someone(stage, f"days{seed}"), engine, clock, items, vectors)
            for number in range(days):
                await life.live(number)
            served += life.served
            progress(f"person {seed}: {life.someone.turns} turns, {len(life.served)} answers")
    return served


class Life:
    """One person's days with the bot."""

    def __init__(
        self, hidden: Hidden, someone: Someone, engine: Watched, clock: Clock, items: dict[str, Item],
        vectors: dict[str, Vectors],
    ) -> None:  # fmt: skip
        self.hidden, self.someone, self.engine, self.clock = hidden, someone, engine, clock
        self.items, self.vectors = items, vectors
        self.plain = Recommender(engine.index, engine.embedder, engine.korean)
        self.served: list[Served] = []
        self.shown: dict[str, int] = {}

    async def live(self, number: int) -> None:
        """One day: a survey perhaps, then three wishes."""
        day, hidden = self.hidden.day(number), self.hidden
        self.clock.set(number, HOURS[Domain.FOOD])
        if number in SURVEYS:
            await self._answer_survey(SURVEYS[number])
        telling = hidden.telling()
        if telling and (number == 0 or not hidden.consents):
            await self.someone.says(telling)
        for domain, hour in HOURS.items():
            self.clock.set(number, hour)
            await self._ask(hidden.wish(domain, day), day)

    async def _ask(self, said: Said, day: Day) -> None:
        """A wish, and what comes of it: feedback, something else, a change."""
        chance = self.hidden.chance
        answer = await self._says(said.text, said.rule, day)
        for _ in range(2):
            best = max((self._worth(card.id, day) for card in answer.cards), default=0.0)
            if not answer.cards or chance.random() > (0.5 if best < LIKES else 0.12):
                break
            if chance.random() < 0.6:
                answer = await self._says("다른 거", said.rule, day)
            else:
                said = self.hidden.refinement(said.rule)
                answer = await self._says(said.text, said.rule, day)
            said = replace(said, rule=_still_held(said.rule, answer))

    async def _says(self, text: str, rule: Rule, day: Day) -> Answer:
        """Note an answer, then react to it."""
        self.engine.last = None
        answer = await self.someone.says(text)
        rule = _still_held(rule, answer)
        if self.engine.last is None:  # it was taken for something else than a wish
            self.served.append(Served(self.hidden.seed, day.number, asked=rule.count, text=text))
            return answer
        request, taste, found = self.engine.last
        picks = tuple(card.id for card in answer.cards if card.fit)
        hidden, items = self.hidden, self.items
        plain = await self.plain.recommend(request, _unknown(taste), seed=found.trace.seed)
        broken = [
            name
            for key in picks
            for name in (*rule.broken_by(items[key]), *self._unbearable(items[key], day))
        ]
        pairs = [float(self.vectors[a] @ self.vectors[b]) for a, b in combinations(picks, 2)]
        self.served.append(
            Served(
                person=hidden.seed,
                day=day.number,
                picks=picks,
                before=tuple(key in self.shown for key in picks),
                lately=tuple(day.number - self.shown.get(key, -99) < 7 for key in picks),
                utility=tuple(self._worth(key, day) for key in picks),
                plain=tuple(self._worth(pick.id, day) for pick in plain.picks),
                eligible=tuple(self._worth(key, day) for key in found.trace.eligible),
                fresh=sum(day.number - self.shown.get(key, -99) >= 7 for key in found.trace.eligible),
                wishes=tuple(row["wishes"] for row in found.trace.candidates if row["id"] in picks),
                asked=rule.count,
                honest=_is_said(answer, len(picks)),
                broken=tuple(broken),
                text=text,
                spread=1 - statistics.mean(pairs) if pairs else None,
            )
        )
        self.shown |= dict.fromkeys(picks, day.number)
        await self._react(answer, day)
        return answer

    async def _react(self, answer: Answer, day: Day) -> None:
        """👍 👎 🔖 👀 by the hidden taste, for about a third of the cards."""
        chance = self.hidden.chance
        for place, card in enumerate(answer.cards, 1):
            felt = self._worth(card.id, day) + chance.gauss(0, NOISE)
            lasts = card.domain != "food"
            if lasts and chance.random() < 0.06:
                kinds = ["seen"]
            elif chance.random() > 0.35:
                continue
            elif felt > LIKES:
                kinds = ["save"] if chance.random() < 0.25 else ["like"]
                kinds += ["seen"] if lasts and chance.random() < 0.4 else []
            elif felt < DISLIKES:
                kinds = ["never"] if chance.random() < 0.1 else ["dislike"]
            else:
                continue
            for kind in kinds:
                await self.someone.presses(f"fb:{kind}:{answer.exposure}:{place}")

    async def _answer_survey(self, domain: Domain) -> None:
        someone, given = self.someone, self.hidden.answers(domain)
        await someone.commands("survey", domain)
        if domain is SURVEYS[0]:
            await someone.presses(f"survey:{domain}:consent:{'yes' if self.hidden.consents else 'no'}")
        for question, options in given.items():
            for option in options:
                await someone.presses(f"survey:{domain}:{question}:pick:{option}")
        await someone.presses(f"survey:{domain}:{next(iter(given))}:later")

    def _worth(self, key: str, day: Day) -> float:
        return self.hidden.utility_on(self.items[key], day)

    def _unbearable(self, item: Item, day: Day) -> list[str]:
        """Allergies bind from the first word on; the age once the survey told it, and it is remembered."""
        told = self.hidden.consents and day.number >= 2
        return [each for each in self.hidden.must_not_have(item) if each != "age" or told]


def _unknown(taste: Taste) -> Taste:
    """The same limits and the same memory of what was shown, of somebody who never said what they like."""
    told = {
        domain: Request(domain=domain, exclude=wishes.exclude)
        for domain, wishes in taste.wishes.items()
        if wishes.exclude != Exclude()
    }
    seen = (*taste.seen, *taste.disliked)
    return replace(taste, wishes=told, says=(), liked=(), disliked=(), saved=(), seen=seen)


def _still_held(rule: Rule, answer: Answer) -> Rule:
    """What an answer had to keep: nothing asked before, when it says that this had to be given up."""
    if any(words in answer.text for words in phrases("ko").variants("intro.anew")):
        return Rule(rule.domain, rule.count, country=rule.country)
    return rule


def _is_said(answer: Answer, count: int) -> bool:
    """Whether an answer of fewer than asked says so, or one of none that there is nothing."""
    words = phrases("ko")
    if count:
        kinds = (*Domain, "several", "some", "mixed")
        units = [unit for kind in kinds for unit in words.variants(f"form.{kind}.unit")]
        fewer = words.variants("intro.fewer")
        return any(
            words.fill(each, count=count, unit=unit) in answer.text for each in fewer for unit in units
        )
    said = [*words.variants("chat.nothing"), *words.variants("chat.nothing_more")]
    loosen = [
        each.split("{")[0]
        for key in ("chat.nothing_loosen", "chat.nothing_jointly")
        for each in words.variants(key)
    ]
    return any(each in answer.text for each in (*said, *loosen))


@contextmanager
def _clock() -> Iterator[Clock]:
    clock = Clock()
    with patch("time.time", clock):
        yield clock


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the first person")
    told = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        async with opened(Settings(home=Path(home), turns_per_minute=0)) as app:
            catalog = len(await jobs.all_items(app.database))
            people = range(told.seed, told.seed + told.people)
            served = await simulate(app, people, told.days, lambda line: print(line, flush=True))
    print(report(served, told.days, catalog))
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    run(main())
