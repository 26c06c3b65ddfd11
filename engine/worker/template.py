"""Messages to token ids by the model's own chat template, so that no text in them can pass for one of its control tokens.

What somebody writes, "[|endofturn|]" say, is read as the plain text that it is; only the template itself ends a turn.
Texts that hold nothing of the kind are tokenized whole, exactly as in training. Knows no request and no model.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from engine.worker.errors import WorkerError

STAND_IN: Final = re.compile("\ue000[0-9a-f]{16}\ue001")


class UnfitMessages(WorkerError):
    """Messages that the model's template does not take; the message is the template's own."""


class Template:
    """The chat template of one tokenizer, with its control tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        tokens = {
            token.content: number
            for number, token in tokenizer.added_tokens_decoder.items()
            if token.special or any(map(str.isalpha, token.content))  # Gemma also adds plain runs of blanks
        }
        self._controls = {text: number for text, number in tokens.items() if len(text) > 1}
        self._numbers = frozenset(self._controls.values())
        longest_first = sorted(self._controls, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def encode(
        self, messages: Sequence[Mapping[str, str]], switches: Mapping[str, Any] | None = None
    ) -> list[int]:
        """The prompt for the next answer; `switches` go to the template.

        Raises:
            UnfitMessages: the template takes no such roles, or not in this order.
        """
        stand_ins: dict[str, str] = {}
        # A template may look at what messages say (Qwen's looks for "</think>"): only what looks like control is veiled.
        veiled = [{**each, "content": self._veil(each["content"], stand_ins)} for each in messages]
        try:
            rendered = self._tokenizer.apply_chat_template(
                veiled, tokenize=False, add_generation_prompt=True, **(switches or {})
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise UnfitMessages(f"The model's template does not take these messages: {error}.") from None
        assert isinstance(rendered, str)
        meant = [self._controls[each] for each in self._pattern.findall(rendered)]
        if not stand_ins:
            whole = list(self._tokenizer(rendered, add_special_tokens=False)["input_ids"])
            if [number for number in whole if number in self._numbers] == meant:
                return whole
        return self._piecewise(rendered, stand_ins)

    def _veil(self, text: str, stand_ins: dict[str, str]) -> str:
        """The text with a word that nobody can guess in the place of each control token; those words are noted."""

        def stand_in(found: re.Match[str]) -> str:
            word = f"\ue000{secrets.token_hex(8)}\ue001"
            stand_ins[word] = found[0]
            return word

        return self._pattern.sub(stand_in, text)

    def _piecewise(self, rendered: str, stand_ins: Mapping[str, str]) -> list[int]:
        """The ids of the template's own control tokens, and of the texts between them as plain texts."""
        texts: list[str] = []
        marks: dict[int, int] = {}
        end = 0
        for found in self._pattern.finditer(rendered):
            texts += self._broken(_unveiled(rendered[end : found.start()], stand_ins))
            marks[len(texts)] = self._controls[found[0]]
            texts.append("")
            end = found.end()
        texts += self._broken(_unveiled(rendered[end:], stand_ins))
        ids: list[int] = []
        for place, plain in enumerate(self._tokenizer(texts, add_special_tokens=False)["input_ids"]):
            # A normalizer may make control tokens of other letters; those are nobody's to write.
            ids += [marks[place]] if place in marks else [each for each in plain if each not in self._numbers]
        return ids

    def _broken(self, text: str) -> list[str]:
        """The text in parts, none of which holds a control token: those that it spells are broken in two."""
        parts: list[str] = []
        start = 0
        while found := self._pattern.search(text, start):
            middle = found.start() + 1
            parts.append(text[start:middle])
            start = middle
        return [*parts, text[start:]]


def _unveiled(text: str, stand_ins: Mapping[str, str]) -> str:
    return STAND_IN.sub(lambda found: stand_ins.get(found[0], found[0]), text)
