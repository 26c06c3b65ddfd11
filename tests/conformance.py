"""What the bot needs of whatever speaks the OpenAI protocol, as checks by the real `openai` client.

The suite runs them against the worker and against a server shaped like vLLM. Against a real one:

    python -m tests.conformance http://localhost:8000/v1 MODEL --adapter reply --adapter rank --key KEY

Servers may differ, and these checks let them, in: `parent` of a model card (only vLLM and the worker have it); whether
`max_model_len` is told; `code` and `type` of an error, and whether it lies under "error" (older vLLM: at the top, with
"object": "error"); 404 or 400 for an unknown model of Ollama's; fields beside those of OpenAI; whether the first chunk of a stream
has text; whether a bad key is 401 or 403. Greedy texts of one request alone and of one among others are only equal in
float32: `--inexact` leaves that out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

TOP = 20
PROMPT = "비 오는 날 뜨끈한 국물이 먹고 싶어."
SCHEMA = {
    "type": "object",
    "properties": {
        "domain": {"enum": ["book", "movie", "food"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "moods": {"type": "array", "items": {"enum": ["tired", "calm", "sad"]}, "maxItems": 2},
    },
    "required": ["domain", "count", "moods"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Endpoint:
    """A server, and what it serves."""

    url: str
    """Ends in /v1."""
    model: str
    adapters: tuple[str, ...] = ()
    key: str = ""
    exact: bool = True
    """Greedy texts do not depend on what else is in the batch."""

    @asynccontextmanager
    async def client(self, key: str | None = None) -> AsyncIterator[AsyncOpenAI]:
        """The `openai` client, which tries each call once."""
        async with AsyncOpenAI(
            base_url=self.url,
            api_key=(self.key if key is None else key) or "none",
            max_retries=0,
            timeout=120,
            # Certificates take longer to read than most of these checks.
            http_client=openai.DefaultAsyncHttpxClient(verify=self.url.startswith("https")),
        ) as client:
            yield client

    @property
    def names(self) -> tuple[str, ...]:
        """All names that chats may ask for."""
        return (self.model, *self.adapters)


def said(text: str = PROMPT, system: str = "") -> list[Any]:
    """A conversation of one question."""
    before = [{"role": "system", "content": system}] if system else []
    return [*before, {"role": "user", "content": text}]


async def whole(
    client: AsyncOpenAI, model: str, text: str = PROMPT, *, max_tokens: int = 24, **wanted: Any
) -> ChatCompletion:
    """A greedy answer in one piece."""
    wanted = {"temperature": 0.0} | wanted
    answer = await client.chat.completions.create(
        model=model, messages=said(text), max_tokens=max_tokens, **wanted
    )
    assert isinstance(answer, ChatCompletion)
    return answer


async def streamed(
    client: AsyncOpenAI, model: str, text: str = PROMPT, *, max_tokens: int = 24, **wanted: Any
) -> list[ChatCompletionChunk]:
    """A greedy answer in its chunks."""
    wanted = {"temperature": 0.0} | wanted
    stream = await client.chat.completions.create(
        model=model, messages=said(text), max_tokens=max_tokens, stream=True, **wanted
    )
    return [chunk async for chunk in stream]


def text_of(answer: ChatCompletion) -> str:
    content = answer.choices[0].message.content
    assert isinstance(content, str)
    return content


def joined(chunks: Iterable[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def models_are_listed(endpoint: Endpoint) -> None:
    """The base model and each adapter can be asked for by name."""
    async with endpoint.client() as client:
        listed = {model.id: model async for model in client.models.list()}
    assert set(endpoint.names) <= listed.keys()
    for name in endpoint.adapters:
        parent = getattr(listed[name], "parent", endpoint.model)
        assert parent == endpoint.model


async def a_plain_answer(endpoint: Endpoint) -> None:
    """Text, a reason why it ended, and tokens that add up."""
    async with endpoint.client() as client:
        answer = await whole(client, endpoint.model)
    assert answer.object == "chat.completion"
    assert answer.model == endpoint.model
    (choice,) = answer.choices
    assert choice.index == 0
    assert choice.message.role == "assistant"
    assert isinstance(choice.message.content, str)
    assert choice.finish_reason in ("stop", "length")
    assert choice.logprobs is None
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens > 0
    assert usage.prompt_tokens + usage.completion_tokens == usage.total_tokens


async def greedy_answers_repeat(endpoint: Endpoint) -> None:
    async with endpoint.client() as client:
        first, second = [text_of(await whole(client, endpoint.model)) for _ in range(2)]
    assert first == second
    assert first


async def a_stream_says_the_same(endpoint: Endpoint) -> None:
    """Chunk by chunk, of every model; only the last chunk has a reason."""
    async with endpoint.client() as client:
        for name in endpoint.names:
            answer = await whole(client, name)
            chunks = await streamed(client, name)
            assert joined(chunks) == text_of(answer)
            assert "\ufffd" not in joined(chunks[:-1]) or "\ufffd" in text_of(answer)
            assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
            assert len({chunk.id for chunk in chunks}) == 1
            assert chunks[0].choices[0].delta.role == "assistant"
            reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
            assert reasons[-1] == answer.choices[0].finish_reason
            assert not any(reasons[:-1])
            assert all(chunk.usage is None for chunk in chunks)


async def a_stream_tells_usage_where_asked(endpoint: Endpoint) -> None:
    async with endpoint.client() as client:
        answer = await whole(client, endpoint.model)
        chunks = await streamed(client, endpoint.model, stream_options={"include_usage": True})
    last = chunks[-1]
    assert last.choices == []
    assert last.usage is not None
    assert answer.usage is not None
    assert last.usage.completion_tokens == answer.usage.completion_tokens
    assert last.usage.prompt_tokens == answer.usage.prompt_tokens
    assert all(chunk.choices for chunk in chunks[:-1])


async def an_answer_is_as_long_as_it_may_be(endpoint: Endpoint) -> None:
    async with endpoint.client() as client:
        for limit in (1, 5):
            answer = await whole(client, endpoint.model, max_tokens=limit)
            assert answer.usage is not None
            assert answer.usage.completion_tokens <= limit
            if answer.usage.completion_tokens == limit:
                assert answer.choices[0].finish_reason == "length"
        newer = await client.chat.completions.create(
            model=endpoint.model, messages=said(), max_completion_tokens=3, temperature=0.0
        )
        assert newer.usage is not None
        assert newer.usage.completion_tokens <= 3


async def an_answer_ends_before_a_stop_string(endpoint: Endpoint) -> None:
    """Also where it begins in one token and ends in another, whole and streamed, one string or several."""
    async with endpoint.client() as client:
        text = text_of(await whole(client, endpoint.model))
        assert len(text) > 4, "the model says too little to be stopped"
        for stop in (text[2], text[1:4], ["never said at all", text[len(text) // 2 :][:3]]):
            first = min(
                at for each in ([stop] if isinstance(stop, str) else stop) if (at := text.find(each)) >= 0
            )
            answer = await whole(client, endpoint.model, stop=stop)
            assert text_of(answer) == text[:first]
            assert answer.choices[0].finish_reason == "stop"
            assert joined(await streamed(client, endpoint.model, stop=stop)) == text[:first]


async def a_seed_repeats_an_answer(endpoint: Endpoint) -> None:
    async with endpoint.client() as client:
        hot: dict[str, Any] = {"temperature": 1.0, "top_p": 0.95}
        first, second = [text_of(await whole(client, endpoint.model, seed=7, **hot)) for _ in range(2)]
        others = {text_of(await whole(client, endpoint.model, seed=seed, **hot)) for seed in (1, 2)}
    assert first == second
    assert len(others) > 1


async def log_probabilities_have_their_shape(endpoint: Endpoint) -> None:
    """The chosen token and the twenty likeliest, for each token of the answer; of a stream too."""
    async with endpoint.client() as client:
        answer = await whole(client, endpoint.model, max_tokens=4, logprobs=True, top_logprobs=TOP)
        chunks = await streamed(client, endpoint.model, max_tokens=4, logprobs=True, top_logprobs=TOP)
        bare = await whole(client, endpoint.model, max_tokens=2, logprobs=True)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert answer.usage is not None
    assert answer.usage.completion_tokens - 1 <= len(logprobs.content) <= answer.usage.completion_tokens
    for token in logprobs.content:
        assert len(token.top_logprobs) == TOP
        scores = [each.logprob for each in token.top_logprobs]
        assert scores == sorted(scores, reverse=True)
        assert sum(map(math.exp, scores)) <= 1.001
        assert math.isclose(token.logprob, scores[0], abs_tol=1e-3), "greedy takes the likeliest"
        assert token.token == token.top_logprobs[0].token
        assert token.bytes is None or all(0 <= each < 256 for each in token.bytes)
    told = [
        token.token
        for chunk in chunks
        for choice in chunk.choices
        if choice.logprobs is not None
        for token in choice.logprobs.content or ()
    ]
    assert told == [token.token for token in logprobs.content]
    assert bare.choices[0].logprobs is not None
    assert all(
        not token.top_logprobs or len(token.top_logprobs) <= 1
        for token in bare.choices[0].logprobs.content or ()
    )


async def a_ranking_is_one_token(endpoint: Endpoint) -> None:
    """What the verbalizer asks: one token, and how likely each letter would have been."""
    letters = "ABCDEFGHIJKLMNOPQRST"
    text = "\n".join(f"{letter}. {number}" for number, letter in enumerate(letters)) + "\n하나만 고르면?"
    async with endpoint.client() as client:
        for name in endpoint.names:
            answer = await whole(client, name, text, max_tokens=1, logprobs=True, top_logprobs=TOP)
            assert answer.usage is not None
            assert answer.usage.completion_tokens == 1
            logprobs = answer.choices[0].logprobs
            assert logprobs is not None
            assert logprobs.content is not None
            (token,) = logprobs.content
            assert len({each.token for each in token.top_logprobs}) > TOP // 2
            assert all(each.logprob <= 0 for each in token.top_logprobs)


async def adapters_change_the_answer(endpoint: Endpoint) -> None:
    """A model whose adapters silently do nothing, such as EXAONE's own layout in vLLM, is found out here."""
    async with endpoint.client() as client:
        first = {}
        for name in endpoint.names:
            answer = await whole(client, name, max_tokens=1, logprobs=True, top_logprobs=TOP)
            assert answer.model == name
            logprobs = answer.choices[0].logprobs
            assert logprobs is not None
            assert logprobs.content is not None
            first[name] = {each.token: each.logprob for each in logprobs.content[0].top_logprobs}
    for one in endpoint.names:
        for other in endpoint.names:
            if one != other:
                shared = first[one].keys() & first[other].keys()
                moved = max((abs(first[one][token] - first[other][token]) for token in shared), default=1.0)
                assert moved > 1e-3, f"{one} and {other} are the same"


