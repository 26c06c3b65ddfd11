"""`POST /v1/chat/completions`: a request read, put to the batcher, and its pieces told whole or as they come.

Knows no model and no address; who may ask is the server's matter.
"""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from engine.worker.faults import refusal
from engine.worker.metrics import Metrics
from engine.worker.protocol import (
    LOWEST_LOGPROB,
    Answer,
    ChatCompletion,
    ChatRequest,
    Choice,
    Chunk,
    ChunkChoice,
    Delta,
    Logprobs,
    Refusal,
    TokenLogprob,
    TopLogprob,
    Usage,
    read,
)
from engine.worker.service import Service

if TYPE_CHECKING:  # brings torch, which the server does not wait for
    from engine.worker.sequence import Piece, Sampling, Token
    from engine.worker.sequence import Usage as Counted

ANSWER_TOKENS: Final = 1_024
"""An answer's longest length where nobody gave one: memory for all of it is set aside before it begins."""
SEND_BUFFER_BYTES: Final = 1 << 16
"""What the system holds for a client that reads slowly, so that one who has stopped reading is noticed."""
STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would hold it back
}


class _Slow(Exception):
    """A client that has stopped reading."""


@dataclass(frozen=True, slots=True)
class _Head:
    """What all parts of one answer bear."""

    id: str
    created: int
    model: str


async def complete(
    request: web.Request, body: bytes, service: Service, metrics: Metrics, write_seconds: float
) -> web.StreamResponse:
    """The answer to a request, streamed where that was asked for.

    Raises:
        Refusal: it cannot be answered, and nothing was sent yet.
    """
    model = "unknown"
    outcome = "failed"
    try:
        asked = read(ChatRequest, body)
        service.check_ready()
        model, adapter = service.named(asked.model)
        with service.using(adapter):
            prompt, sampling = await _prepared(asked, service)
            head = _Head(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), model)
            async with aclosing(service.batcher.submit(prompt, sampling, adapter)) as pieces:
                if asked.stream:
                    response, outcome = await _stream(request, asked, head, pieces, write_seconds)
                else:
                    response = web.json_response(text=(await _whole(asked, head, pieces)).to_json())
                    outcome = "ok"
                return response
    except Exception as error:
        refused = refusal(error)
        outcome = {429: "full", 503: "unavailable", 504: "timeout", 500: "failed"}.get(
            refused.status, "refused"
        )
        if refused is error:
            raise
        raise refused from error
    except asyncio.CancelledError:
        outcome = "gone"
        raise
    finally:
        metrics.answered(model, outcome)


async def _prepared(asked: ChatRequest, service: Service) -> tuple[list[int], Sampling]:
    from engine.worker.sequence import Sampling

    messages = [
        {"role": "system" if each.role == "developer" else each.role, "content": each.content}
        for each in asked.messages
    ]
    prompt = await service.encode(messages, asked.chat_template_kwargs)
    room = service.context - len(prompt)
    if room < 1:
        raise Refusal(
            400,
            f"The prompt has {len(prompt):,} tokens; the limit is {service.context:,} with the answer.",
            param="messages",
            code="context_length_exceeded",
        )
    if asked.limit is not None and asked.limit > room:
        raise Refusal(
            400,
            f"The prompt has {len(prompt):,} tokens and the answer may have {asked.limit:,}; "
            f"the limit is {service.context:,} together.",
            param="max_tokens",
            code="context_length_exceeded",
        )
    return prompt, Sampling(
        max_tokens=asked.limit or min(room, ANSWER_TOKENS),
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        seed=asked.seed,
        stop=tuple(asked.stop or ()),
        logprobs=(asked.top_logprobs or 0) if asked.logprobs else None,
        schema=asked.response_format.schema_text if asked.response_format else None,
    )


