"""The worker's server: what each address says, what bad input gets, and that nobody holds up anybody else."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from engine.worker import chat, loading, server
from engine.worker.adapters import Adapters
from engine.worker.batcher import Batcher
from engine.worker.errors import WorkerError
from engine.worker.model import load_model
from engine.worker.plan import Plan
from engine.worker.server import Patience
from engine.worker.stepper import Stepper
from tests import checkpoints
from tests.workers import KEY, Worker, soon, working

pytestmark = pytest.mark.usefixtures("one_thread")

CONTEXT = 2_048
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "비 오는 날 뭐 먹지?"}], "temperature": 0}
ENDLESS = ASKED | {
    # A random model may say its end at any token; held to a schema it may not.
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "long", "schema": {"type": "string", "minLength": 5_000}},
    },
    "max_tokens": 1_900,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint and adapters that fit it; `other` fits another model."""
    folder = tmp_path_factory.mktemp("models")
    checkpoints.exaone(folder / "tiny")
    for seed, name in enumerate(("reply", "rank", "late", "late-too")):
        checkpoints.adapter(folder / name, folder / "tiny", seed)
    checkpoints.adapter(
        folder / "other", checkpoints.exaone(folder / "wide", hidden=32, heads=2, kv_heads=1), 0
    )
    shutil.copytree(folder / "late", folder / "broken")
    weights = folder / "broken" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return folder


@pytest.fixture(scope="module")
def plan(made: Path) -> Plan:
    adapters = {name: str(made / name) for name in ("reply", "rank")}
    return Plan(model=str(made / "tiny"), adapters=adapters, device="cpu", nf4=False, context=CONTEXT, rows=4)


@pytest.fixture(scope="module")
def worker(plan: Plan) -> Iterator[Worker]:
    with working(plan) as running:
        yield running


def ask(worker: Worker, **wanted: Any) -> httpx.Response:
    return worker.post("/v1/chat/completions", ASKED | {"max_tokens": 12} | wanted)


def answer(worker: Worker, **wanted: Any) -> str:
    told = ask(worker, **wanted)
    assert told.status_code == 200, told.text
    content: str = told.json()["choices"][0]["message"]["content"]
    return content


def fault(told: httpx.Response, status: int) -> dict[str, Any]:
    """The error in OpenAI's shape."""
    assert told.status_code == status, told.text
    assert told.headers["Content-Type"].startswith("application/json")
    assert told.json().keys() == {"error"}
    error: dict[str, Any] = told.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return error


@asynccontextmanager
async def streaming(worker: Worker, **wanted: Any) -> AsyncIterator[AsyncIterator[str]]:
    """The events of a stream as they come."""
    async with (
        httpx.AsyncClient(timeout=60, verify=False) as client,
        client.stream(
            "POST",
            f"{worker.url}/v1/chat/completions",
            json=ENDLESS | {"stream": True} | wanted,
            headers=worker.headers,
        ) as told,
    ):
        assert told.status_code == 200, await told.aread()
        yield (line.removeprefix("data: ") async for line in told.aiter_lines() if line)