async def an_answer_keeps_its_schema(endpoint: Endpoint) -> None:
    """Whatever the weights are, and whole: with enough room it ends by itself."""
    form = {"type": "json_schema", "json_schema": {"name": "request", "schema": SCHEMA, "strict": True}}
    async with endpoint.client() as client:
        for name in endpoint.names:
            answer = await whole(client, name, max_tokens=400, response_format=form)
            assert answer.choices[0].finish_reason == "stop"
            check(json.loads(text_of(answer)))
        chunks = await streamed(client, endpoint.model, max_tokens=400, response_format=form)
        check(json.loads(joined(chunks)))
        hot = await whole(
            client, endpoint.model, max_tokens=400, response_format=form, temperature=1.5, seed=3
        )
        check(json.loads(text_of(hot)))


def check(found: Any) -> None:
    """Asserts that it keeps SCHEMA."""
    assert isinstance(found, dict)
    assert found.keys() == {"domain", "count", "moods"}
    assert found["domain"] in ("book", "movie", "food")
    assert type(found["count"]) is int
    assert 1 <= found["count"] <= 9
    assert isinstance(found["moods"], list)
    assert len(found["moods"]) <= 2
    assert set(found["moods"]) <= {"tired", "calm", "sad"}


async def bad_requests_are_refused(endpoint: Endpoint) -> None:
    """With the status that tells whose fault it is, and words."""
    async with endpoint.client() as client:
        with pytest.raises((openai.NotFoundError, openai.BadRequestError), match="no-such-model"):
            await whole(client, "no-such-model")
        for wanted in (
            {"max_tokens": -1},
            {"temperature": -1.0},
            {"top_p": 2.0},
            {"logprobs": True, "top_logprobs": 100},
            {"response_format": {"type": "json_schema"}},
            {"stream_options": {"include_usage": "perhaps"}},
        ):
            with pytest.raises((openai.BadRequestError, openai.UnprocessableEntityError)):
                await whole(client, endpoint.model, **wanted)
        with pytest.raises((openai.BadRequestError, openai.UnprocessableEntityError)):
            await client.chat.completions.create(model=endpoint.model, messages=[])
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {endpoint.key}"}) as http:
        answer = await http.post(
            f"{endpoint.url}/chat/completions",
            content=b'{"model": ',
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json(), dict)


