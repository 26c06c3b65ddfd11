"""What each token stands for in bytes, and which tokens end an answer.

Bytes, not text: a Hangul syllable may be spread over several tokens, none of which is text alone.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

ANSWER = "네"
"""What no template ends in by itself, to find what it puts after an assistant's words."""
BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Vocabulary:
    """The tokenizer's tokens, and the model's ends."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self.special = frozenset(tokenizer.all_special_ids) | {
            number for number, token in added.items() if token.special
        }
        self.ends = frozenset(_ends(tokenizer, model))
        self._added = {number: token.content for number, token in added.items()}
        self._known: dict[int, bytes] = {}
        self._characters = _byte_characters() if _is_byte_level(tokenizer) else None

    def raw(self, token: int) -> bytes:
        """What the token adds to the text; nothing for a special one and for a number without a token."""
        if token not in self._known:
            self._known[token] = self._read(token)
        return self._known[token]

    def shown(self, token: int) -> tuple[str, bytes]:
        """The token as log-probabilities name it: special ones by their names."""
        raw = self.raw(token)
        if not raw:
            raw = (self.tokenizer.convert_ids_to_tokens(token) or "").encode()
        return raw.decode(errors="replace"), raw

    def _read(self, token: int) -> bytes:
        if token in self.special:
            return b""
        if token in self._added:
            return self._added[token].encode()
        word = self.tokenizer.convert_ids_to_tokens(token)
        if word is None:
            return b""
        if self._characters is not None and all(character in self._characters for character in word):
            return bytes(self._characters[character] for character in word)
        if match := BYTE_TOKEN.fullmatch(word):
            return bytes([int(match[1], 16)])
        if "▁" in word:  # SentencePiece's space
            return str(word).replace("▁", " ").encode()
        return str(self.tokenizer.decode([token])).encode()


def _ends(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> Iterator[int]:
    """Those that the checkpoint names, often the end of text only, and what its chat template puts after an answer."""
    named: list[Any] = [tokenizer.eos_token_id, model.config.get_text_config().eos_token_id]
    if model.generation_config is not None:
        named.append(model.generation_config.eos_token_id)
    for ids in named:
        yield from [ids] if isinstance(ids, int) else ids or ()
    if tokenizer.chat_template is not None:
        yield from _after_an_answer(tokenizer)


def _after_an_answer(tokenizer: PreTrainedTokenizerBase) -> Iterator[int]:
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "content": ANSWER}]
    try:
        rendered = str(tokenizer.apply_chat_template(talk, tokenize=False))
    except (TemplateError, TypeError, ValueError):
        return  # it takes no answers: each request is told so, and loading is not stopped
    rest = rendered.rpartition(ANSWER)[2].lstrip()
    ids = tokenizer(rest, add_special_tokens=False)["input_ids"]
    special = tokenizer.added_tokens_decoder
    if ids and ids[0] in special and special[ids[0]].special:
        yield ids[0]


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if decoder is None:
        return False
    state = json.loads(decoder.__getstate__())
    return any(part.get("type") == "ByteLevel" for part in (state, *state.get("decoders", ())))


def _byte_characters() -> dict[str, int]:
    """The characters by which byte-level BPE writes bytes: printable ones as themselves, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(rest)
    }
