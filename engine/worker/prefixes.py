"""Keys and values of prompts' common beginnings, such as a persona's system turn, so that they are computed once.

Beginnings are cut into blocks of equal length, each named by its adapter and all tokens up to its end. A block is
kept when it is met the second time: what only one request has is never stored. Least recently used ones go first.
Knows nothing of the rows that it is copied to.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b

import torch

BLOCK = 32
"""Tokens."""
REMEMBERED = 8_192
"""Blocks of which it is known that they were met once."""

Columns = list[tuple[torch.Tensor, torch.Tensor]]
Name = bytes


class Prefixes:
    """Blocks within `most` bytes, where a token has `token_bytes`."""

    def __init__(self, token_bytes: int, most: int) -> None:
        self._block_bytes = token_bytes * BLOCK
        self._most = most
        self._kept: OrderedDict[Name, Columns] = OrderedDict()
        self._met: OrderedDict[Name, None] = OrderedDict()

    @property
    def bytes(self) -> int:
        """What all kept blocks take."""
        return len(self._kept) * self._block_bytes

    def find(self, adapter: str | None, prompt: Sequence[int]) -> tuple[int, Columns]:
        """How many tokens of the prompt's beginning are here, and their keys and values.

        Never the whole prompt: its last token has to be read to know what comes next.
        """
        found: list[Name] = []
        for name in _names(adapter, prompt[:-1]):
            if name not in self._kept:
                break
            found.append(name)
        for name in reversed(found):  # so that an end goes before its beginning
            self._kept.move_to_end(name)
        if not found:
            return 0, []
        layers = zip(*(self._kept[name] for name in found), strict=True)
        return len(found) * BLOCK, [
            (
                torch.cat([keys for keys, _ in blocks], dim=1),
                torch.cat([values for _, values in blocks], dim=1),
            )
            for blocks in layers
        ]

    def wanted(self, adapter: str | None, prompt: Sequence[int]) -> list[tuple[int, Name]]:
        """The blocks of a prompt just read that are worth keeping: where each begins, and its name."""
        wanted: list[tuple[int, Name]] = []
        for place, name in enumerate(_names(adapter, prompt)):
            if name in self._kept:
                continue
            if name in self._met:
                wanted.append((place * BLOCK, name))
            self._met[name] = None
            self._met.move_to_end(name)
        while len(self._met) > REMEMBERED:
            self._met.popitem(last=False)
        return wanted

    def keep(self, name: Name, columns: Callable[[], Columns], most: int) -> None:
        """Takes a block in, if it finds room in `most` bytes; others go for it."""
        most = min(self._most, most) - self._block_bytes
        if most >= 0:
            self.shrink(most)
            self._kept[name] = columns()

    def shrink(self, most: int) -> None:
        """Lets blocks go until they take `most` bytes."""
        while self._kept and self.bytes > most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self._met.clear()


def _names(adapter: str | None, tokens: Sequence[int]) -> Iterator[Name]:
    """A name for each whole block, which stands for the adapter and every token up to the block's end."""
    name = blake2b(b"" if adapter is None else b"+" + adapter.encode(), digest_size=16).digest()
    for begin in range(0, len(tokens) - BLOCK + 1, BLOCK):
        block = b"".join(token.to_bytes(4, "little") for token in tokens[begin : begin + BLOCK])
        name = blake2b(name + block, digest_size=16).digest()
        yield name
