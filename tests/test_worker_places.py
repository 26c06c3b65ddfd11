"""Who gets a place in the batch, in the queue and in memory, and what each gets who does not."""

import asyncio
import gc
import time
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.worker import cache
from engine.worker.batcher import (
    Batcher,
    Failed,
    Full,
    Limits,
    NoAdapter,
    OutOfMemory,
    Stopped,
    TimedOut,
    TooLong,
)
from engine.worker.observer import Silent, silent
from engine.worker.sequence import Sampling
from engine.worker.sequence import Sequence as Request
from engine.worker.stepper import Stepper
from engine.worker.transcript import Transcript
from engine.worker.vocabulary import Vocabulary
from tests import tiny
from tests.tiny import Tiny, answer, ids, many, serving, until

PROMPT = [20, 21, 22, 23]
GREEDY = Sampling(max_tokens=400, temperature=0)


@pytest.fixture
def exaone() -> Tiny:
    return tiny.shared()


def token_bytes(model: Tiny) -> int:
    config = model.served.model.config
    return config.num_hidden_layers * 2 * config.num_key_value_heads * config.head_dim * 4


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    asked=some.lists(
        some.tuples(some.integers(1, 90), some.integers(1, 12), some.integers(0, 9)), min_size=1, max_size=14
    ),
    tokens=some.integers(120, 400),
    rows=some.integers(1, 6),
)
def test_keys_and_values_never_take_more_than_they_may(
    asked: list[tuple[int, int, int]], tokens: int, rows: int
) -> None:
    """Prompts, longest answers and when each goes away; all are served in the order in which they came."""
    model = tiny.shared()
    most = tokens * token_bytes(model)
    limits = Limits(context=512, cache_bytes=most, rows=rows, queue=99, seconds=60, prefill_tokens=64)
    with torch.inference_mode():
        stepper = Stepper(model.served, Vocabulary(model.tokenizer, model.served.model), limits, silent)
        waiting = [
            Request(
                # Half of a prompt is like the others', so that beginnings are shared and kept.
                [9] * (size // 2) + [10 + place] * (size - size // 2),
                Sampling(max_tokens=count, temperature=0),
                None,
                count,
                time.monotonic() + 60,
                Transcript(),
            )
            for place, (size, count, _) in enumerate(asked)
        ]
        goes = {request: when for request, (_, _, when) in zip(waiting, asked, strict=True)}
        joined: list[Request] = []
        for _ in range(2_000):
            while waiting and stepper.can_join(waiting[0]):
                joined.append(waiting[0])
                stepper.join(waiting.pop(0))
                used = len(stepper.rows) * max(each.reserved for each in stepper.rows)
                assert used * stepper.cache.token_bytes <= most
                assert len(stepper.rows) <= rows
            assert stepper.cache.bytes + stepper.prefixes.bytes <= most
            for request in stepper.rows:
                goes[request] -= 1
                request.cancelled = goes[request] == 0
            stepper.step()
            assert stepper.cache.bytes + stepper.prefixes.bytes <= most
            assert [request.row for request in stepper.rows] == list(range(len(stepper.rows)))
            if not stepper.rows and not waiting:
                break
    assert not waiting, "the first of those who wait fits when nobody else is there"


def test_what_is_allocated_is_what_is_counted() -> None:
    model = tiny.shared()
    limits = Limits(context=512, cache_bytes=1 << 24, rows=8, queue=9, seconds=60)
    with torch.inference_mode():
        stepper = Stepper(model.served, Vocabulary(model.tokenizer, model.served.model), limits, silent)
        stepper.cache.reserve(3, 100, [], 1 << 24)
        layers = stepper.cache._layers.values()
        assert stepper.cache.bytes == sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
        assert stepper.cache.token_bytes == token_bytes(model)
        exact = 3 * 101 * token_bytes(model)
        stepper.cache.reserve(3, 101, [], exact)
        assert stepper.cache.bytes == exact, "no more than may be"


async def test_a_request_too_long_for_the_context_is_refused_at_once(exaone: Tiny) -> None:
    async with serving(exaone, context=64) as batcher:
        with pytest.raises(TooLong, match="limit is 64") as refused:
            batcher.submit([9] * 64, Sampling(max_tokens=1), None)
        assert refused.value.limit == 64
        pieces = await answer(
            batcher, [9] * 60, max_tokens=50, temperature=1.0, seed=4, schema='{"type":"string"}'
        )
        assert pieces[-1].finish == "length", "what does not fit of the answer is cut"
        assert len(ids(pieces)) == 4


async def test_a_request_too_long_for_memory_is_refused_and_the_longest_that_fits_is_not(
    exaone: Tiny,
) -> None:
    async with serving(exaone, cache_bytes=100 * token_bytes(exaone)) as batcher:
        with pytest.raises(TooLong, match="limit is 100") as refused:
            batcher.submit([9] * 50, Sampling(max_tokens=51), None)
        assert refused.value.limit == batcher.context == 100
        assert (await many(batcher, ([9] * 50, None, 50)))[0] == exaone.generated([9] * 50, 50, None)


async def test_a_long_request_is_not_overtaken_for_ever(exaone: Tiny) -> None:
    """Short ones that fit beside the running ones would keep the memory full."""
    over: list[str] = []

    async def one(batcher: Batcher, name: str, prompt: list[int], count: int) -> None:
        await answer(batcher, prompt, max_tokens=count)
        over.append(name)

    async with serving(exaone, cache_bytes=200 * token_bytes(exaone)) as batcher:
        tasks = [asyncio.create_task(one(batcher, "first", PROMPT, 30))]
        await until(lambda: batcher._stepper is not None and batcher._stepper.running)
        tasks.append(asyncio.create_task(one(batcher, "long", [9] * 180, 10)))
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(one(batcher, "short", PROMPT, 30)) for _ in range(5)]
        await asyncio.gather(*tasks)
    assert over[:2] == ["first", "long"]


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_again(exaone: Tiny) -> None:
    async with serving(exaone, rows=1, queue=2) as batcher:
        long = Sampling(max_tokens=400, temperature=0.0)  # the first must not be done before the last comes
        answers = [batcher.submit(PROMPT, long, None) for _ in range(3)]
        with pytest.raises(Full) as refused:
            batcher.submit(PROMPT, long, None)
        assert 1 <= refused.value.retry_after <= 60
        for each in answers:
            await each.aclose()
        assert ids(await answer(batcher, PROMPT)) == exaone.generated(PROMPT, 8, None)


