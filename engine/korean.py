"""Korean morphology: typing mistakes mended, text cut into morphemes. Knows nothing of what words mean.

Kiwi takes a second or more to get ready, so it is loaded in a thread, behind the first prompt.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from kiwipiepy import Kiwi

from engine.text import is_korean

TYPOS = "basic_with_continual"
LONG: Final = 8
"""Letters of a morpheme that is likely to be several: where it looks for typing mistakes, Kiwi runs unknown words
together with what follows them without a space, and with lone letters."""
_LONE_LETTERS: Final = re.compile("[\u1100-\u11ff\u3131-\u318e]")


@dataclass(frozen=True, slots=True)
class Morpheme:
    """`tag` is Kiwi's part of speech (NNG, VV, …); `start` and `end` are places in the text."""

    form: str
    tag: str
    start: int
    end: int
    known: bool = True
    """False for a word that its dictionary does not have, as far as that was asked for (`cut`)."""


class Korean:
    """The analyser. It is loaded in a thread, once."""

    def __init__(self) -> None:
        self._kiwi: Kiwi | None = None
        self._loading: asyncio.Task[Kiwi] | None = None

    def start(self) -> None:
        """Begin to load in the background; needs a running event loop."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(_load))

    @property
    def is_ready(self) -> bool:
        """Whether `analyse` may be called."""
        return self._kiwi is not None

    async def ready(self) -> None:
        """Return when the analyser is loaded."""
        if self._kiwi is None:
            self.start()
            assert self._loading is not None
            self._kiwi = await asyncio.shield(self._loading)

    def analyse(self, text: str) -> tuple[str, list[Morpheme]]:
        """The text with its typing mistakes mended, and the morphemes of that text. Wants `ready` awaited before."""
        if not is_korean(text):
            return text, []
        assert self._kiwi is not None, "Korean.ready was not awaited"
        kiwi = self._kiwi
        tokens = kiwi.tokenize(text, typos=TYPOS)
        mistyped = any(token.typo_cost for token in tokens)
        mended = kiwi.join(tokens) if mistyped else text
        if abs(len(mended) - len(text)) > max(2, len(text) // 4):
            mended = text  # joining may drop what it does not know: then the person's own words stand
        if mistyped or _LONE_LETTERS.search(text) or any(token.len > LONG for token in tokens):
            tokens = kiwi.tokenize(mended)
        return mended, [Morpheme(token.form, token.tag, token.start, token.end) for token in tokens]

    def cut(self, text: str) -> list[Morpheme]:
        """The morphemes of a text as it stands, nothing mended. Wants `ready` awaited before."""
        if not is_korean(text):
            return []
        assert self._kiwi is not None, "Korean.ready was not awaited"
        return [Morpheme(t.form, t.tag, t.start, t.end, not t.oov) for t in self._kiwi.tokenize(text)]


def _load() -> Kiwi:
    # Without the dictionary of encyclopedia titles, which doubles the time and knows nothing that we ask for.
    kiwi = Kiwi(num_workers=1, load_multi_dict=False)
    kiwi.tokenize("준비", typos=TYPOS)  # the first call prepares the tables, and takes as long as loading
    return kiwi
