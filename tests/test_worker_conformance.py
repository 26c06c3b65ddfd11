"""The conformance checks against the worker, and against a server shaped like vLLM on the exported checkpoint.

What passes for both is what the bot may rely on; each runs on the same weights, so that a check that only one of
two right servers passes is found to ask too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.llm import LLM
from engine.worker.export import export
from engine.worker.plan import Plan
from tests import checkpoints, vllmish
from tests.conformance import CHECKS, PROMPT, SCHEMA, Check, Endpoint, text_of, whole
from tests.conformance import check as check_schema
from tests.workers import KEY, in_thread, listening, working

pytestmark = pytest.mark.usefixtures("one_thread")

ADAPTERS = ("reply", "rank", "question")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in EXAONE's layout, and three adapters beside it."""
    folder = tmp_path_factory.mktemp("models")
    checkpoints.exaone(folder / "exaone")
    for seed, name in enumerate(ADAPTERS):
        checkpoints.adapter(folder / name, folder / "exaone", seed)
    return folder


@pytest.fixture(scope="module")
def worker(made: Path) -> Iterator[Endpoint]:
    plan = Plan(
        model=str(made / "exaone"),
        adapters={name: str(made / name) for name in ADAPTERS},
        device="cpu",
        nf4=False,
        context=vllmish.CONTEXT,
    )
    with working(plan) as running:
        yield Endpoint(f"{running.url}/v1", "exaone", ADAPTERS, KEY)


@pytest.fixture(scope="module")
def vllm(made: Path) -> Iterator[Endpoint]:
    export(str(made / "exaone"), str(made / "llama"))
    model = vllmish.Model(made / "llama", {name: made / name for name in ADAPTERS})
    with in_thread(lambda: listening(vllmish.Server(model, "exaone", KEY).app)) as (url, _):
        yield Endpoint(f"{url}/v1", "exaone", ADAPTERS, KEY)


@pytest.mark.parametrize("check", CHECKS)
async def test_the_worker(worker: Endpoint, check: Check) -> None:
    await check(worker)


@pytest.mark.parametrize("check", CHECKS)
async def test_a_server_shaped_like_vllm(vllm: Endpoint, check: Check) -> None:
    await check(vllm)


async def test_both_say_the_same_of_the_same_adapters(worker: Endpoint, vllm: Endpoint) -> None:
    """Adapters trained on one are those of the other: text, tokens and log-probabilities agree, model by model."""
    said = {}
    for endpoint in (worker, vllm):
        async with endpoint.client() as client:
            for name in endpoint.names:
                answer = await whole(
                    client, name, f"{PROMPT} 왜?", max_tokens=12, logprobs=True, top_logprobs=3
                )
                logprobs = answer.choices[0].logprobs
                assert logprobs is not None
                assert logprobs.content is not None
                assert answer.usage is not None
                scores = [each.logprob for token in logprobs.content for each in token.top_logprobs]
                said[endpoint.url, name] = text_of(answer), answer.usage.prompt_tokens, scores
    for name in worker.names:
        one, other = said[worker.url, name], said[vllm.url, name]
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], abs=1e-3)


@pytest.mark.parametrize("served", ["worker", "vllm"])
async def test_the_bots_own_client_gets_all_that_it_asks_for(
    served: str, request: pytest.FixtureRequest
) -> None:
    """Text, a stream, JSON and letters, each from an adapter."""
    endpoint: Endpoint = request.getfixturevalue(served)
    asked = [{"role": "user", "content": PROMPT}]
    llm = LLM(endpoint.url, endpoint.key)
    try:
        told = await llm.text(asked, adapter="reply", max_tokens=8, budget=30, temperature=0)
        parts = [
            part
            async for part in llm.stream(
                asked, adapter="reply", max_tokens=8, budget_first=30, budget_all=30, temperature=0
            )
        ]
        made = await llm.json(asked, SCHEMA, adapter="question", max_tokens=200, budget=30)
        letters = await llm.letters(asked, "ABCD", adapter="rank", budget=30)
        assert llm.models == endpoint.names
        assert "".join(parts).strip() == told.text.strip() != ""
        check_schema(made)
        assert letters.completion_tokens == 1
        assert llm.counts["garbage"] == 0
    finally:
        await llm.close()
