"""What the worker counts and measures, told in Prometheus' format at `/metrics`.

Told by the batcher (`observer.Observer`), from its thread, and by the server. Knows neither.
"""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from engine.worker.observer import Outcome

if TYPE_CHECKING:
    import torch

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
PREFIX: Final = "oneulmwo_worker"
WAITS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Seconds of waiting, reading a prompt, answering."""
STEPS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
"""Seconds a token."""
ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128)

disable_created_metrics()  # type: ignore[no-untyped-call] # when each figure began to be counted, which nobody asks


class Metrics:
    """An `Observer` with a registry of its own, so that several services in one process stay apart."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(name, meaning, labels, namespace=PREFIX, registry=registry)

        def gauge(name: str, meaning: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(name, meaning, labels, namespace=PREFIX, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, meaning, namespace=PREFIX, registry=registry, buckets=buckets)

        self._requests = counter("requests", "Chat requests answered or refused.", ("model", "outcome"))
        self._sequences = counter("sequences", "Requests that the batch has let go.", ("outcome",))
        self._waiting = gauge("queue_length", "Requests that wait for a place in the batch.")
        self._waited = histogram("queue_seconds", "How long requests waited for a place.", WAITS)
        self._prompt = counter("prompt_tokens", "Tokens of prompts.")
        self._generated = counter("generated_tokens", "Tokens of answers.")
        self._reused = counter("prefix_reused_tokens", "Tokens of prompts that were not computed again.")
        self._first = histogram("time_to_first_token_seconds", "From a request to its first token.", WAITS)
        self._each = histogram(
            "time_per_token_seconds", "Steps that add one token to each of their sequences.", STEPS
        )
        self._whole = histogram("request_seconds", "From a request to its end.", WAITS)
        self._rows = histogram("batch_size", "Sequences in a forward pass.", ROWS)
        self._steps = histogram("step_seconds", "A forward pass.", STEPS)
        self._read = counter("step_tokens", "Tokens read by forward passes.")
        self._cache_used = gauge("cache_used_bytes", "Keys and values held, shared beginnings included.")
        self._cache_limit = gauge("cache_limit_bytes", "Keys and values that may be held.")
        self._memory = gauge("memory_bytes", "Memory taken: of the process, and of the GPU.", ("of",))
        self._texts = counter("embedded_texts", "Texts embedded.")
        self._text_tokens = counter("embedded_tokens", "Tokens of texts embedded.")

    def answered(self, model: str, outcome: str) -> None:
        """A chat request is over; `model` is "unknown" for what is not served, lest anyone make up names."""
        self._requests.labels(model, outcome).inc()

    def embedded(self, texts: int, tokens: int) -> None:
        """Texts were embedded."""
        self._texts.inc(texts)
        self._text_tokens.inc(tokens)

    def queued(self, waiting: int) -> None:
        self._waiting.set(waiting)

    def joined(self, waited: float) -> None:
        self._waited.observe(waited)

    def first_token(self, seconds: float) -> None:
        self._first.observe(seconds)

    def step(self, rows: int, tokens: int, seconds: float) -> None:
        self._rows.observe(rows)
        self._read.inc(tokens)
        self._steps.observe(seconds)
        if tokens == rows:
            self._each.observe(seconds)

    def left(self, outcome: Outcome, prompt: int, completion: int, cached: int, seconds: float) -> None:
        self._sequences.labels(outcome).inc()
        self._prompt.inc(prompt)
        self._generated.inc(completion)
        self._reused.inc(cached)
        self._whole.observe(seconds)

    def cache(self, used: int, limit: int) -> None:
        self._cache_used.set(used)
        self._cache_limit.set(limit)

    def exposition(self, device: torch.device | None) -> bytes:
        """All of it, as text."""
        self._memory.labels("process").set(_resident_bytes())
        if device is not None and device.type == "cuda":
            import torch

            self._memory.labels("gpu").set(torch.cuda.memory_reserved(device))
        return generate_latest(self.registry)


def _resident_bytes() -> int:
    """Memory of this process now on Linux, at its highest elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no file of anyone's
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