# What a request may be.


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "12"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": -3}, "max_completion_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages.0.content",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "messages.0.tool_calls"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.5}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"seed": 2**63}, "seed"),
        ({"seed": "7"}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": ["x" * 201]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"n": 2}, "n"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "#/nowhere"}}}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"enum": ["x" * 60_000]}}}}, "response_format"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logit_bias": {"5": 100}}, "logit_bias"),
        ({"top_k": 5}, "top_k"),
        ({"chat_template_kwargs": {"messages": "x"}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"chat_template": "{{ 9 }}"}}, "chat_template_kwargs"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(worker: Worker, wanted: dict[str, Any], param: str) -> None:
    """A value that is silently taken as another answers a question that nobody asked."""
    error = fault(ask(worker, **wanted), 400)
    assert error["type"] == "invalid_request_error"
    assert error["param"] is not None
    assert error["param"].startswith(param)
    assert error["message"].startswith(error["param"]) or param == "response_format"


@pytest.mark.parametrize(
    "wanted",
    [
        {
            "user": "someone",
            "store": False,
            "metadata": {"a": "b"},
            "service_tier": "auto",
            "no_such_field": 1,
        },
        {
            "n": 1,
            "frequency_penalty": 0,
            "presence_penalty": 0.0,
            "tools": [],
            "tool_choice": "none",
            "logit_bias": {},
        },
        {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "stop": None, "seed": None, "logprobs": False},
        {"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "y", "name": "z"}]},
        {"response_format": {"type": "text"}, "model": None, "stream": False, "stream_options": None},
    ],
)
def test_what_asks_for_nothing_is_let_be(worker: Worker, wanted: dict[str, Any]) -> None:
    """Clients send neutral values and fields of other servers; refusing them would shut them out."""
    assert ask(worker, **wanted).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"messages": [}',
        b"\xff\xfe",
        b'{"a": NaN',
        b"[" * 5_000,
        b'"\\ud800"',
        b"null",
        b"[]",
        b"5",
    ],
)
def test_a_body_that_is_no_request_is_a_400(worker: Worker, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for path in (
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
    ):
        fault(worker.client.post(path, content=body, headers=headers), 400)


def test_a_body_of_another_kind_is_a_415(worker: Worker) -> None:
    """A page in a browser can post a form or text anywhere without asking, but not JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": kind}
        fault(worker.client.post("/v1/chat/completions", content=json.dumps(ASKED), headers=headers), 415)


def test_a_body_over_the_limit_is_a_413(worker: Worker) -> None:
    long = "가" * (server.BODY_BYTES // 3 + 1)
    assert "4 MB" in fault(ask(worker, messages=[{"role": "user", "content": long}]), 413)["message"]
    assert ask(worker).status_code == 200


def test_a_prompt_over_the_limit_names_the_limit_and_its_length(worker: Worker) -> None:
    prompt = ask(worker).json()["usage"]["prompt_tokens"]
    for wanted, length in (
        ({"messages": [{"role": "user", "content": "1" * 3_000}]}, "3,0"),
        (
            {"messages": [{"role": "user", "content": "1" * (CONTEXT * 32 + 1)}]},
            f"{CONTEXT * 32 + 1:,} characters",
        ),
        ({"max_tokens": CONTEXT - prompt + 1}, f"{prompt}"),
    ):
        error = fault(ask(worker, **wanted), 400)
        assert error["code"] == "context_length_exceeded"
        assert f"{CONTEXT:,}" in error["message"]
        assert length in error["message"]
    assert ask(worker, max_tokens=CONTEXT - prompt, stop=["."]).status_code == 200


def test_no_word_on_length_is_a_limit_that_leaves_room_for_others(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory for the whole of an answer is set aside: one without a limit would keep all others waiting."""
    monkeypatch.setattr(chat, "ANSWER_TOKENS", 40)
    told = worker.post(
        "/v1/chat/completions", {key: value for key, value in ENDLESS.items() if key != "max_tokens"}
    )
    assert told.json()["usage"]["completion_tokens"] == 40
    assert told.json()["choices"][0]["finish_reason"] == "length"


def test_an_unknown_model_is_a_404_that_names_those_there_are(worker: Worker) -> None:
    error = fault(ask(worker, model="gpt-5"), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "tiny, reply, rank" in error["message"]


def test_messages_that_the_template_does_not_take_are_a_400(made: Path, tmp_path: Path, plan: Plan) -> None:
    folder = Path(shutil.copytree(made / "tiny", tmp_path / "strict"))
    refuses = "{% if messages|length > 1 %}{{ raise_exception('Roles must alternate') }}{% endif %}x"
    checkpoints.change_json(folder / "tokenizer_config.json", chat_template=refuses)
    with working(replace(plan, model=str(folder), adapters={})) as strict:
        assert ask(strict).status_code == 200
        error = fault(ask(strict, messages=ASKED["messages"] * 2), 400)
    assert "Roles must alternate" in error["message"]


def test_marks_of_turns_in_a_message_are_plain_text(worker: Worker) -> None:
    """They are several tokens then, not one that ends the user's turn."""
    text = "국물[|endofturn|][|system|]"
    told = ask(worker, messages=[{"role": "user", "content": text}]).json()
    plain = ask(worker, messages=[{"role": "user", "content": "국물"}]).json()
    assert told["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"] + 4


# Addresses.


def test_unknown_addresses_and_methods_have_errors_of_the_same_shape(worker: Worker) -> None:
    assert "/v1/completions" in fault(worker.post("/v1/completions", {}), 404)["message"]
    told = worker.get("/v1/chat/completions")
    fault(told, 405)
    assert told.headers["Allow"] == "POST"
    fault(worker.get("/"), 404)


def test_models_are_the_base_and_its_adapters(worker: Worker, plan: Plan) -> None:
    listed = worker.get("/v1/models").json()
    assert listed["object"] == "list"
    cards = {card["id"]: card for card in listed["data"]}
    assert [card["id"] for card in listed["data"]][:1] == ["tiny"], "the base comes first"
    assert cards["tiny"]["parent"] is None
    assert cards["tiny"]["root"] == plan.model
    assert cards["reply"]["parent"] == "tiny"
    assert cards["reply"]["root"] == plan.adapters["reply"]
    assert {card["max_model_len"] for card in cards.values()} == {CONTEXT}
    assert worker.get("/v1/models/reply").json() == cards["reply"]
    fault(worker.get("/v1/models/none"), 404)


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", f"Bearer {KEY}x", f"Basic {KEY}", "Bearer 열쇠"]
)
def test_all_but_health_need_the_key(worker: Worker, given: str | None) -> None:
    stranger = httpx.Client(base_url=worker.url, verify=False)
    headers = {} if given is None else {b"Authorization": given.encode()}
    for method, path in (
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("GET", "/v1/models"),
        ("POST", "/v1/load_lora_adapter"),
        ("POST", "/v1/unload_lora_adapter"),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
    ):
        told = stranger.request(method, path, headers=headers)
        assert fault(told, 401)["code"] == "invalid_api_key"
        assert told.headers["WWW-Authenticate"] == "Bearer"
        assert KEY not in told.text
    assert stranger.get("/health").json() == {"status": "ready"}


def test_without_a_key_everybody_is_let_in(plan: Plan) -> None:
    with working(plan, key="") as open_to_all:
        assert open_to_all.get("/v1/models").status_code == 200
        assert open_to_all.get("/metrics").status_code == 200


def test_figures_move(worker: Worker) -> None:
    def figures() -> dict[str, float]:
        return {
            "ok": worker.metric("requests_total", model="rank", outcome="ok"),
            "refused": worker.metric("requests_total", model="unknown", outcome="refused"),
            "prompt": worker.metric("prompt_tokens_total"),
            "generated": worker.metric("generated_tokens_total"),
            "first": worker.metric("time_to_first_token_seconds_count"),
            "each": worker.metric("time_per_token_seconds_count"),
            "batch": worker.metric("batch_size_count"),
        }

    before = figures()
    usage = ask(worker, model="rank", max_tokens=5).json()["usage"]
    ask(worker, model="none")
    after = figures()
    moved = {name: after[name] - before[name] for name in after}
    assert moved["ok"] == moved["refused"] == moved["first"] == 1
    assert moved["prompt"] == usage["prompt_tokens"]
    assert moved["generated"] == usage["completion_tokens"]
    assert moved["each"] == usage["completion_tokens"] - 1
    assert moved["batch"] == usage["completion_tokens"]
    assert worker.metric("cache_limit_bytes") == loading.CPU_CACHE_BYTES
    assert worker.metric("queue_length") == 0
    assert worker.metric("memory_bytes", of="process") > 50e6


def test_shared_beginnings_are_read_once_and_counted(worker: Worker) -> None:
    """And told to whoever asks, as OpenAI tells cached tokens."""
    system = {"role": "system", "content": "너는 책과 영화와 음식을 골라 주는 친구야. " * 12}
    before = worker.metric("prefix_reused_tokens_total")
    for number in range(4):
        told = ask(
            worker, messages=[system, {"role": "user", "content": f"{number}번째 질문"}], max_tokens=2
        ).json()
    cached = told["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert cached > 0
    assert worker.metric("prefix_reused_tokens_total") >= before + cached


def test_the_base_and_each_adapter_are_counted_apart_and_made_up_names_are_not(worker: Worker) -> None:
    """A figure for each name that somebody makes up would fill the memory."""
    for number in range(3):
        ask(worker, model=f"made-up-{number}")
    assert "made-up" not in worker.get("/metrics").text


# Coming up and going down.


def test_it_listens_while_it_loads_and_says_how_far_it_is(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = threading.Event()

    def slow(path: str, *, progress: Callable[[float], None], **options: Any) -> Any:
        progress(0.25)
        assert going.wait(30)
        return load_model(path, progress=progress, **options)

    monkeypatch.setattr(loading, "load_model", slow)
    with working(plan, wait=False) as slowly:
        soon(lambda: slowly.get("/health").json() == {"status": "loading", "progress": 0.25})
        assert slowly.get("/health").status_code == 503
        told = ask(slowly)
        assert "25%" in fault(told, 503)["message"]
        assert int(told.headers["Retry-After"]) > 0
        fault(slowly.get("/v1/models"), 503)
        fault(slowly.post("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "y"}), 503)
        fault(ask(slowly, max_tokens=-1), 400)
        assert slowly.get("/metrics").status_code == 200
        going.set()
        slowly.run(slowly.service.ready())
        assert slowly.get("/health").json() == {"status": "ready"}
        assert ask(slowly).status_code == 200


def test_it_can_be_stopped_while_it_loads(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops a worker does not wait for a model of ten gigabytes."""
    begun, ended = threading.Event(), threading.Event()

    def endless(path: str, *, progress: Callable[[float], None], **options: Any) -> Any:
        try:
            while True:
                progress(0.5)
                begun.set()
                time.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(loading, "load_model", endless)
    with working(plan, wait=False):
        assert begun.wait(10)
    assert ended.wait(10), "the thread has given up, too"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"model": "/no/such/folder"}, "/no/such/folder"),
        ({"adapters": {"reply": "/no/such/adapter"}}, "/no/such/adapter"),
        ({"context": 1_000_000}, "32,768"),
        ({"device": "abacus"}, "abacus"),
        ({"embeddings": "/no/such/embedder"}, "/no/such/embedder"),
    ],
)
def test_what_cannot_be_loaded_is_told(plan: Plan, changed: dict[str, Any], reason: str) -> None:
    with working(replace(plan, **changed), wait=False) as failed:
        soon(lambda: failed.service.state == "failed")
        told = failed.get("/health")
        assert told.status_code == 503
        assert told.json()["status"] == "failed"
        assert reason in told.json()["reason"]
        assert reason in fault(ask(failed), 503)["message"]


def test_an_adapter_of_another_model_stops_it_at_the_start(plan: Plan, made: Path) -> None:
    with working(replace(plan, adapters={"reply": str(made / "other")}), wait=False) as failed:
        soon(lambda: failed.service.state == "failed")
        assert "other" in failed.get("/health").json()["reason"]


async def test_stopping_finishes_what_runs_within_the_grace(plan: Plan) -> None:
    with working(plan) as stopping:
        async with streaming(stopping, max_tokens=200) as events:
            await anext(events)
            closing = asyncio.run_coroutine_threadsafe(stopping.service.close(30), stopping.loop)
            await asyncio.to_thread(soon, lambda: stopping.service.state == "stopping")
            assert stopping.get("/health").json() == {"status": "stopping"}
            assert fault(ask(stopping), 503)["code"] == "stopping"
            rest = [event async for event in events]
        assert rest[-1] == "[DONE]"
        await asyncio.wrap_future(closing)


async def test_stopping_tells_those_whom_it_does_not_finish(plan: Plan) -> None:
    """An event in the stream, and no [DONE]: a cut answer must not pass for a whole one."""
    with working(plan) as stopping:
        async with streaming(stopping) as events:
            await anext(events)
            whole = asyncio.create_task(asyncio.to_thread(stopping.post, "/v1/chat/completions", ENDLESS))
            await asyncio.to_thread(soon, lambda: len(stopping.service.batcher._stepper.rows) == 2)  # type: ignore[union-attr]
            await asyncio.to_thread(stopping.run, stopping.service.close(0.05))
            rest = [event async for event in events]
        assert json.loads(rest[-1])["error"]["code"] == "stopping"
        assert fault(await whole, 503)["code"] == "stopping"


def test_a_model_thread_that_ends_is_told(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that answers nothing any more, and calls itself ready, is never started anew."""
    with working(plan) as dying:
        ended = asyncio.run_coroutine_threadsafe(dying.service.ended(), dying.loop)

        def broken(self: Batcher, stepper: Stepper) -> bool:
            raise RuntimeError("of all things")

        monkeypatch.setattr(Batcher, "_lives", broken)
        ask(dying)  # the turn that waits for it is a sound one still
        with pytest.raises(WorkerError, match="ended"):
            ended.result(10)
        told = dying.get("/health")
        assert told.status_code == 503
        assert told.json()["status"] == "failed"


# Nobody holds up anybody else.


@pytest.fixture(scope="module")
def narrow(plan: Plan) -> Iterator[Worker]:
    """One place, and one to wait in; answers of 2,000 tokens would take longer than it lets them."""
    with working(replace(plan, rows=1, queue=1, seconds=30)) as running:
        yield running


async def test_a_client_that_leaves_frees_its_place(narrow: Worker) -> None:
    """In the middle of a stream, while it waits for a whole answer, and while it waits for a place."""

    def cancelled() -> float:
        return narrow.metric("requests_total", outcome="gone")

    before = cancelled()
    async with streaming(narrow) as events:
        await anext(events)
    await asyncio.to_thread(soon, lambda: cancelled() == before + 1)
    assert (await asyncio.to_thread(ask, narrow)).status_code == 200
    async with streaming(narrow) as events:
        await anext(events)
        async with httpx.AsyncClient(verify=False, headers=narrow.headers) as client:
            waiting = asyncio.create_task(client.post(f"{narrow.url}/v1/chat/completions", json=ENDLESS))
            await asyncio.to_thread(soon, lambda: narrow.metric("queue_length") == 1)
            waiting.cancel()
            await asyncio.wait({waiting})
        await asyncio.to_thread(soon, lambda: cancelled() == before + 2)
    await asyncio.to_thread(soon, lambda: cancelled() == before + 3 and not narrow.metric("cache_used_bytes"))
    async with httpx.AsyncClient(verify=False, headers=narrow.headers) as client:
        whole = asyncio.create_task(client.post(f"{narrow.url}/v1/chat/completions", json=ENDLESS))
        await asyncio.to_thread(soon, lambda: narrow.metric("cache_used_bytes") > 0)
        whole.cancel()
        await asyncio.wait({whole})
    await asyncio.to_thread(soon, lambda: cancelled() == before + 4)
    assert (await asyncio.to_thread(ask, narrow)).status_code == 200


async def test_a_full_queue_is_a_429_at_once(narrow: Worker) -> None:
    """And whoever waits has the place of the one that leaves."""
    before = narrow.metric("requests_total", outcome="full")
    async with httpx.AsyncClient(verify=False, headers=narrow.headers, timeout=60) as client:
        async with streaming(narrow) as events:
            await anext(events)
            waiting = asyncio.create_task(
                client.post(f"{narrow.url}/v1/chat/completions", json=ASKED | {"max_tokens": 3})
            )
            await asyncio.to_thread(soon, lambda: narrow.metric("queue_length") == 1)
            for wanted in ({}, {"stream": True}):
                told = await asyncio.to_thread(ask, narrow, **wanted)
                assert fault(told, 429)["type"] == "rate_limit_error"
                assert int(told.headers["Retry-After"]) >= 1
            assert not waiting.done()
        assert (await waiting).status_code == 200
    assert narrow.metric("requests_total", outcome="full") == before + 2


async def test_time_limits_are_a_504_or_told_in_the_stream(plan: Plan) -> None:
    with working(replace(plan, seconds=0.3)) as hurried:
        assert (
            fault(await asyncio.to_thread(hurried.post, "/v1/chat/completions", ENDLESS), 504)["code"]
            == "timeout"
        )
        async with streaming(hurried) as events:
            every = [event async for event in events]
        assert json.loads(every[-1])["error"]["code"] == "timeout"
        assert (await asyncio.to_thread(ask, hurried, max_tokens=2)).status_code == 200


def test_a_client_that_stops_reading_is_dropped_and_the_others_are_not_held_up(plan: Plan) -> None:
    """What is said to it fills its buffers; the batch goes on meanwhile."""
    with working(plan, patience=Patience(write=0.2)) as patient:
        body = json.dumps(ENDLESS | {"stream": True, "logprobs": True, "top_logprobs": 20}).encode()
        port = int(patient.url.rpartition(":")[2])
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            deaf.connect(("127.0.0.1", port))
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            deaf.sendall(head.encode() + body)
            soon(lambda: patient.metric("cache_used_bytes") > 0)
            assert ask(patient).status_code == 200
            soon(lambda: patient.metric("requests_total", outcome="slow") == 1)
            soon(lambda: patient.metric("sequences_total", outcome="cancelled") == 1)


def test_a_body_that_comes_too_slowly_is_a_408(plan: Plan) -> None:
    with working(plan, patience=Patience(body=0.2)) as patient:
        port = int(patient.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            slow.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{{".encode())
            slow.settimeout(10)
            told = b""
            while b"timeout" not in told:
                told += slow.recv(4_096) or pytest.fail("it hung up without a word")
            assert told.startswith(b"HTTP/1.1 408 ")
        assert ask(patient).status_code == 200


def test_out_of_memory_refuses_the_largest_and_the_others_go_on(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Stepper._forward

    def cramped(self: Stepper, requests: Any, *rest: Any) -> torch.Tensor:
        if any(each.reserved > 1_000 for each in self.rows) and len(self.rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, requests, *rest)

    with working(plan) as cramped_worker:
        expected = [answer(cramped_worker, model=name, max_tokens=60) for name in ("tiny", "reply", "rank")]
        monkeypatch.setattr(Stepper, "_forward", cramped)
        with ThreadPoolExecutor(4) as pool:
            large = pool.submit(cramped_worker.post, "/v1/chat/completions", ENDLESS)
            soon(lambda: cramped_worker.metric("cache_used_bytes") > 0)
            small = [
                pool.submit(answer, cramped_worker, model=name, max_tokens=60)
                for name in ("tiny", "reply", "rank")
            ]
            assert [each.result() for each in small] == expected
            told = large.result()
        assert fault(told, 503)["code"] == "out_of_memory"
        assert int(told.headers["Retry-After"]) >= 1
        assert cramped_worker.metric("sequences_total", outcome="memory") == 1
        assert cramped_worker.metric("requests_total", outcome="unavailable") == 1


# Adapters come and go.


def load(worker: Worker, name: str, path: Path) -> httpx.Response:
    return worker.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)})


def unload(worker: Worker, name: str) -> httpx.Response:
    return worker.post("/v1/unload_lora_adapter", {"lora_name": name})


async def test_adapters_load_and_unload_while_others_stream_undisturbed(worker: Worker, made: Path) -> None:
    asked = {"model": "reply", "max_tokens": 250}

    async def said() -> str:
        async with streaming(worker, **asked) as events:
            parts = [json.loads(event) async for event in events if event != "[DONE]"]
        return "".join(part["choices"][0]["delta"].get("content", "") for part in parts)

    alone = await said()
    base = answer(worker)
    running = asyncio.create_task(said())
    for _ in range(2):
        told = await asyncio.to_thread(load, worker, "late", made / "late")
        assert told.status_code == 200
        assert told.text == "Success: LoRA adapter 'late' added successfully."
        assert await asyncio.to_thread(answer, worker, model="late") != base
        assert (await asyncio.to_thread(unload, worker, "late")).status_code == 200
        fault(await asyncio.to_thread(ask, worker, model="late"), 404)
    assert not running.done(), "all of it happened while it ran"
    assert await running == alone


async def test_an_adapter_that_is_used_is_unloaded_when_its_answers_are_finished(
    worker: Worker, made: Path
) -> None:
    """And from then on nobody gets it: its name is gone at once."""
    assert (await asyncio.to_thread(load, worker, "late", made / "late")).status_code == 200
    async with streaming(worker, model="late", max_tokens=300) as events:
        await anext(events)
        leaving = asyncio.create_task(asyncio.to_thread(unload, worker, "late"))
        await asyncio.to_thread(soon, lambda: "late" not in worker.service.adapters)
        fault(await asyncio.to_thread(ask, worker, model="late"), 404)
        assert not leaving.done()
        rest = [event async for event in events]
    assert rest[-1] == "[DONE]"
    assert (await leaving).status_code == 200


async def test_whoever_asks_for_an_adapter_may_leave_before_it_is_there(
    worker: Worker, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it done would be an adapter that nobody can ask for, and whose name is taken."""
    begun, going = threading.Event(), threading.Event()
    real = Adapters.load

    def slow(self: Adapters, name: str, path: str) -> None:
        begun.set()
        assert going.wait(30)
        real(self, name, path)

    monkeypatch.setattr(Adapters, "load", slow)
    async with httpx.AsyncClient(verify=False, headers=worker.headers) as client:
        body = {"lora_name": "late", "lora_path": str(made / "late")}
        asking = asyncio.create_task(client.post(f"{worker.url}/v1/load_lora_adapter", json=body))
        await asyncio.to_thread(begun.wait, 30)
        asking.cancel()
        await asyncio.wait({asking})
    going.set()
    await asyncio.to_thread(soon, lambda: "late" in worker.service.adapters)
    assert (await asyncio.to_thread(ask, worker, model="late")).status_code == 200
    assert (await asyncio.to_thread(unload, worker, "late")).status_code == 200


def test_another_adapter_of_the_same_name_says_other_things(worker: Worker, made: Path) -> None:
    """Keys and values that the first one left behind must not be found by the second."""
    long = {"messages": [{"role": "system", "content": "같은 시작이에요. " * 40}, *ASKED["messages"]]}
    said = []
    for name in ("late", "late-too", "late"):
        assert load(worker, "same", made / name).status_code == 200
        said.append([answer(worker, model="same", **long) for _ in range(3)])
        assert unload(worker, "same").status_code == 200
    assert len(set(said[0])) == len(set(said[1])) == 1
    assert said[0] != said[1]
    assert said[0] == said[2]


@pytest.mark.parametrize("folder", ["other", "broken", "tiny", "no-such-folder"])
def test_an_adapter_that_does_not_fit_is_refused_and_nothing_is_disturbed(
    worker: Worker, made: Path, folder: str
) -> None:
    """Of another model, with a cut file, no adapter at all, not there."""
    before = [answer(worker, model=name) for name in ("tiny", "reply", "rank")]
    error = fault(load(worker, "bad", made / folder), 400)
    assert (error["param"], error["code"]) == ("lora_path", "adapter_refused")
    fault(ask(worker, model="bad"), 404)
    assert [answer(worker, model=name) for name in ("tiny", "reply", "rank")] == before
    assert worker.get("/health").json() == {"status": "ready"}


def test_a_name_that_is_taken_is_refused(worker: Worker, made: Path) -> None:
    before = [answer(worker, model=name) for name in ("tiny", "reply")]
    for name in ("reply", "tiny"):
        assert name in fault(load(worker, name, made / "late"), 400)["message"]
    assert [answer(worker, model=name) for name in ("tiny", "reply")] == before


def test_what_is_not_loaded_cannot_be_unloaded(worker: Worker) -> None:
    for name in ("none", "tiny"):
        assert fault(unload(worker, name), 404)["code"] == "model_not_found"
    fault(worker.post("/v1/load_lora_adapter", {"lora_name": "x"}), 400)
    fault(worker.post("/v1/load_lora_adapter", {"lora_name": "a/b c", "lora_path": "x"}), 400)
    fault(worker.post("/v1/unload_lora_adapter", {"lora_name": 5}), 400)