@pytest.mark.parametrize("how", ["closed", "closed unread", "reader cancelled", "forgotten"])
async def test_whoever_goes_away_frees_the_place(exaone: Tiny, how: str) -> None:
    left: list[str] = []

    class Leaves(Silent):
        def left(self, outcome: str, prompt: int, completion: int, cached: int, seconds: float) -> None:
            left.append(outcome)

    async with serving(exaone, Leaves(), rows=1, queue=1) as batcher:
        pieces = batcher.submit(PROMPT, GREEDY, None)
        if how == "closed":
            await anext(pieces)
            await pieces.aclose()
        elif how == "closed unread":
            await pieces.aclose()
        elif how == "reader cancelled":
            reader = asyncio.create_task(_drain(pieces))
            await asyncio.sleep(0.02)
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        else:
            del pieces
            gc.collect()
        async with asyncio.timeout(20):
            assert ids(await answer(batcher, PROMPT, "rank")) == exaone.generated(PROMPT, 8, "rank")
    assert left[0] == "cancelled"


async def _drain(pieces: Any) -> None:
    async for _ in pieces:
        pass


async def test_a_request_has_its_time_and_no_more(exaone: Tiny) -> None:
    async with serving(exaone, rows=1, seconds=0.2) as batcher:
        slow = exaone.served.model.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            time.sleep(0.02)
            return slow(*args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exaone.served.model, "forward", forward)
            runs, waits = (asyncio.create_task(answer(batcher, PROMPT, max_tokens=400)) for _ in range(2))
            for each in (runs, waits):
                with pytest.raises(TimedOut):
                    await each
        assert ids(await answer(batcher, PROMPT)) == exaone.generated(PROMPT, 8, None)