async def too_long_a_prompt_names_the_limit(endpoint: Endpoint) -> None:
    async with endpoint.client() as client:
        listed = {model.id: model async for model in client.models.list()}
        limit = getattr(listed[endpoint.model], "max_model_len", None)
        with pytest.raises(openai.BadRequestError) as refused:
            await whole(client, endpoint.model, "가나다라 " * min(limit or 60_000, 60_000))
    assert limit is None or str(limit) in refused.value.message.replace(",", "")


async def a_wrong_key_is_refused(endpoint: Endpoint) -> None:
    if not endpoint.key:
        return
    async with endpoint.client(key=f"{endpoint.key}x") as client:
        with pytest.raises((openai.AuthenticationError, openai.PermissionDeniedError)):
            await whole(client, endpoint.model)


async def a_client_may_leave(endpoint: Endpoint) -> None:
    """Many leave in the middle of long answers; whoever comes next is answered as ever."""
    async with endpoint.client() as client:
        before = text_of(await whole(client, endpoint.model))

        async def leave() -> None:
            stream = await client.chat.completions.create(
                model=endpoint.model, messages=said(), max_tokens=400, temperature=1.0, stream=True
            )
            async for _ in stream:
                break
            await stream.close()

        await asyncio.gather(*[leave() for _ in range(8)])
        after = text_of(await asyncio.wait_for(whole(client, endpoint.model), 60))
    if endpoint.exact:
        assert after == before


