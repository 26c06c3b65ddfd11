"""Batched answers equal single ones; places, memory, faults and ends of the batcher."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.worker.batcher import Batcher, Limits
from engine.worker.observer import Silent
from tests import tiny
from tests.tiny import ADAPTERS, FAMILIES, Tiny, many

LIMITS = {"context": 512, "cache_bytes": 1 << 24, "rows": 8, "queue": 64, "seconds": 60.0}


@pytest.fixture(scope="session")
def exaone(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny.exaone(tmp_path_factory.mktemp("exaone"))


@asynccontextmanager
async def serving(model: Tiny, observe: Any = None, **limits: Any) -> AsyncIterator[Batcher]:
    batcher = Batcher(model.served, model.tokenizer, Limits(**LIMITS | limits), observe or Silent())
    await batcher.start()
    try:
        yield batcher
    finally:
        await batcher.close(0)


def prompts(seed: int, count: int, longest: int = 60) -> list[tuple[list[int], str | None, int]]:
    """Random prompts with adapters and lengths of answers."""
    chance = random.Random(seed)
    return [
        (
            [chance.randrange(8, 400) for _ in range(chance.randrange(1, longest))],
            chance.choice([None, *ADAPTERS]),
            chance.randrange(1, 40),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", ["exaone", *FAMILIES])
async def test_a_batch_of_all_adapters_gives_what_each_gives_alone(
    kind: str, exaone: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = exaone if kind == "exaone" else tiny.family(kind, tmp_path_factory.mktemp(kind))
    asked = prompts(7, 10)
    async with serving(model, rows=6, prefill_tokens=64) as batcher:
        given_ = await many(batcher, *asked)
    assert given_ == [model.generated(prompt, count, adapter) for prompt, adapter, count in asked]
    assert len({tuple(model.generated(asked[0][0], 12, adapter)) for adapter in (None, *ADAPTERS)}) > 2