async def _whole(asked: ChatRequest, head: _Head, pieces: AsyncGenerator[Piece, None]) -> ChatCompletion:
    every = [piece async for piece in pieces]
    last = every[-1]
    assert last.finish is not None
    assert last.usage is not None
    return ChatCompletion(
        id=head.id,
        object="chat.completion",
        created=head.created,
        model=head.model,
        choices=[
            Choice(
                index=0,
                message=Answer(role="assistant", content="".join(piece.text for piece in every)),
                logprobs=_logprobs(asked, [token for piece in every for token in piece.tokens]),
                finish_reason=last.finish,
            )
        ],
        usage=_usage(last.usage),
    )


async def _stream(
    request: web.Request,
    asked: ChatRequest,
    head: _Head,
    pieces: AsyncGenerator[Piece, None],
    write_seconds: float,
) -> tuple[web.StreamResponse, str]:
    """The answer as server-sent events, and what came of it.

    What fails before the first piece has a status of its own; what fails later is told in the stream, which ends.
    """
    piece = await anext(pieces)
    response = web.StreamResponse(headers=STREAM_HEADERS)
    _shrink_send_buffer(request)

    async def send(text: str) -> None:
        try:
            async with asyncio.timeout(write_seconds):
                await response.write(f"data: {text}\n\n".encode())
        except TimeoutError:
            raise _Slow from None

    try:
        await response.prepare(request)
        await send(_chunk(head, asked, Delta(role="assistant", content="")))
        try:
            while True:
                logprobs = _logprobs(asked, piece.tokens)
                if piece.text or piece.finish or (logprobs and logprobs.content):
                    said = piece.text or not piece.finish
                    delta: Delta | dict[str, str] = Delta(content=piece.text) if said else {}
                    await send(_chunk(head, asked, delta, logprobs, piece))
                if piece.finish is not None:
                    break
                piece = await anext(pieces)
        except (_Slow, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - the status is sent: all that is left is to say so in the stream
            refused = refusal(error)
            await send(refused.to_json())
            return response, {503: "unavailable", 504: "timeout"}.get(refused.status, "failed")
        if asked.wants_usage:
            assert piece.usage is not None
            await send(
                Chunk(
                    id=head.id,
                    object="chat.completion.chunk",
                    created=head.created,
                    model=head.model,
                    choices=[],
                    usage=_usage(piece.usage),
                ).to_json()
            )
        await send("[DONE]")
    except _Slow:
        if request.transport is not None:
            request.transport.abort()
        return response, "slow"
    except ConnectionError:
        return response, "gone"
    return response, "ok"


def _chunk(
    head: _Head,
    asked: ChatRequest,
    delta: Delta | dict[str, str],
    logprobs: Logprobs | None = None,
    piece: Piece | None = None,
) -> str:
    choice = ChunkChoice(
        index=0, delta=delta, logprobs=logprobs, finish_reason=piece.finish if piece else None
    )
    chunk = Chunk(
        id=head.id,
        object="chat.completion.chunk",
        created=head.created,
        model=head.model,
        choices=[choice],
        **({"usage": None} if asked.wants_usage else {}),
    )
    return chunk.to_json()


def _logprobs(asked: ChatRequest, tokens: list[Token] | tuple[Token, ...]) -> Logprobs | None:
    if not asked.logprobs:
        return None
    return Logprobs(
        content=[
            TokenLogprob(
                token=token.text,
                logprob=max(token.logprob, LOWEST_LOGPROB),
                bytes=list(token.bytes),
                top_logprobs=[
                    TopLogprob(token=text, logprob=max(logprob, LOWEST_LOGPROB), bytes=list(raw))
                    for _, text, raw, logprob in token.top
                ],
            )
            for token in tokens
        ]
    )


def _usage(counted: Counted) -> Usage:
    return Usage(
        prompt_tokens=counted.prompt,
        completion_tokens=counted.completion,
        total_tokens=counted.prompt + counted.completion,
        prompt_tokens_details={"cached_tokens": counted.cached},
    )


def _shrink_send_buffer(request: web.Request) -> None:
    connection = request.transport.get_extra_info("socket") if request.transport is not None else None
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
