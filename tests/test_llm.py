"""The worker's client, over real HTTP: what it makes of answers, and of everything that is none."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import util
from typing import Any

import pytest

from engine import llm as module
from engine.address import is_own
from engine.breaker import Breaker
from engine.completion import Unavailable, tally
from engine.errors import EngineError
from engine.llm import LLM
from tests.openais import Answer, OpenAIs, nowhere, refusal, serving

ASKED = [{"role": "system", "content": "짧게."}, {"role": "user", "content": "비밀 이야기"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
LONG = 20.0
"""Seconds that nothing here takes."""


@pytest.fixture
async def server() -> AsyncIterator[OpenAIs]:
    async with serving() as made:
        yield made


@asynccontextmanager
async def client(url: str, *args: str, pause: float = 0.005, failures: int = 3) -> AsyncIterator[LLM]:
    made = LLM(url, *args, breaker=Breaker(first=pause, longest=pause, failures=failures))
    try:
        yield made
    finally:
        await made.close()


def say(llm: LLM, adapter: str | None = "reply", **more: Any) -> Awaitable[Any]:
    return llm.text(ASKED, **({"adapter": adapter, "max_tokens": 20, "budget": LONG} | more))


async def streamed(llm: LLM, budget_first: float = LONG, budget_all: float = LONG) -> list[str]:
    stream = llm.stream(
        ASKED, adapter="reply", max_tokens=20, budget_first=budget_first, budget_all=budget_all
    )
    async with stream as pieces:
        return [piece async for piece in pieces]


async def kind_of(call: Awaitable[Any]) -> str:
    with pytest.raises(Unavailable) as raised:
        await call
    return raised.value.kind


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not condition():  # noqa: ASYNC110 (a server has no event for what it heard)
            await asyncio.sleep(0.002)


async def test_an_answer_comes_with_its_adapter_and_what_it_cost(server: OpenAIs) -> None:
    server.say(Answer("비 오는 날엔 이 책이죠.", usage=(42, 7)))
    async with client(server.url, "sk-1") as llm:
        found = await say(llm, stop=("\n",), seed=5, temperature=0.3)
        assert (found.text, found.model, found.adapter, found.finish) == (
            "비 오는 날엔 이 책이죠.", "reply", "reply", "stop",
        )  # fmt: skip
        assert (found.prompt_tokens, found.completion_tokens) == (42, 7)
        assert server.asked == [
            {"model": "reply", "messages": ASKED, "max_tokens": 20, "temperature": 0.3, "stop": ["\n"], "seed": 5}
        ]  # fmt: skip
        assert set(server.keys) == {"Bearer sk-1"}
        assert llm.counts == {"calls": 1, "probes": 1, "prompt_tokens": 42, "completion_tokens": 7}


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
async def test_the_address_may_say_v1_or_not(server: OpenAIs, end: str) -> None:
    async with client(server.url + end) as llm:
        assert (await say(llm)).text == "네."


@pytest.mark.parametrize(
    ("models", "named", "asked"),
    [(("base", "reply"), "", "reply"), (("base", "rank"), "", "base"), (("rank", "exaone"), "", "exaone"),
     (("rank",), "", "rank"), ((), "", "default"), (("base",), "other", "other"), (("reply",), "other", "reply")],
)  # fmt: skip
async def test_an_adapter_that_is_not_served_gives_way_to_the_base(
    server: OpenAIs, models: tuple[str, ...], named: str, asked: str
) -> None:
    """Keeps away a bot that is silent with Ollama, which serves the base model alone."""
    server.models = models
    async with client(server.url, "", named) as llm:
        found = await say(llm)
        assert server.asked[0]["model"] == found.model == asked
        assert found.adapter == (asked if asked in ("reply", "rank") else None)
        assert llm.serves("reply") == ("reply" in models)


async def test_a_server_without_a_list_of_models_is_asked_all_the_same(server: OpenAIs) -> None:
    server.models = refusal(404)
    async with client(server.url, "", "mine") as llm:
        assert (await say(llm)).model == "mine"


async def test_a_stream_comes_in_pieces_and_tells_its_cost_afterwards(server: OpenAIs) -> None:
    server.say(Answer(["비 오는", " 날엔", " 이 책."], usage=(9, 4), finish="length"))
    async with client(server.url) as llm:
        stream = llm.stream(ASKED, adapter="reply", max_tokens=3, budget_first=LONG, budget_all=LONG)
        assert [piece async for piece in stream] == ["비 오는", " 날엔", " 이 책."]
        whole = stream.completion
        assert whole is not None
        assert (whole.text, whole.finish, whole.prompt_tokens) == ("비 오는 날엔 이 책.", "length", 9)
        assert server.asked[0]["stream"] is True


async def test_a_stream_as_llama_cpp_and_ollama_send_it_is_read(server: OpenAIs) -> None:
    """They begin with a role and no words, may send empty choices, and tell the cost with the last words or never."""
    events = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]},
        {"choices": []},
        {"choices": [{"index": 0, "delta": {"content": "비"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}, "timings": {"prompt_n": 5}},
    ]  # fmt: skip
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events) + b"data: [DONE]\n\n"
    server.say(Answer(body=body, headers={"Content-Type": "text/event-stream"}))
    async with client(server.url) as llm:
        stream = llm.stream(ASKED, adapter="reply", max_tokens=3, budget_first=LONG, budget_all=LONG)
        assert [piece async for piece in stream] == ["비"]
        assert stream.completion is not None
        assert (stream.completion.finish, stream.completion.prompt_tokens) == ("stop", 5)


async def test_the_first_words_are_shown_before_the_last_are_written(server: OpenAIs) -> None:
    hold = asyncio.Event()
    server.say(Answer(["하나", "둘"], hold=hold, held=1))
    async with client(server.url) as llm:
        stream = llm.stream(ASKED, adapter="reply", max_tokens=3, budget_first=LONG, budget_all=LONG)
        assert await anext(stream) == "하나"
        assert stream.completion is None
        hold.set()
        assert await anext(stream) == "둘"
        await stream.aclose()


async def test_whoever_reads_no_further_frees_the_place(server: OpenAIs) -> None:
    """Keeps away a worker that writes on for people who have asked for something else."""
    server.say(Answer(["하나", "둘"], hold=asyncio.Event(), held=1), Answer(hold=asyncio.Event()))
    async with client(server.url) as llm:
        async with llm.stream(
            ASKED, adapter="reply", max_tokens=3, budget_first=LONG, budget_all=LONG
        ) as stream:
            await anext(stream)
        await until(lambda: server.left == 1)
        asking = asyncio.ensure_future(say(llm))
        await until(lambda: len(server.asked) == 2)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: server.left == 2)
        assert llm.available
        assert not {"slow", "cut", "garbage"} & set(llm.counts)


async def test_cancelling_the_reader_of_a_stream_closes_it(server: OpenAIs) -> None:
    server.say(Answer(["하나", "둘"], hold=asyncio.Event()))
    async with client(server.url) as llm:
        reading = asyncio.ensure_future(streamed(llm))
        await until(lambda: len(server.asked) == 1)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await until(lambda: server.left == 1)
        assert llm.available


GARBAGE: Mapping[str, Answer] = {
    "html": Answer(body=b"<html>nginx</html>", headers={"Content-Type": "text/html"}),
    "half": Answer(body=b'{"choices": [{"mess'),
    "null": Answer(body=b"null"),
    "list": Answer(body=b"[]"),
    "no choices": Answer(body={"choices": []}),
    "choices of words": Answer(body={"choices": ["x"]}),
    "no message": Answer(body={"choices": [{"index": 0}]}),
    "a number for text": Answer(body={"choices": [{"message": {"content": 5}}]}),
    "thoughts": Answer("<think>He wants"),
    "bytes": Answer(body=b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_no_answer(server: OpenAIs, name: str) -> None:
    server.say(GARBAGE[name])
    async with client(server.url) as llm:
        assert await kind_of(say(llm)) == "garbage"
        assert llm.counts["garbage"] == 1
        assert (await say(llm)).text == "네."  # one alone keeps nobody away


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(refusal(500), "status"), (refusal(429), "status"), (refusal(404), "status"), (refusal(400, "too long"), "status"),
     (refusal(401), "status"), (Answer(cut=0), "cut"), (Answer(status=302, headers={"Location": "/x"}), "status")],
)  # fmt: skip
async def test_a_failure_has_a_name(server: OpenAIs, answer: Answer, kind: str) -> None:
    server.say(answer)
    async with client(server.url) as llm:
        assert await kind_of(say(llm)) == kind
        assert llm.counts[kind] == 1
        assert llm.available
        assert (await say(llm)).text == "네."


@pytest.mark.parametrize(
    "answer",
    [Answer(["하나", "둘"], cut=1), Answer(["하나"], finish=None), Answer(["하나"], cut=1),
     Answer(["하나"], cut=0), Answer(body=b"data: {\"error\": {\"message\": \"out of memory\"}}\n\n",
                                    headers={"Content-Type": "text/event-stream"})],
)  # fmt: skip
async def test_a_stream_that_breaks_off_says_so(server: OpenAIs, answer: Answer) -> None:
    """Keeps away half a reason shown as a whole one."""
    server.say(answer)
    async with client(server.url) as llm:
        assert await kind_of(streamed(llm)) == "cut"
        assert await streamed(llm) == ["네."]


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [(["<", "b>"], "<b>"), ([" ", "<thi", "s>"], " <this>"), (["<thin"], "<thin"), (["", "네"], "네"), ([], "")],
)  # fmt: skip
async def test_what_only_begins_like_a_thought_is_shown(
    server: OpenAIs, pieces: list[str], shown: str
) -> None:
    server.say(Answer(pieces))
    async with client(server.url) as llm:
        assert "".join(await streamed(llm)) == shown


async def test_thoughts_are_never_shown(server: OpenAIs) -> None:
    server.say(Answer(["\n<th", "ink>", "He is sad"]))
    async with client(server.url) as llm:
        assert await kind_of(streamed(llm)) == "garbage"


@pytest.mark.parametrize("body", [b"data: {\n\n", b"data: [1]\n\n", b'data: {"choices": 3}\n\n', b"x" * 99])
async def test_a_stream_of_garbage_is_no_answer(server: OpenAIs, body: bytes) -> None:
    server.say(Answer(body=body, headers={"Content-Type": "text/event-stream"}))
    async with client(server.url) as llm:
        assert await kind_of(streamed(llm)) in ("garbage", "cut")


async def test_a_slow_answer_is_not_waited_for(server: OpenAIs) -> None:
    server.otherwise = Answer(hold=asyncio.Event())
    async with client(server.url, pause=LONG) as llm:
        await llm.ready()
        assert await kind_of(say(llm, budget=0.01)) == "slow"
        assert await kind_of(streamed(llm, budget_first=0.01)) == "slow"
        assert llm.available
        assert await kind_of(say(llm, budget=0.01)) == "slow"
        assert not llm.available  # the third in a row
        await until(lambda: server.left == len(server.asked))


async def test_a_stream_that_dawdles_ends_and_is_no_outage(server: OpenAIs) -> None:
    server.otherwise = Answer(["하나", "둘"], hold=asyncio.Event(), held=1)
    async with client(server.url, failures=1) as llm:
        await llm.ready()
        stream = llm.stream(ASKED, adapter="reply", max_tokens=3, budget_first=LONG, budget_all=0.05)
        assert await anext(stream) == "하나"
        assert await kind_of(anext(stream)) == "slow"
        assert llm.available
        assert [piece async for piece in stream] == []


async def test_nobody_there_is_found_out_once_and_costs_nothing_afterwards() -> None:
    async with client(nowhere(), pause=LONG) as llm:
        assert llm.available
        assert await kind_of(say(llm)) == "refused"
        assert not llm.available
        asked = llm.counts["calls"], llm.counts["probes"]
        for call in (say(llm), streamed(llm), llm.letters(ASKED, "AB", adapter="rank", budget=LONG)):
            assert await kind_of(call) == "open"
        assert (llm.counts["calls"], llm.counts["probes"]) == asked
        assert llm.counts["open"] == 3


async def test_a_worker_that_goes_down_is_asked_no_more_and_one_that_comes_back_is(server: OpenAIs) -> None:
    """Keeps away turns that each pay for the same outage."""
    async with client(server.url) as llm:
        await llm.ready()
        server.models = refusal(503)
        server.say(*[refusal(500)] * 3)
        for _ in range(3):
            assert await kind_of(say(llm)) == "status"
        assert not llm.available
        asked = len(server.asked)
        await until(lambda: llm.counts["probes"] >= 4)
        assert not llm.available
        server.models = ("base", "rank")
        await until(lambda: llm.available)
        assert len(server.asked) == asked  # only the list of models was asked for
        assert (await say(llm)).model == "base"  # and what is served now was learnt


async def test_a_refused_connection_opens_at_once(server: OpenAIs) -> None:
    async with client(nowhere(), pause=LONG, failures=9) as llm:
        assert not await llm.ready()
        assert not llm.available


async def test_an_address_that_swallows_everything_is_given_up_within_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A listener whose queue is full answers no handshake, as a firewall that drops packets does."""
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.02)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        crowd = [socket.socket() for _ in range(4)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(address)
        async with client(f"http://127.0.0.1:{address[1]}", pause=LONG) as llm:
            assert await kind_of(say(llm)) == "refused"
            assert not llm.available
        for each in crowd:
            each.close()


async def test_a_busy_worker_is_left_alone_for_as_long_as_it_asks(server: OpenAIs) -> None:
    now = [0.0]
    breaker = Breaker(failures=3, first=LONG, clock=lambda: now[0])
    llm = LLM(server.url, breaker=breaker)
    server.say(refusal(429, Retry_After="4"))
    assert await kind_of(say(llm)) == "status"
    assert not llm.available
    now[0] = 3.9
    assert await kind_of(say(llm)) == "open"
    now[0] = 4.0
    assert (await say(llm)).text == "네."
    server.say(refusal(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"))
    assert await kind_of(say(llm)) == "status"
    assert llm.available
    await llm.close()


async def test_prompts_that_are_too_long_are_no_outage(server: OpenAIs) -> None:
    server.otherwise = refusal(400, "This model's maximum context length is 4096 tokens")
    async with client(server.url, failures=1) as llm:
        assert await kind_of(say(llm)) == "status"
        assert llm.available
        assert llm.can("letters")
        assert llm.can("json")


async def test_an_adapter_that_was_unloaded_is_noticed(server: OpenAIs) -> None:
    async with client(server.url) as llm:
        await llm.ready()
        server.models = ("base",)
        server.say(refusal(404, "The model `reply` does not exist."))
        assert await kind_of(say(llm)) == "status"
        await until(lambda: not llm.serves("reply"))
        assert (await say(llm)).model == "base"


async def test_letters_come_with_their_log_probabilities(server: OpenAIs) -> None:
    server.say(Answer(letters={"B": -0.5, " A": -1.5, "나": -3.0}, usage=(300, 1)))
    async with client(server.url) as llm:
        found = await llm.letters(ASKED, "ABC", adapter="rank", budget=LONG)
        assert found.logprobs == {"B": -0.5, "A": -1.5}
        assert (found.model, found.adapter, found.prompt_tokens) == ("rank", "rank", 300)
        asked = server.asked[0]
        assert (asked["max_tokens"], asked["logprobs"], asked["top_logprobs"]) == (1, True, 20)
        assert "stream" not in asked


OLD_LLAMA = {"choices": [{"message": {"content": "B"}}], "completion_probabilities": [
    {"content": "B", "probs": [{"tok_str": "B", "prob": 0.5}, {"tok_str": "A", "prob": 0.25}, {"tok_str": "C", "prob": 0}]}]}  # fmt: skip
LLAMA = {"choices": [{"message": {"content": "B"}}], "completion_probabilities": [
    {"token": "B", "logprob": -0.6931471805599453, "top_logprobs": [{"token": "B", "logprob": -0.6931471805599453}, {"token": "A", "logprob": -1.3862943611198906}]}]}  # fmt: skip


@pytest.mark.parametrize("body", [OLD_LLAMA, LLAMA])
async def test_llama_cpps_own_way_is_read(server: OpenAIs, body: Any) -> None:
    server.say(Answer(body=body))
    async with client(server.url) as llm:
        found = await llm.letters(ASKED, "ABC", adapter="rank", budget=LONG)
        assert found.logprobs == pytest.approx({"B": -0.6931471805599453, "A": -1.3862943611198906})


@pytest.mark.parametrize("answer", [Answer("B"), refusal(400, "logprobs is not supported")])
async def test_a_server_without_log_probabilities_is_not_asked_for_them_again(
    server: OpenAIs, answer: Answer
) -> None:
    server.otherwise = answer
    async with client(server.url, failures=1) as llm:
        assert await kind_of(llm.letters(ASKED, "AB", adapter="rank", budget=LONG)) in ("lacking", "status")
        assert not llm.can("letters")
        assert await kind_of(llm.letters(ASKED, "AB", adapter="rank", budget=LONG)) == "lacking"
        assert len(server.asked) == 1
        assert llm.available
        assert llm.can("json")


async def test_an_object_is_made_by_a_schema(server: OpenAIs) -> None:
    server.say(Answer('{"a": 1}'))
    async with client(server.url) as llm:
        assert await llm.json(ASKED, SCHEMA, adapter=None, max_tokens=9, budget=LONG) == {"a": 1}
        asked = server.asked[0]
        assert asked["response_format"]["json_schema"]["schema"] == SCHEMA
        assert asked["model"] == "base"


@pytest.mark.parametrize(
    "text", ["Sure! {}", "[]", "{", "", "1", '{"a":' * 9_000, "[" * 90_000, "x" * 200_000]
)
async def test_a_server_that_keeps_no_schema_is_soon_not_asked_again(server: OpenAIs, text: str) -> None:
    """And is no outage: it writes well enough."""
    server.otherwise = Answer(text)
    async with client(server.url, failures=2) as llm:
        for _ in range(3):
            call = llm.json(ASKED, SCHEMA, adapter=None, max_tokens=9, budget=LONG)
            assert await kind_of(call) == "garbage"
        assert not llm.can("json")
        assert llm.available


async def test_a_server_too_slow_to_keep_a_schema_is_left_alone_with_it_for_a_while(
    server: OpenAIs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps away every turn's second for an answer that never comes in time on a small machine."""
    async with client(server.url, failures=9) as llm:
        await llm.ready()
        server.otherwise = Answer(hold=asyncio.Event())
        for _ in range(3):
            call = llm.json(ASKED, SCHEMA, adapter=None, max_tokens=9, budget=0.01)
            assert await kind_of(call) == "slow"
        assert not llm.can("json")
        later = time.monotonic() + module.REST_SECONDS
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert llm.can("json")


async def test_a_server_that_refuses_a_schema_is_not_asked_again(server: OpenAIs) -> None:
    server.say(refusal(400, "response_format is not supported"))
    async with client(server.url, failures=1) as llm:
        assert await kind_of(llm.json(ASKED, SCHEMA, adapter=None, max_tokens=9, budget=LONG)) == "status"
        assert not llm.can("json")
        assert llm.available


async def test_a_server_that_tells_no_cost_of_a_stream_streams_all_the_same(server: OpenAIs) -> None:
    server.say(refusal(400, "stream_options: unknown field"))
    async with client(server.url) as llm:
        assert await kind_of(streamed(llm)) == "status"
        assert await streamed(llm) == ["네."]
        assert "stream_options" not in server.asked[1]


async def test_what_is_told_and_the_key_reach_no_log_and_no_error(
    server: OpenAIs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.say(
        refusal(401, "Incorrect API key provided: sk-hunter2; you said 비밀 이야기"), Answer(cut=0), Answer(body=b"<")
    )  # fmt: skip
    url = server.url.replace("://", "://me:pa55word@")
    async with client(url, "sk-hunter2", failures=9) as llm:
        for _ in range(4):
            try:
                await say(llm)
            except Unavailable as failure:
                chain = [
                    failure,
                    failure.__cause__,
                    None if failure.__suppress_context__ else failure.__context__,
                ]
                assert not any(word in str(each) for each in chain for word in ("hunter2", "비밀", "pa55", "127."))  # fmt: skip
    told = "\n".join(record.getMessage() for record in caplog.records if record.name != "asyncio")
    assert not any(word in told for word in ("hunter2", "비밀", "pa55word"))
    assert "refused to answer" in told


async def test_nothing_is_told_to_where_an_answer_points(server: OpenAIs) -> None:
    """Keeps away a worker of one's own that hands everything on by a redirect."""
    async with serving() as other:
        server.otherwise = Answer(status=307, headers={"Location": f"{other.url}/v1/chat/completions"})
        async with client(server.url) as llm:
            assert await kind_of(say(llm)) == "status"
        assert other.asked == []


async def test_no_proxy_stands_before_a_machine_of_ones_own(
    server: OpenAIs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, nowhere())
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with client(server.url) as llm:
        assert (await say(llm)).text == "네."


async def test_closing_ends_what_runs_beside() -> None:
    llm = LLM(nowhere(), breaker=Breaker(first=LONG))
    assert not await llm.ready()
    await llm.close()
    assert all(task.done() for task in llm._tasks.values())
    unused = LLM(nowhere())
    await unused.close()


def test_a_missing_package_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "openai" else util.find_spec(name))
    with pytest.raises(EngineError, match=r"pip install 'oneulmwo\[llm\]'"):
        LLM("http://127.0.0.1:1")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8000", "http://localhost:8000/v1", "http://10.1.2.3", "http://192.168.0.9:1", "http://[::1]:80",
     "http://[fd00::1]", "http://worker:8000", "http://gpu.local", "http://llm.prod.internal/v1", "http://169.254.1.1",
     "http://[::ffff:10.0.0.1]", "http://172.16.0.1", "http://gpu.local./"],
)  # fmt: skip
def test_addresses_of_ones_own(url: str) -> None:
    assert is_own(url)


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com/v1", "http://8.8.8.8", "http://[2001:4860:4860::8888]", "https://local.example.com",
     "http://notinternal.com", "http://[::ffff:8.8.8.8]", "http://172.32.0.1", "http://127.0.0.1.nip.io", "http://"],
)  # fmt: skip
def test_addresses_of_others(url: str) -> None:
    assert not is_own(url)


def test_spellings_of_a_letter_count_together() -> None:
    tokens = [("A", -2.0), (" A", -2.0), ("Ａ", -2.0), ("▁B", -2.0), ("AB", -0.1), ("", -0.1), ("a", -0.1), ("C", float("nan")),
              ("C", "x"), (None, -1.0), ("C", float("-inf")), ("C", 3.0)]  # fmt: skip
    assert tally(tokens, "ABC") == pytest.approx({"A": -0.9013877113318902, "B": -2.0})
