"""What a bot's process counts, told in Prometheus' format over HTTP: counts and times, nothing of what anybody said.

The worker tells of itself at an address of its own (`engine/worker/metrics.py`); what the bot did not let through of
its words only the bot knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bot.app import App
from bot.command import CommandError
from bot.delivery import Delivery
from engine.completion import Kind
from engine.grounding import FAULTS
from engine.llm import LLM
from storage.mail import Outcome

PREFIX: Final = "oneulmwo"
SECONDS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""From a turn's being taken until its answer is stored."""

disable_created_metrics()  # type: ignore[no-untyped-call] # when each figure began to be counted, which nobody asks


@contextmanager
def told(app: App, delivery: Delivery) -> Iterator[int | None]:
    """While the block runs, tell the figures where `ONEULMWO_METRICS` says, if it does; gives the port.

    Raises:
        CommandError: the address cannot be had.
    """
    address = app.settings.metrics_address
    if address is None:
        yield None
        return
    host, port = address
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Engine(app))
    delivery.finished = _Turns(registry, delivery.platform.name).finished
    try:
        server, thread = start_http_server(port, host, registry)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no such host"
        raise CommandError(
            f"{host}:{port} cannot be had ({why}): set ONEULMWO_METRICS to another."
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Turns:
    """What became of the turns of one platform."""

    def __init__(self, registry: CollectorRegistry, platform: str) -> None:
        labels = ("platform", "outcome")
        turns = Counter("turns", "Turns by how they ended.", labels, namespace=PREFIX, registry=registry)
        self._turns = {outcome: turns.labels(platform, outcome) for outcome in get_args(Outcome)}
        self._seconds = Histogram(
            "turn_seconds", "From a turn's being taken until its answer is stored.", ("platform",),
            namespace=PREFIX, registry=registry, buckets=SECONDS,
        ).labels(platform)  # fmt: skip

    def finished(self, outcome: Outcome, seconds: float) -> None:
        self._turns[outcome].inc()
        if outcome == "done":
            self._seconds.observe(seconds)


class _Engine:
    """The index and the model as they are when they are asked for, from the server's thread."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterable[Metric]:
        """Every figure, those that are nought too: a rate of what is not there cannot be drawn."""
        index = self._app.index
        yield _gauge("index_version", "The version that is searched; 0 for none.", index.version or 0)
        yield _gauge("index_items", "The items in it.", index.now().count if index.version is not None else 0)
        if (llm := self._app.engine.llm) is not None:
            yield from _of_model(llm)


def _of_model(llm: LLM) -> Iterable[Metric]:
    counts = dict(llm.counts)
    yield _gauge("model_available", "Whether the model's server is asked now.", int(llm.available))
    yield _counter("model_calls", "Requests to the model's server.", counts.get("calls", 0))
    yield _counter(
        "model_hedged", "Answers in the shipped words, as the model's were late.", counts.get("hedged", 0)
    )
    yield _counter(
        "model_refused_questions",
        "Wordings of buttons that asked something else.",
        counts.get("question_refused", 0),
    )
    for name, meaning, label, found in (
        ("model_failures", "Requests without an answer, by why.", "kind", {kind: kind for kind in get_args(Kind)}),
        ("model_refused_sentences", "Sentences of the model's not shown, by what was wrong with them.", "fault", {fault: f"refused.{fault}" for fault in FAULTS}),
        ("model_tokens", "Tokens that the server told of.", "of", {"prompt": "prompt_tokens", "completion": "completion_tokens"}),
    ):  # fmt: skip
        family = CounterMetricFamily(f"{PREFIX}_{name}", meaning, labels=[label])
        for value, key in found.items():
            family.add_metric([value], counts.get(key, 0))
        yield family


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", meaning, value=value)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", meaning, value=value)
