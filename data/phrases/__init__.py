"""The words a person reads, Korean and English, by key; Korean particles follow the word they are joined to."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal
from zlib import crc32

Language = Literal["ko", "en"]

_PAIRS: Final = {
    "은": ("은", "는"), "이": ("이", "가"), "을": ("을", "를"), "과": ("과", "와"), "아": ("아", "야"),
    "으로": ("으로", "로"), "이라": ("이라", "라"), "이나": ("이나", "나"), "이랑": ("이랑", "랑"),
    "이에요": ("이에요", "예요"),
}  # fmt: skip
_ENDS_IN_CONSONANT: Final = set("013678lmnrLMNR")
"""Digits by how they are read in Korean, and Latin letters by what their word most likely ends in."""


def with_particle(word: str, particle: str) -> str:
    """The word with the form of the particle (은, 이, 을, 과, 으로, 이라, …) that its last sound wants.

    Raises KeyError for a particle that this table does not have.
    """
    consonant, vowel = _PAIRS[particle]
    last = next((char for char in reversed(word) if char.isalnum()), "")
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        takes_consonant = final != 0 and not (particle == "으로" and final == 8)
    else:
        takes_consonant = last in _ENDS_IN_CONSONANT and not (particle == "으로" and last in "178lLrR")
    return word + (consonant if takes_consonant else vowel)


@dataclass(frozen=True, slots=True)
class _Value:
    """What fills a place: `{name:을}` writes the name with the right form of the particle."""

    value: object

    def __format__(self, how: str) -> str:
        return with_particle(str(self.value), how) if how in _PAIRS else format(self.value, how)


class Phrases:
    """One language's words. A key is a path with dots; an array is a set of variants."""

    def __init__(self, language: Language, tree: dict[str, Any]) -> None:
        self.language: Language = language
        self._tree = tree

    def variants(self, key: str) -> list[str]:
        """Every way to say it, unfilled; empty when there is none."""
        node: Any = self._tree
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return [node] if isinstance(node, str) else list(node) if isinstance(node, list) else []

    def fill(self, template: str, **values: object) -> str:
        return template.format(**{name: _Value(value) for name, value in values.items()})

    def say(self, key: str, seed: int = 0, **values: object) -> str:
        """The words for `key`, filled in. Raises KeyError for an unknown key.

        `seed` chooses among the variants: seeds one apart choose different ones.
        """
        variants = self.variants(key)
        if not variants:
            raise KeyError(f"no words for {key} in {self.language}")
        return self.fill(variants[(crc32(key.encode()) + seed) % len(variants)], **values)


@cache
def phrases(language: Language) -> Phrases:
    """The shipped words of a language, `data/phrases/LANGUAGE.toml`."""
    text = (files("data") / "phrases" / f"{language}.toml").read_text(encoding="utf-8")
    return Phrases(language, tomllib.loads(text))
