"""A server that speaks OpenAI's protocol over real HTTP and says what a test tells it to, faults included."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MODELS = ("base", "reply", "rank", "question")


@dataclass(frozen=True)
class Answer:
    """One answer.

    `text` is said whole, or piece by piece where the request streams (a string is one piece). `letters` are the
    first token's alternatives with their log-probabilities; `body` is sent as it is instead of everything else.
    `hold` keeps the answer back until it is set (for a stream that has `held` pieces out: until then);
    `cut` hangs up after so many pieces, or, of what is not streamed, in the middle of the body.
    `finish` None leaves out how it ended.
    """

    text: str | Sequence[str] = "네."
    letters: Mapping[str, float] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    hold: asyncio.Event | None = None
    held: int = 0
    cut: int | None = None
    finish: str | None = "stop"
    usage: tuple[int, int] | None = (11, 3)

    @property
    def pieces(self) -> list[str]:
        return [self.text] if isinstance(self.text, str) else list(self.text)


def refusal(status: int, message: str = "no", **headers: str) -> Answer:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": "error", "param": None, "code": None}
    return Answer(
        status=status, body={"error": error}, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@dataclass
class OpenAIs:
    """What the server was asked, and what it answers: what is queued for the model asked for, then what is queued
    for any, then `otherwise`."""

    url: str
    otherwise: Answer | Callable[[dict[str, Any]], Answer] = field(default_factory=Answer)
    models: Sequence[str] | Answer = MODELS
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of requests for completions."""
    keys: list[str | None] = field(default_factory=list)
    """What every request gave as its authorization."""
    probes: int = 0
    """How often the models were asked for."""
    left: int = 0
    """Clients that went away before their answer ended."""
    queue: defaultdict[str | None, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))

    def say(self, *answers: Answer, model: str | None = None) -> None:
        """Queue answers, for one model or for any."""
        self.queue[model] += answers

    def _next(self, body: dict[str, Any]) -> Answer:
        for name in (body.get("model"), None):
            if self.queue[name]:
                return self.queue[name].popleft()
        return self.otherwise(body) if callable(self.otherwise) else self.otherwise


def nowhere() -> str:
    """An address on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@asynccontextmanager
async def serving() -> AsyncIterator[OpenAIs]:
    """A server that listens while the block runs."""
    made = OpenAIs("")

    async def list_models(request: web.Request) -> web.StreamResponse:
        made.probes += 1
        made.keys.append(request.headers.get("Authorization"))
        if isinstance(made.models, Answer):
            return await _plain(made.models, request)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in made.models]
        return web.json_response({"object": "list", "data": data})

    async def complete(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        made.asked.append(body)
        made.keys.append(request.headers.get("Authorization"))
        answer = made._next(body)
        try:
            if answer.hold is not None and not answer.held:
                await answer.hold.wait()
            if answer.body is not None or answer.status != 200:
                return await _plain(answer, request)
            if body.get("stream"):
                return await _stream(answer, body, request)
            return await _plain(answer, request, _whole(answer, body))
        except (asyncio.CancelledError, ConnectionResetError):
            made.left += 1
            raise

    app = web.Application()
    app.add_routes([web.get("/v1/models", list_models), web.post("/v1/chat/completions", complete)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def _whole(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(answer.pieces)},
        "finish_reason": answer.finish,
        "logprobs": None,
    }
    if answer.letters is not None and body.get("logprobs"):
        first = max(answer.letters, key=lambda token: answer.letters[token] if answer.letters else 0.0)
        top = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in answer.letters.items()]
        content = {"token": first, "logprob": answer.letters[first], "bytes": None, "top_logprobs": top}
        choice |= {"logprobs": {"content": [content]}, "finish_reason": "length"}
        choice["message"] = {"role": "assistant", "content": first}
    return _head(body, "chat.completion") | {"choices": [choice], "usage": _usage(answer)}


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": int(time.time()), "model": body.get("model")}


def _usage(answer: Answer) -> dict[str, int] | None:
    if answer.usage is None:
        return None
    prompt, completion = answer.usage
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


async def _plain(answer: Answer, request: web.Request, body: Any = None) -> web.StreamResponse:
    body = answer.body if answer.body is not None else {} if body is None else body
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
    response.headers.setdefault("Content-Type", "application/json")
    response.content_length = len(content)
    await response.prepare(request)
    if answer.cut is not None:
        await response.write(content[: len(content) // 2])
        return _hang_up(request, response)
    await response.write(content)
    await response.write_eof()
    return response


async def _stream(answer: Answer, body: dict[str, Any], request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **answer.headers})
    await response.prepare(request)
    head = _head(body, "chat.completion.chunk")

    async def send(delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        await _event(response, head | {"choices": [choice]})

    await send({"role": "assistant", "content": ""})
    for number, piece in enumerate(answer.pieces):
        if answer.hold is not None and answer.held == number:
            await answer.hold.wait()
        if answer.cut == number:
            return _hang_up(request, response)
        await send({"content": piece})
    if answer.cut is not None:
        return _hang_up(request, response)
    if answer.finish is not None:
        await send({}, answer.finish)
    if answer.usage is not None and (body.get("stream_options") or {}).get("include_usage"):
        await _event(response, head | {"choices": [], "usage": _usage(answer)})
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def _event(response: web.StreamResponse, value: Any) -> None:
    await response.write(b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n")


def _hang_up(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return response