async def many_are_answered_at_once(endpoint: Endpoint) -> None:
    """Base and adapters, long and short, whole and streamed: each as if it were alone."""
    asked = [(name, f"{PROMPT} {number}", 6 + 5 * number) for number in range(3) for name in endpoint.names]
    async with endpoint.client() as client:
        alone = [text_of(await whole(client, name, text, max_tokens=limit)) for name, text, limit in asked]

        async def ask(number: int) -> str:
            name, text, limit = asked[number]
            if number % 2:
                return joined(await streamed(client, name, text, max_tokens=limit))
            return text_of(await whole(client, name, text, max_tokens=limit))

        together = await asyncio.gather(*map(ask, range(len(asked))))
    if endpoint.exact:
        assert together == alone


async def odd_texts_are_answered(endpoint: Endpoint) -> None:
    """Parts instead of a string, several turns, emoji, control characters, a system message of its own."""
    async with endpoint.client() as client:
        parts: list[Any] = [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]
        turns: list[Any] = [
            *said("👩‍🍳🍜 \x07 ﷺ", system="짧게 답해요."),
            {"role": "assistant", "content": "네."},
            {"role": "user", "content": "더 가볍게"},
        ]
        for messages in (parts, turns):
            answer = await client.chat.completions.create(
                model=endpoint.model, messages=messages, max_tokens=4, temperature=0.0
            )
            assert answer.choices[0].message.role == "assistant"
        joined_parts = await client.chat.completions.create(
            model=endpoint.model, messages=parts, max_tokens=8, temperature=0.0
        )
        assert text_of(joined_parts) == text_of(await whole(client, endpoint.model, max_tokens=8))


Check = Callable[[Endpoint], Awaitable[None]]
CHECKS: tuple[Check, ...] = (
    models_are_listed,
    a_plain_answer,
    greedy_answers_repeat,
    a_stream_says_the_same,
    a_stream_tells_usage_where_asked,
    an_answer_is_as_long_as_it_may_be,
    an_answer_ends_before_a_stop_string,
    a_seed_repeats_an_answer,
    log_probabilities_have_their_shape,
    a_ranking_is_one_token,
    adapters_change_the_answer,
    an_answer_keeps_its_schema,
    bad_requests_are_refused,
    too_long_a_prompt_names_the_limit,
    a_wrong_key_is_refused,
    a_client_may_leave,
    many_are_answered_at_once,
    odd_texts_are_answered,
)


async def run(endpoint: Endpoint) -> int:
    """Runs every check, prints what came of it, and gives how many failed."""
    failed = 0
    for each in CHECKS:
        name = getattr(each, "__name__", "").replace("_", " ")
        try:
            await each(endpoint)
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - the other checks are of use all the same
            failed += 1
            print(f"✗ {name}\n{traceback.format_exc()}")
        else:
            print(f"✓ {name}")
    return failed


def main() -> int:
    """The command: 0 if the server does all that the bot needs, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("url", help="ends in /v1")
    parser.add_argument("model")
    parser.add_argument("--adapter", action="append", default=[])
    parser.add_argument("--key", default="")
    parser.add_argument(
        "--inexact", action="store_true", help="4 bits or bfloat16: batches change greedy texts"
    )
    asked = parser.parse_args()
    endpoint = Endpoint(asked.url, asked.model, tuple(asked.adapter), asked.key, not asked.inexact)
    return 1 if asyncio.run(run(endpoint)) else 0


if __name__ == "__main__":
    sys.exit(main())
