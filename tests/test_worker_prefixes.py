"""Beginnings that prompts share are read once, for each adapter apart, and change nothing that is said."""

import asyncio

import pytest
import torch

from engine.worker.prefixes import BLOCK, Prefixes
from engine.worker.sequence import Piece
from tests import tiny
from tests.tiny import ADAPTERS, Tiny, answer, ids, serving

SYSTEM = [100 + place % 90 for place in range(3 * BLOCK + 5)]


@pytest.fixture
def exaone() -> Tiny:
    return tiny.shared()


def cached(pieces: list[Piece]) -> int:
    assert pieces[-1].usage is not None
    return pieces[-1].usage.cached


async def test_a_shared_beginning_is_read_once_and_says_the_same(exaone: Tiny) -> None:
    async with serving(exaone) as batcher:
        counts = []
        for place in range(5):
            prompt = [*SYSTEM, 10 + place, 11, 12]
            pieces = await answer(batcher, prompt, "reply", max_tokens=20)
            counts.append(cached(pieces))
            assert ids(pieces) == exaone.generated(prompt, 20, "reply")
    assert counts == [0, 0, 3 * BLOCK, 3 * BLOCK, 3 * BLOCK], "kept when it is met the second time"


async def test_beginnings_are_never_shared_across_adapters(exaone: Tiny) -> None:
    async with serving(exaone) as batcher:
        for _ in range(3):
            await answer(batcher, SYSTEM, "reply", max_tokens=1)
        for name in (None, "rank", "question"):
            pieces = await answer(batcher, SYSTEM, name, max_tokens=20)
            assert cached(pieces) == 0
            assert ids(pieces) == exaone.generated(SYSTEM, 20, name)
        assert cached(await answer(batcher, SYSTEM, "reply", max_tokens=1)) == 3 * BLOCK


async def test_an_adapter_loaded_anew_under_a_name_does_not_get_the_old_ones_beginnings(exaone: Tiny) -> None:
    adapters = exaone.served

    def load(which: str) -> None:
        adapters.load("guest", str(exaone.adapters[which]))

    async with serving(exaone) as batcher:
        await batcher.between_steps(lambda: load("rank"))
        for _ in range(3):
            pieces = await answer(batcher, SYSTEM, "guest", max_tokens=9)
        assert cached(pieces) == 3 * BLOCK

        def replace() -> None:
            adapters.unload("guest")
            load("reply")

        await batcher.between_steps(replace)
        pieces = await answer(batcher, SYSTEM, "guest", max_tokens=9)
        assert cached(pieces) == 0
        assert ids(pieces) == exaone.generated(SYSTEM, 9, "reply")
        await batcher.between_steps(lambda: adapters.unload("guest"))


async def test_a_prompt_that_is_all_known_still_reads_its_last_token(exaone: Tiny) -> None:
    prompt = SYSTEM[: 2 * BLOCK]
    async with serving(exaone) as batcher:
        told = [await answer(batcher, prompt, "rank", max_tokens=6) for _ in range(4)]
    assert [cached(pieces) for pieces in told] == [0, 0, BLOCK, BLOCK]
    assert {tuple(ids(pieces)) for pieces in told} == {tuple(exaone.generated(prompt, 6, "rank"))}


async def test_beginnings_of_several_lengths_are_read_in_one_batch(exaone: Tiny) -> None:

    asked = [([*SYSTEM[:size], 9 + size], name) for size in (5, 40, 70, 101) for name in (None, *ADAPTERS)]
    async with serving(exaone) as batcher:
        for _ in range(3):
            told = await asyncio.gather(
                *(answer(batcher, prompt, name, max_tokens=9) for prompt, name in asked)
            )
    assert [ids(pieces) for pieces in told] == [exaone.generated(prompt, 9, name) for prompt, name in asked]
    assert [cached(pieces) // BLOCK for pieces in told] == [
        size // BLOCK for size in (5, 40, 70, 101) for _ in range(4)
    ]


def columns() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.zeros(1, BLOCK, 4), torch.zeros(1, BLOCK, 4))]


def test_the_least_used_beginning_goes_first_and_an_end_before_its_beginning() -> None:
    prefixes = Prefixes(token_bytes=1, most=3 * BLOCK)

    def meet(prompt: list[int]) -> None:
        for _ in range(2):
            for _, name in prefixes.wanted(None, prompt):
                prefixes.keep(name, columns, 1 << 20)

    long, other = [1] * (2 * BLOCK), [2] * BLOCK
    meet(long)
    meet(other)
    assert prefixes.bytes == 3 * BLOCK
    assert prefixes.find(None, [*long, 0])[0] == 2 * BLOCK
    meet([3] * BLOCK)
    assert prefixes.bytes == 3 * BLOCK
    assert prefixes.find(None, [*other, 0])[0] == 0, "used longest ago"
    assert prefixes.find(None, [*long, 0])[0] == 2 * BLOCK
    meet([4] * BLOCK)
    meet([5] * BLOCK)
    assert prefixes.find(None, [*long, 0])[0] == BLOCK, "its end went, its beginning is still of use"


def test_nothing_is_kept_where_there_is_no_room() -> None:
    prefixes = Prefixes(token_bytes=1, most=BLOCK - 1)
    for _ in range(2):
        for _, name in prefixes.wanted(None, [1] * BLOCK):
            prefixes.keep(name, columns, 1 << 20)
    assert prefixes.bytes == 0
