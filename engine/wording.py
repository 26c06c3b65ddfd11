"""A recommendation in the model's words: for each pick a reason and a benefit, shown sentence by sentence as each turns
out to invent nothing. Where the model is late, gone or invents, the embedded writer's words stay.

Knows no chat: whoever shows the drafts decides how often.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from data.item import Item
from data.phrases import Language
from engine.completion import Completion, Unavailable
from engine.grounding import Grounding
from engine.grounds import Ground
from engine.korean import Korean
from engine.llm import LLM
from engine.names import Names
from engine.prompts import Line, reply
from engine.questions import Question, phrased
from engine.recommendation import Pick, Recommendation
from engine.request import Request
from engine.review import Labelled
from engine.sentences import Sentences
from engine.stream import Stream

FIRST_SECONDS: Final = 2.5
"""How long the first words of a reason may take; then the embedded writer's are shown."""
ALL_SECONDS: Final = 10.0
"""How long all of it may take: what has passed by then stays."""
ASK_SECONDS: Final = 4.0
"""How long the next questions may take to be put otherwise."""
TOKENS: Final = {"short": 160, "full": 240}
"""What a reply may be long, in tokens; a Korean sentence has some thirty."""
LEAST_FIT: Final = 5
"""What is recommended is not called unfit in the same breath: a model that judges lower is not heeded."""
SENTENCES: Final = {"reason": 2, "benefit": 1, "question": 1}
"""How many sentences of each part are shown."""


logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Draft:
    """One pick as far as it is written."""

    pick: Pick
    item: Item
    grounds: Sequence[Ground]
    said: dict[str, list[str]] = field(default_factory=lambda: {part: [] for part in SENTENCES})
    fit: int | None = None
    ended: bool = False

    @property
    def is_model(self) -> bool:
        """Whether something that the model wrote is shown."""
        return bool(self.said["reason"])

    def shown(self) -> Pick:
        """The pick as it may be shown now: without words until some have passed, or none will."""
        if not self.is_model:
            return self.pick if self.ended else replace(self.pick, reason="", benefit="")
        told = {part: " ".join(sentences) for part, sentences in self.said.items()}
        benefit = told["benefit"] or (self.pick.benefit if self.ended else "")
        fit = self.fit if self.fit is not None else self.pick.fit
        return replace(self.pick, reason=told["reason"], benefit=benefit, fit=fit, check=told["question"])


class Wording:
    """One recommendation while it is put into words. Use it in `async with`, and read the drafts that it gives;
    `whole` is what has come of it, the embedded words where nothing has."""

    def __init__(
        self,
        found: Recommendation,
        persona: Sequence[str],
        talk: Sequence[Line],
        language: Language,
        llm: LLM,
        names: Names,
        korean: Korean,
    ) -> None:
        """`persona` and `talk` are what a prompt may tell of the person and of the talk so far; `names` the catalog's."""
        self._found, self._persona, self._talk, self._language = found, persona, talk, language
        self._llm, self._names, self._grounding = llm, names, Grounding(names, korean)
        self._drafts = [
            _Draft(pick, item, grounds)
            for pick, (item, grounds) in zip(found.picks, found.basis, strict=True)
        ]
        self._followups = found.followups
        self._answers: list[Completion] = []
        self._refused: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        work = [self._write(draft) for draft in self._drafts]
        self._tasks = [asyncio.create_task(each) for each in (*work, self._ask())]
        return self

    async def __aexit__(self, *raised: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[Recommendation]:
        """What there is, whenever there is more of it; the first at once, and not the whole of it."""
        for task in self._tasks:
            task.add_done_callback(lambda _: self._changed.set())
        shown: tuple[Pick, ...] | None = None
        while not all(task.done() for task in self._tasks):
            if (draft := self.whole).picks != shown:
                shown = draft.picks
                yield draft
            await self._changed.wait()
            self._changed.clear()
        for task in self._tasks:
            task.result()

    async def finish(self) -> Recommendation:
        """The whole, once there is no more to come."""
        async for _ in self:
            pass
        return self.whole

    @property
    def whole(self) -> Recommendation:
        """What has come of it so far."""
        trace = self._found.trace
        last = self._answers[-1] if self._answers else None
        return replace(
            self._found,
            picks=tuple(draft.shown() for draft in self._drafts),
            followups=self._followups,
            trace=replace(
                trace,
                model=last.model if last else trace.model,
                adapter=last.adapter if last else trace.adapter,
                prompt_tokens=trace.prompt_tokens + sum(each.prompt_tokens for each in self._answers),
                completion_tokens=trace.completion_tokens
                + sum(each.completion_tokens for each in self._answers),
                writers=tuple("model" if draft.is_model else "embedded" for draft in self._drafts),
                refused=dict(self._refused),
            ),
        )

    @property
    def _request(self) -> Request:
        return self._found.request

    async def _write(self, draft: _Draft) -> None:
        try:
            await self._read(draft)
        except Unavailable:
            pass  # counted by the client; what has passed stays
        except Exception:
            logger.exception("A pick could not be put into the model's words")
        draft.ended = True
        if not draft.is_model:
            self._llm.counts["hedged"] += 1
        self._changed.set()

    async def _read(self, draft: _Draft) -> None:
        """Take a reply sentence by sentence; a part ends where another begins."""
        size = self._llm.prompt
        prompt = reply(
            self._request, self._persona, self._talk, draft.item, draft.grounds, self._language, size
        )
        labelled, sentences, part = Labelled(), Sentences(), ""
        async with self._llm.stream(
            prompt,
            adapter="reply",
            max_tokens=TOKENS[size],
            budget_first=FIRST_SECONDS,
            budget_all=ALL_SECONDS,
            seed=self._found.trace.seed,
        ) as answer:
            async for name, text in _parts(answer, labelled):
                if name != part:
                    self._take(draft, part, sentences.rest())
                    part = name
                for sentence in sentences.feed(text):
                    self._take(draft, part, sentence)
        self._take(draft, part, sentences.rest())
        if answer.completion is not None:
            self._answers.append(answer.completion)
        fit = labelled.review.fit if size == "full" else None
        draft.fit = fit if fit is None or fit >= LEAST_FIT else None

    def _take(self, draft: _Draft, part: str, sentence: str) -> None:
        """Show a sentence that passes, and count one that does not."""
        said = draft.said.get(part)
        sentence = " ".join(sentence.split())
        if said is None or not sentence or len(said) >= SENTENCES[part]:
            return
        fault = self._grounding.check(
            sentence,
            draft.item,
            self._request,
            allowed=[ground.name for ground in draft.grounds if ground.name],
            language=self._language,
            before=[each for other in self._drafts for told in other.said.values() for each in told],
        )
        if fault is None:
            said.append(sentence)
            self._changed.set()
        else:
            self._refused[fault] += 1
            self._llm.counts[f"refused.{fault}"] += 1

    async def _ask(self) -> None:
        """Let the next questions be put in the model's words."""
        try:
            self._followups = tuple(await self._phrased())
        except Exception:
            logger.exception("The next questions could not be put into the model's words")

    async def _phrased(self) -> list[Question]:
        return await phrased(
            self._followups,
            self._llm,
            self._request,
            self._language,
            budget=ASK_SECONDS,
            names=self._names,
            seed=self._found.trace.seed,
        )


async def _parts(answer: Stream, labelled: Labelled) -> AsyncIterator[tuple[str, str]]:
    """What comes, with the part of the reply that it belongs to."""
    async for delta in answer:
        for each in labelled.feed(delta):
            yield each
    for each in labelled.end():
        yield each
