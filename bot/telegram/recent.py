"""What is remembered of late, and forgotten when there is too much of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, TypeVar

KEPT: Final = 4_096
"""Messages, presses and half-sent replies that are remembered; all of it only spares or betters messages."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Recent(OrderedDict[K, T]):
    """A dictionary that forgets what was put in first."""

    def __setitem__(self, key: K, value: T) -> None:
        super().__setitem__(key, value)
        if len(self) > KEPT:
            self.popitem(last=False)
