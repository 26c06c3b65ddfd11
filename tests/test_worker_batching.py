"""Batched answers equal single ones; places, memory, faults and ends of the batcher."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from engine.worker.batcher import Batcher
from engine.worker.observer import Silent
from tests import tiny
from tests.tiny import ADAPTERS, FAMILIES, Asked, Tiny, answer, ids, many, prompts, serving, until


@pytest.fixture
def exaone() -> Tiny:
    return tiny.shared()


@pytest.mark.parametrize("kind", ["exaone", *FAMILIES])
async def test_a_batch_of_all_adapters_gives_what_each_gives_alone(
    kind: str, exaone: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = exaone if kind == "exaone" else tiny.family(kind, tmp_path_factory.mktemp(kind))
    asked = prompts(7, 10)
    async with serving(model, rows=6, prefill_tokens=64) as batcher:
        told = await many(batcher, *asked)
    assert told == [model.generated(prompt, count, adapter) for prompt, adapter, count in asked]
    assert len({tuple(model.generated(asked[0][0], 12, adapter)) for adapter in (None, *ADAPTERS)}) > 2


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=some.integers(0, 1 << 30), rows=some.integers(2, 5), chunk=some.sampled_from([8, 32, 512]))
async def test_who_joins_and_leaves_when_changes_nobodys_text(
    exaone: Tiny, seed: int, rows: int, chunk: int
) -> None:
    """Rows move when one leaves: a wrong move gives somebody another's keys and values."""
    chance = random.Random(seed)
    asked = prompts(seed, 7)

    async def late(batcher: Batcher, request: Asked) -> list[int]:
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0.002)
        return (await many(batcher, request))[0]

    async with serving(exaone, rows=rows, prefill_tokens=chunk) as batcher:
        told = await asyncio.gather(*(late(batcher, request) for request in asked))
    assert told == [exaone.generated(prompt, count, adapter) for prompt, adapter, count in asked]


async def test_others_go_on_while_a_long_prompt_is_read(exaone: Tiny) -> None:
    """A prompt read in one go would keep everybody waiting for it."""
    kinds: list[int] = []

    class Steps(Silent):
        def step(self, rows: int, tokens: int, seconds: float) -> None:
            kinds.append(tokens)

    long, short = [9] * 200, [11, 12, 13]
    async with serving(exaone, Steps(), prefill_tokens=16) as batcher:
        running = asyncio.create_task(answer(batcher, short, max_tokens=40))
        await until(lambda: len(kinds) > 3)
        (tokens,) = await many(batcher, (long, "rank", 5))
        await running
    assert tokens == exaone.generated(long, 5, "rank")
    chunks = [place for place, count in enumerate(kinds) if count > 3]
    assert len(chunks) == 13
    assert all(kinds[place + 1] == 1 for place in chunks[:-1]), "between two chunks the other one decodes"


async def test_a_request_for_one_token_never_decodes(exaone: Tiny) -> None:
    """Ranking asks for one token: a decode step for it would double its cost."""
    steps: list[tuple[int, int]] = []

    class Steps(Silent):
        def step(self, rows: int, tokens: int, seconds: float) -> None:
            steps.append((rows, tokens))

    async with serving(exaone, Steps()) as batcher:
        pieces = await answer(batcher, [10, 11, 12], "rank", max_tokens=1, logprobs=5)
    assert steps == [(1, 3)]
    assert len(pieces) == 1
    assert pieces[0].finish == "length"
    assert pieces[0].usage is not None
    assert pieces[0].usage.completion == 1


async def test_the_end_of_turn_ends_an_answer_and_is_not_shown(exaone: Tiny) -> None:
    async with serving(exaone) as batcher:
        end = exaone.ends[0]
        prompt = next(
            prompt
            for prompt, _, _ in prompts(5, 400)
            if (tokens := exaone.generated(prompt, 60, None))[-1] == end and len(tokens) > 1
        )
        pieces = await answer(batcher, prompt, max_tokens=60)
        tokens = exaone.generated(prompt, 60, None)
        assert ids(pieces) == tokens
        assert pieces[-1].finish == "stop"
        assert tiny.text(pieces) == exaone.tokenizer.decode(tokens[:-1], errors="replace")


async def test_who_is_read_first_may_stand_behind_another(exaone: Tiny) -> None:
    """The last one is moved to the first one's place while the second is still read, and they change places then."""
    asked: list[Asked] = [([9, 10], None, 4), ([11] * 100, "rank", 9), ([12] * 40, "reply", 9)]
    async with serving(exaone, prefill_tokens=16) as batcher:
        told = await many(batcher, *asked)
    assert told == [exaone.generated(prompt, count, adapter) for prompt, adapter, count in asked]
