"""What a model is asked while a recommendation is made: to read a text, to judge candidates, to put picks into words.

Knows how each is asked and what stands in its place where no answer comes in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from data.phrases import Language
from engine.completion import Unavailable
from engine.extraction import extracted
from engine.index import Index
from engine.korean import Korean
from engine.llm import LLM
from engine.prompts import Line, persona
from engine.ranking import Ranked
from engine.recommendation import Recommendation
from engine.request import Request
from engine.taste import Taste
from engine.understanding import Understanding
from engine.verbalizer import NO_OPINION, Judgement, judged
from engine.wording import Wording

JUDGE_SECONDS: Final = 0.8
"""How long the order of the candidates may wait for the model's."""
LIKED_TOLD: Final = 12
"""How many liked items a model is told of, at most."""


@dataclass(frozen=True, slots=True)
class Advisor:
    """Asks one model about one catalog."""

    llm: LLM
    index: Index
    korean: Korean

    async def read(self, understood: Understanding, last: Request | None) -> Understanding:
        """What was understood, with what the model reads in the text besides."""
        language: Language = "en" if understood.language == "en" else "ko"
        request = await extracted(self.llm, understood, self.index.names, language, last=last)
        return replace(understood, request=request)

    async def judge(
        self,
        ranked: Sequence[Ranked],
        request: Request,
        taste: Taste,
        talk: Sequence[Line],
        language: Language,
        seed: int,
    ) -> Judgement:
        """What it thinks of the best candidates; nothing where it does not say so in time."""
        told = await self._persona(taste, language)
        try:
            return await judged(
                self.llm, ranked, request, told, talk, language, seed=seed, budget=JUDGE_SECONDS
            )
        except Unavailable:
            return NO_OPINION

    async def wording(
        self, found: Recommendation, taste: Taste, talk: Sequence[Line], language: Language
    ) -> Wording:
        """A recommendation, to be put into its words."""
        told = await self._persona(taste, language)
        return Wording(found, told, talk, language, self.llm, self.index.names, self.korean)

    async def _persona(self, taste: Taste, language: Language) -> list[str]:
        """What a prompt may tell of a person."""
        known = await self.index.now().items(ids := taste.liked[-LIKED_TOLD:])
        return persona(taste, [known[each] for each in ids if each in known], language)
