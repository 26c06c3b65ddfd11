"""Why a request is not answered, each with the sentence that its sender reads."""

from typing import Final

from engine.worker.errors import WorkerError

NO_MEMORY: Final = (
    "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "can't allocate memory",
)  # fmt: skip
"""How the libraries below torch say what torch itself says by OutOfMemoryError."""


class Full(WorkerError):
    """As many requests wait as may."""

    def __init__(self, waiting: int, retry_after: float) -> None:
        super().__init__(f"{waiting} requests are waiting already; try again in {retry_after:.0f} seconds.")
        self.retry_after = retry_after
        """Seconds until a place is likely to be free."""


class TooLong(WorkerError):
    """A request that never fits."""

    def __init__(self, asked: int, limit: int) -> None:
        super().__init__(
            f"The prompt and the answer's longest length come to {asked:,} tokens; the limit is {limit:,}."
        )
        self.limit = limit
        """Tokens of prompt and answer together."""


class OutOfMemory(WorkerError):
    """The device's memory ran out, and this request was the largest."""

    def __init__(self) -> None:
        super().__init__("The worker ran out of memory at this request; try again with a shorter one.")


class TimedOut(WorkerError):
    """It took longer than a request may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The answer was not finished within {seconds:g} seconds.")


class Stopped(WorkerError):
    """The worker is ending."""

    def __init__(self) -> None:
        super().__init__("The worker is stopping; the answer was not finished.")


class NoAdapter(WorkerError):
    """It asks for an adapter that is not loaded, or no more."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No adapter is called {name}.")


class BadSchema(WorkerError):
    """A JSON schema that answers cannot be held to."""


class Failed(WorkerError):
    """A fault of the worker's own; the log has it in full."""

    def __init__(self) -> None:
        super().__init__("The worker failed at this request; its log says why.")


def is_out_of_memory(error: Exception) -> bool:
    """Whether a forward pass ended because the device's memory ran out."""
    if not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ == "OutOfMemoryError" or any(sign in str(error) for sign in NO_MEMORY)