@pytest.mark.parametrize(
    ("at", "fault"),
    [
        (1, torch.OutOfMemoryError()),
        (4, torch.OutOfMemoryError()),
        (9, RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    ],
)
async def test_when_memory_runs_out_the_largest_goes_and_the_others_do_not_notice(
    exaone: Tiny, monkeypatch: pytest.MonkeyPatch, at: int, fault: Exception
) -> None:
    """Sampled ones too: what was drawn for the step that failed is drawn for its repetition."""
    calls = 0
    forward = exaone.served.model.forward
    layer = exaone.served.model.model.layers[1]

    def failing(*args: Any, **kwargs: Any) -> Any:
        raise fault

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != at:
            return forward(*args, **kwargs)
        with (
            pytest.MonkeyPatch.context() as patch
        ):  # in the middle: the first layer's keys are stored already
            patch.setattr(layer, "forward", failing)
            return forward(*args, **kwargs)

    asked = [([30] * 40, "reply", 60), ([31] * 20, "rank", 12), ([32] * 9, None, 20)]

    async def all_three(batcher: Batcher) -> list[Any]:
        return await asyncio.gather(
            *(
                answer(batcher, prompt, adapter, max_tokens=count, temperature=0.8, seed=count)
                for prompt, adapter, count in asked
            ),
            return_exceptions=True,
        )

    async with serving(exaone, prefill_tokens=32) as batcher:
        calm = await all_three(batcher)
        monkeypatch.setattr(exaone.served.model, "forward", counted)
        told = await all_three(batcher)
    assert isinstance(told[0], OutOfMemory)
    assert [ids(each) for each in told[1:]] == [ids(each) for each in calm[1:]]


async def test_memory_that_runs_out_when_room_is_made_refuses_the_largest_only(
    exaone: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device has room for 200 columns, whatever the limit says."""
    resized = cache._resized

    def failing(old: torch.Tensor, rows: int, columns: int, filled: Any) -> torch.Tensor:
        if rows * columns > 200 * 2:
            raise torch.OutOfMemoryError
        return resized(old, rows, columns, filled)

    monkeypatch.setattr(cache, "_resized", failing)
    async with serving(exaone) as batcher:
        small = asyncio.create_task(answer(batcher, PROMPT, "rank", max_tokens=90))
        await until(lambda: batcher._stepper is not None and batcher._stepper.running)
        with pytest.raises(OutOfMemory):
            await answer(batcher, [9] * 300)
        fits = await answer(batcher, [9] * 190)
        assert ids(fits) == exaone.generated([9] * 190, 8, None), (
            "room that was taken in advance is given back"
        )
        assert ids(await small) == exaone.generated(PROMPT, 90, "rank")


async def test_memory_that_runs_out_is_given_back(exaone: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or each next step would run out of it as well, until all were refused."""
    forward = exaone.served.model.forward
    stepper: Any = None

    def failing(*args: Any, **kwargs: Any) -> Any:
        if stepper is not None and stepper.cache.bytes > 50 * token_bytes(exaone):
            raise torch.OutOfMemoryError
        return forward(*args, **kwargs)

    async with serving(exaone) as batcher:
        small = asyncio.create_task(answer(batcher, PROMPT, max_tokens=40))
        large = asyncio.create_task(answer(batcher, [9] * 30, max_tokens=400))
        await until(lambda: batcher._stepper is not None and batcher._stepper.running == 2)
        monkeypatch.setattr(exaone.served.model, "forward", failing)
        stepper = batcher._stepper
        with pytest.raises(OutOfMemory):
            await large
        assert ids(await small) == exaone.generated(PROMPT, 40, None)


async def test_a_fault_of_a_step_is_told_to_all_in_it_and_the_next_are_answered(
    exaone: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = exaone.served.model.forward
    failed = False

    async with serving(exaone) as batcher:

        def failing(*args: Any, **kwargs: Any) -> Any:
            nonlocal failed
            if not failed and batcher._stepper is not None and batcher._stepper.running == 2:
                failed = True
                raise RuntimeError("secret")
            return forward(*args, **kwargs)

        monkeypatch.setattr(exaone.served.model, "forward", failing)
        told = await asyncio.gather(
            *(answer(batcher, PROMPT, name, max_tokens=20) for name in ("rank", None)), return_exceptions=True
        )
        assert all(isinstance(each, Failed) and "secret" not in str(each) for each in told)
        assert ids(await answer(batcher, PROMPT)) == exaone.generated(PROMPT, 8, None)


async def test_numbers_that_are_none_end_their_own_request_only(
    exaone: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN left in a row's memory would reach the next one there through its masked columns."""
    forward = exaone.served.model.model.layers[0].mlp.forward

    def poisoned(hidden: torch.Tensor) -> torch.Tensor:
        output = forward(hidden)
        if hidden.shape[1] > 50:
            output[0] = float("nan")
        return output

    async with serving(exaone, rows=1) as batcher:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exaone.served.model.model.layers[0].mlp, "forward", poisoned)
            for _ in range(2):
                with pytest.raises(Failed):
                    await answer(batcher, [9] * 60)
        assert batcher._stepper is not None
        assert not batcher._stepper.prefixes.bytes, "nor may it be kept as a beginning"
        assert ids(await answer(batcher, PROMPT)) == exaone.generated(PROMPT, 8, None)


async def test_even_a_fault_outside_a_step_leaves_nobody_waiting(exaone: Tiny) -> None:
    class Broken(Silent):
        def joined(self, waited: float) -> None:
            raise RuntimeError

        def queued(self, waiting: int) -> None:
            if not waiting:
                raise RuntimeError

    async with serving(exaone, Broken()) as batcher:
        async with asyncio.timeout(20):
            for _ in range(2):
                with pytest.raises(Failed):
                    await answer(batcher, PROMPT)


async def test_a_device_that_is_gone_leaves_nobody_waiting(
    exaone: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letting a row go copied another one, which failed as well: the thread died, and everybody waited for ever."""

    def dead(*_: Any, **__: Any) -> None:
        raise RuntimeError("device-side assert")

    async with serving(exaone) as batcher, asyncio.timeout(20):
        monkeypatch.setattr(cache.KeyValues, "move", dead)
        monkeypatch.setattr(cache.KeyValues, "update", dead)
        told = await asyncio.gather(
            *(answer(batcher, PROMPT, max_tokens=20) for _ in range(5)), return_exceptions=True
        )
        assert all(isinstance(each, Failed) for each in told)


async def test_closing_finishes_what_runs_within_its_grace(exaone: Tiny) -> None:
    async with serving(exaone, rows=1) as batcher:
        tasks = [asyncio.create_task(answer(batcher, PROMPT, max_tokens=20)) for _ in range(3)]
        await asyncio.sleep(0)
        await batcher.close(30)
        for each in tasks:
            assert ids(await each) == exaone.generated(PROMPT, 20, None)
        with pytest.raises(Stopped):
            batcher.submit(PROMPT, GREEDY, None)
        with pytest.raises(Stopped):
            await batcher.between_steps(lambda: None)


async def test_closing_tells_those_whom_its_grace_does_not_reach(exaone: Tiny) -> None:
    async with serving(exaone, rows=1) as batcher:
        tasks = [asyncio.create_task(answer(batcher, [9] * 50, max_tokens=400)) for _ in range(3)]
        await until(lambda: batcher._stepper is not None and batcher._stepper.running)
        await batcher.close(0)
        async with asyncio.timeout(20):
            assert all(
                isinstance(each, Stopped) for each in await asyncio.gather(*tasks, return_exceptions=True)
            )


async def test_adapters_come_and_go_between_steps(exaone: Tiny) -> None:
    adapters = exaone.served
    async with serving(exaone) as batcher:
        base = asyncio.create_task(answer(batcher, PROMPT, max_tokens=100))
        await batcher.between_steps(lambda: adapters.load("guest", str(exaone.adapters["rank"])))
        assert ids(await answer(batcher, PROMPT, "guest")) == exaone.generated(PROMPT, 8, "rank")
        guest = asyncio.create_task(answer(batcher, PROMPT, "guest", max_tokens=400))
        await until(lambda: batcher._stepper is not None and len(batcher._stepper.rows) == 2)
        await batcher.between_steps(lambda: adapters.unload("guest"))
        with pytest.raises(NoAdapter):
            await guest
        with pytest.raises(NoAdapter):
            batcher.submit(PROMPT, GREEDY, "guest")
        with pytest.raises(ZeroDivisionError):
            await batcher.between_steps(lambda: 1 // 0)
        assert ids(await base) == exaone.generated(PROMPT, 100, None)
