"""Vectors by a sentence-transformers model, over HTTP: OpenAI's shapes, its limits, and many askers at once."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from engine.worker import embeddings
from engine.worker.embeddings import Embeddings, EmbeddingsError
from engine.worker.plan import Plan
from engine.worker.refusals import Full, Stopped
from tests import checkpoints
from tests.workers import KEY, Worker, soon, working

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 32
TOKENS = 64
TEXTS = ["비 오는 날", "a quiet novel", "뜨끈한 국물이 먹고 싶은 저녁", "👩‍🍳"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random sentence-transformers model of two layers."""
    folder = tmp_path_factory.mktemp("embedder")
    torch.manual_seed(0)
    made = checkpoints.tokenizer(640)
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", model_max_length=TOKENS
    ).save_pretrained(folder / "bert")
    config = BertConfig(
        vocab_size=made.get_vocab_size(), hidden_size=SIZE, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=TOKENS, initializer_range=0.5,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder / "bert")
    words = Transformer(str(folder / "bert"), max_seq_length=TOKENS)
    SentenceTransformer(modules=[words, Pooling(SIZE)], device="cpu").save(str(folder / "tiny-embedder"))
    return folder / "tiny-embedder"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Plan:
    folder = checkpoints.exaone(tmp_path_factory.mktemp("models") / "tiny")
    return Plan(model=str(folder), device="cpu", nf4=False, embeddings=str(model))


@pytest.fixture(scope="module")
def worker(plan: Plan) -> Iterator[Worker]:
    with working(plan) as running:
        yield running


def ask(worker: Worker, **wanted: Any) -> httpx.Response:
    return worker.post("/v1/embeddings", {"model": "tiny-embedder", "input": TEXTS} | wanted)


def vectors(told: httpx.Response) -> np.ndarray[Any, Any]:
    assert told.status_code == 200, told.text
    data = told.json()["data"]
    assert [each["index"] for each in data] == list(range(len(data)))
    return np.array([each["embedding"] for each in data], np.float32)


