"""What the worker cannot do, in sentences that an operator may read."""

from engine.errors import EngineError


class WorkerError(EngineError):
    """A model, an adapter or a request that the worker cannot take, and what to do about it."""
