"""What went wrong, as an answer: which status and which words each of the worker's errors has for a client."""

from __future__ import annotations

import logging

from engine.errors import EngineError
from engine.worker.protocol import Refusal
from engine.worker.refusals import BadSchema, Failed, Full, NoAdapter, OutOfMemory, Stopped, TimedOut, TooLong

BUSY_RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


def refusal(error: Exception) -> Refusal:
    """The answer to an error; one that nobody foresaw is logged, and its text stays here."""
    match error:
        case Refusal():
            return error
        case Full():
            return Refusal(429, str(error), code="queue_full", retry_after=error.retry_after)
        case TooLong():
            return Refusal(400, str(error), param="messages", code="context_length_exceeded")
        case OutOfMemory():
            return Refusal(503, str(error), code="out_of_memory", retry_after=BUSY_RETRY_SECONDS)
        case Stopped():
            return Refusal(503, str(error), code="stopping")
        case TimedOut():
            return Refusal(504, str(error), code="timeout")
        case NoAdapter():
            return Refusal(404, str(error), param="model", code="model_not_found")
        case BadSchema():
            return Refusal(400, str(error), param="response_format", code="invalid_value")
        case Failed():
            return Refusal(500, str(error), code="internal_error")
        case EngineError():
            return Refusal(400, str(error), code="invalid_value")
    logger.error("A request failed", exc_info=error)
    return Refusal(500, "The worker failed at this request; its log says why.", code="internal_error")