def test_vectors_are_those_of_the_model_and_of_length_one(worker: Worker, model: Path) -> None:
    told = ask(worker)
    expected = SentenceTransformer(str(model), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert vectors(told) == pytest.approx(expected, abs=1e-5)
    assert np.linalg.norm(vectors(told), axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    body = told.json()
    assert (body["object"], body["model"]) == ("list", "tiny-embedder")
    assert {each["object"] for each in body["data"]} == {"embedding"}
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > len(TEXTS)
    assert "completion_tokens" not in body["usage"]


def test_one_text_is_a_list_of_one(worker: Worker) -> None:
    assert vectors(ask(worker, input=TEXTS[2])) == pytest.approx(vectors(ask(worker))[2:3], abs=1e-5)


def test_base64_holds_the_same_numbers(worker: Worker) -> None:
    told = ask(worker, encoding_format="base64").json()["data"]
    decoded = np.array([np.frombuffer(base64.b64decode(each["embedding"]), "<f4") for each in told])
    assert decoded == pytest.approx(vectors(ask(worker)), abs=1e-6)


async def test_the_openai_client_reads_them(worker: Worker) -> None:
    """It asks for base64 unasked."""
    async with AsyncOpenAI(
        base_url=f"{worker.url}/v1",
        api_key=KEY,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(verify=False),
    ) as client:
        told = await client.embeddings.create(model="tiny-embedder", input=TEXTS)
    assert np.array([each.embedding for each in told.data]) == pytest.approx(vectors(ask(worker)), abs=1e-6)
    assert told.usage.prompt_tokens > 0


def test_fewer_dimensions_are_the_first_ones_at_length_one(worker: Worker) -> None:
    cut = vectors(ask(worker, dimensions=8))
    assert cut.shape == (len(TEXTS), 8)
    whole = vectors(ask(worker))[:, :8]
    assert cut == pytest.approx(whole / np.linalg.norm(whole, axis=1, keepdims=True), abs=1e-5)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"input": []}, "texts can be given"),
        ({"input": [""]}, "empty"),
        ({"input": ["a", "  "]}, "empty"),
        ({"input": ["a"] * 2_049}, "2,048"),
        ({"input": [1, 2, 3]}, "token ids"),
        ({"input": [[1, 2], [3]]}, "token ids"),
        ({"input": 5}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": ["짧다", "길" * 500]}, "input.1 has more than 64 tokens"),
        ({"input": "길" * 100_000}, "input.0 has more than 64 tokens"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": SIZE + 1}, f"{SIZE} dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(worker: Worker, wanted: dict[str, Any], said: str) -> None:
    """A long text that is cut without a word has the vector of another text."""
    told = ask(worker, **wanted)
    assert told.status_code == 400
    assert said in told.json()["error"]["message"]


def test_only_its_own_name_makes_vectors(worker: Worker) -> None:
    assert ask(worker, model=None).status_code == 200
    for name in ("tiny", "text-embedding-3-small"):
        told = ask(worker, model=name)
        assert told.status_code == 404
        assert told.json()["error"]["code"] == "model_not_found"
        assert "tiny-embedder" in told.json()["error"]["message"]


def test_it_is_listed_behind_those_that_chat(worker: Worker) -> None:
    """The bot takes the first that is listed where none is named."""
    listed = worker.get("/v1/models").json()["data"]
    assert [each["id"] for each in listed] == ["tiny", "tiny-embedder"]
    assert listed[1]["max_model_len"] == TOKENS
    told = worker.post(
        "/v1/chat/completions", {"model": "tiny-embedder", "messages": [{"role": "user", "content": "x"}]}
    )
    assert told.status_code == 404


def test_without_a_model_of_embeddings_it_says_how_to_have_one(plan: Plan) -> None:
    with working(Plan(model=plan.model, device="cpu", nf4=False)) as plain:
        told = ask(plain)
    assert told.status_code == 404
    assert "--embeddings" in told.json()["error"]["message"]


def test_figures_move(worker: Worker) -> None:
    before = worker.metric("embedded_texts_total"), worker.metric("embedded_tokens_total")
    tokens = ask(worker).json()["usage"]["prompt_tokens"]
    assert worker.metric("embedded_texts_total") == before[0] + len(TEXTS)
    assert worker.metric("embedded_tokens_total") == before[1] + tokens


@pytest.fixture
def embedder(model: Path) -> Iterator[Embeddings]:
    made = Embeddings(str(model), "cpu")
    yield made
    made.close()


async def test_what_waits_together_is_embedded_together_each_getting_its_own(
    embedder: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [(await embedder.encode([text]))[0][0] for text in TEXTS]
    passes: list[int] = []
    forward = Embeddings._forward

    def counted(self: Embeddings, texts: list[str]) -> embeddings.Vectors:
        passes.append(len(texts))
        return forward(self, texts)

    monkeypatch.setattr(Embeddings, "_forward", counted)
    asked = [embedder.encode([text]) for text in TEXTS * 5]
    together = await asyncio.gather(*asked)
    assert [vector[0] for vector, _ in together] == [pytest.approx(each, abs=1e-5) for each in alone * 5]
    assert len(passes) <= 2
    assert sum(passes) == len(asked)


async def test_one_that_fails_does_not_spoil_the_others(
    embedder: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a text that is too long, nor one at which the device's memory runs out."""
    forward = Embeddings._forward

    def cramped(self: Embeddings, texts: list[str]) -> embeddings.Vectors:
        if len(texts) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, texts)

    monkeypatch.setattr(Embeddings, "_forward", cramped)
    told = await asyncio.gather(
        embedder.encode(["a"]),
        embedder.encode(["길" * 500]),
        embedder.encode(["b"] * 4),
        embedder.encode(["c"]),
        return_exceptions=True,
    )
    assert isinstance(told[1], EmbeddingsError)
    assert "out of memory" in str(told[2])
    for place in (0, 3):
        assert not isinstance(told[place], BaseException)


async def test_whoever_leaves_is_not_embedded_and_whoever_waits_is_told_the_end(
    embedder: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, embedded = threading.Event(), []

    def held(self: Embeddings, texts: list[str]) -> embeddings.Vectors:
        embedded.extend(texts)
        assert going.wait(30)
        return np.zeros((len(texts), SIZE), np.float32)

    monkeypatch.setattr(Embeddings, "_forward", held)
    first = asyncio.create_task(embedder.encode(["first"]))
    await asyncio.to_thread(soon, lambda: bool(embedded))
    left, stays = [asyncio.create_task(embedder.encode([name])) for name in ("left", "stays")]
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait({left})
    with pytest.raises(Full):
        await embedder.encode(["x"] * embeddings.WAITING)
    going.set()
    await first
    await stays
    assert embedded == ["first", "stays"]
    going.clear()
    late = asyncio.create_task(embedder.encode(["late"]))
    await asyncio.to_thread(soon, lambda: "late" in embedded)
    embedder.close()
    going.set()
    with pytest.raises(Stopped):
        await late
    with pytest.raises(Stopped):
        await embedder.encode(["later"])
