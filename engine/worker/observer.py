"""What the batcher tells of itself, for metrics. Knows nobody who listens."""

from typing import Literal, Protocol

Outcome = Literal["stop", "length", "cancelled", "timeout", "memory", "stopped", "error"]


class Observer(Protocol):
    """Told of what happens, from the model's thread but for `queued`, which comes from both; may not raise or wait.

    Times are seconds, memory is bytes.
    """

    def queued(self, waiting: int) -> None:
        """So many requests wait now."""

    def joined(self, waited: float) -> None:
        """A request has left the queue for the batch."""

    def first_token(self, seconds: float) -> None:
        """A request has its first token, so long after it came."""

    def step(self, rows: int, tokens: int, seconds: float) -> None:
        """A forward pass: `rows` sequences, `tokens` read in all (as many as rows when decoding)."""

    def left(self, outcome: Outcome, prompt: int, completion: int, cached: int, seconds: float) -> None:
        """A request is over, with its tokens and its whole time."""

    def cache(self, used: int, limit: int) -> None:
        """Bytes of keys and values held now, shared beginnings included, and how many may be."""


class Silent:
    """Listens to nothing."""

    def queued(self, waiting: int) -> None: ...

    def joined(self, waited: float) -> None: ...

    def first_token(self, seconds: float) -> None: ...

    def step(self, rows: int, tokens: int, seconds: float) -> None: ...

    def left(self, outcome: Outcome, prompt: int, completion: int, cached: int, seconds: float) -> None: ...

    def cache(self, used: int, limit: int) -> None: ...


silent: Observer = Silent()
