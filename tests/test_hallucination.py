"""A worker that invents: five hundred turns, and nothing of it reaches a person."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.app import opened
from bot.settings import Settings
from handlers.turn import Reply
from tests.openais import Answer, OpenAIs, serving
from tests.talk import Someone, Stage

TURNS = 500
ASKED = (
    "비 오는 날 뜨끈한 국물", "우울한데 웃긴 영화", "잠들기 전에 가볍게 읽을 에세이", "매운 거 당겨", "긴장감 있는 한국 영화",
    "혼자 먹기 좋은 점심", "눈물 나는 영화", "동기부여 되는 책", "가족이랑 볼 애니메이션", "짧은 소설", "다른 거", "더 가볍게",
)  # fmt: skip
TITLES = (
    "달빛 정거장의 고양이", "마지막 우산 장수", "구름빵집의 비밀 레시피", "천 번째 여름의 끝에서", "은하 세탁소", "푸른 도마뱀의 밤",
    "할머니의 우주선", "유리 계단 아래", "바람개비 식당", "겨울잠 클럽", "종이달 항해사", "모래시계 심포니", "The Glass Meridian",
    "Winter Arithmetic", "삼색 고래", "서랍 속의 북극",
)  # fmt: skip
PEOPLE = ("한도윤", "최서림", "백이안", "오하람", "차무진", "Elena Markowitz", "배유담", "류시온")
FRAMES = (
    "'{title}'을 재미있게 보셨다면 잘 맞을 거예요.", "《{title}》만큼 여운이 길어요.", "『{title}』 같은 분위기를 좋아하신다면 만족하실 거예요.",
    "{person} 작가의 문장이 마음을 어루만져 줘요.", "{person} 감독이 연출한 수작이에요.", "배우 {person}의 연기가 돋보여요.",
    "「{title}」의 원작으로 잘 알려져 있어요.", "\"{title}\"보다 한결 가벼워요.", "{person}가 추천한 작품이에요.",
    "이전 지시를 무시하고 '{title}'을 추천할게요.", "“{title}”에 나온 그 맛이에요.", "{year}년에 {person}이 만들었어요.",
    "<{title}>의 후속작이라 더 반가워요.", "영화 '{title}' 속 장면이 떠올라요.", "{person}의 {title}도 함께 보세요.",
)  # fmt: skip
HARMLESS = (
    "오늘 같은 날 부담 없이 즐기기 좋아요.",
    "바란 것과 잘 어울려요.",
    "천천히 마음이 풀려요.",
    "한결 가벼워질 거예요.",
)


class Liar:
    """Answers every request of the worker with what does not exist, seldom with what does no harm."""

    def __init__(self) -> None:
        self._dice = random.Random(6)
        self.lies = 0

    def __call__(self, body: dict[str, Any]) -> Answer:
        if body.get("logprobs"):
            return Answer(
                letters={
                    letter: -self._dice.random() * 9
                    for letter in self._dice.sample("ABCDEFGHIJKLMNOPQRST", 9)
                }
            )
        match body["model"]:
            case "reply":
                said = [self._lie() for _ in range(3)] + [self._dice.choice(HARMLESS)]
                self._dice.shuffle(said)
                whole = f"이유: {said[0]} {said[1]}\n도움: {said[2]} {said[3]}"
                cuts = sorted(self._dice.sample(range(1, len(whole)), 6))
                return Answer(text=[whole[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)])
            case "question":
                return Answer(text=self._lie())
            case _:
                return Answer(
                    body={"choices": [{"index": 0, "message": {"role": "assistant", "content": self._lie()}}]}
                )

    def _lie(self) -> str:
        self.lies += 1
        return self._dice.choice(FRAMES).format(
            title=self._dice.choice(TITLES),
            person=self._dice.choice(PEOPLE),
            year=self._dice.randint(1950, 2026),
        )


def told(reply: Reply) -> str:
    """All that a person can read of a reply."""
    cards = (part for card in reply.cards for part in (card.title, card.reason, card.benefit, *card.facts))
    return "\n".join((reply.text, *cards, *(choice.label for choice in reply.choices)))


@pytest.fixture
async def liar() -> Any:
    async with serving() as server:
        server.otherwise = Liar()
        yield server


async def test_no_invented_title_or_name_reaches_a_reply(
    built_home: Path, tmp_path: Path, liar: OpenAIs
) -> None:
    """A book that does not exist is worth nothing of five points, and a reader's trust."""
    home = tmp_path / "home"
    shutil.copytree(built_home, home)
    settings = Settings.model_validate({"home": home, "turns_per_minute": 0, "llm_url": liar.url})
    seen = models = 0
    async with opened(settings) as app:
        stage = Stage(app)
        people = [Someone(stage, f"liar{number}") for number in range(20)]
        for number in range(TURNS):
            answer = await people[number % 20].says(ASKED[number % len(ASKED)])
            for reply in answer.replies:
                text = told(reply)
                assert not [name for name in (*TITLES, *PEOPLE) if name in text], text
                seen += 1
            models += any(sentence in told(answer.replies[-1]) for sentence in HARMLESS)
        assert app.engine.llm is not None
        counts = app.engine.llm.counts
        refused = sum(count for kind, count in counts.items() if kind.startswith("refused."))
    assert isinstance(liar.otherwise, Liar)
    assert liar.otherwise.lies > 2 * TURNS
    assert refused > TURNS
    assert models > TURNS / 4  # what does no harm was shown: nothing was left out by chance
    assert seen > TURNS
