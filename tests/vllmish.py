"""A server shaped like vLLM, for the conformance checks: its addresses, its extra fields, its errors of older versions.

Independent of the worker's server, batcher and adapters: transformers' own Llama on the exported checkpoint, PEFT's
own adapters, one request after another. It is right because it is plain.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy
import torch
from aiohttp import web
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from peft import PeftModel
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedTokenizerFast

CONTEXT = 2_048


class Bad(Exception):
    """A request as vLLM refuses it."""

    def __init__(self, message: str, status: int = 400, kind: str = "BadRequestError") -> None:
        super().__init__(message)
        self.message, self.status, self.kind = message, status, kind


class Model:
    """One checkpoint with adapters; generates token by token."""

    def __init__(self, folder: Path, adapters: dict[str, Path]) -> None:
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.base = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.peft: Any = None
        for name, path in adapters.items():
            if self.peft is None:
                self.peft = PeftModel.from_pretrained(self.base, path, adapter_name=name).eval()
            else:
                self.peft.load_adapter(path, adapter_name=name)
        self.names = tuple(adapters)
        self.grammar = from_tokenizer(self.tokenizer)
        self.ends = {self.tokenizer.eos_token_id}
        self.turn = threading.Lock()

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def logits(self, ids: list[int], adapter: str | None, past: DynamicCache) -> torch.Tensor:
        """What follows `ids`, which follow what `past` holds."""
        with self.turn:  # a client that leaves does not stop the step that was begun for it
            off = self.peft.disable_adapter() if self.peft is not None and adapter is None else nullcontext()
            if adapter is not None and adapter != self.peft.active_adapter:
                self.peft.set_adapter(adapter)
            with off:
                model = self.peft or self.base
                return model(input_ids=torch.tensor([ids]), past_key_values=past).logits[0, -1].float()

    def tokens(
        self, ids: list[int], adapter: str | None, asked: dict[str, Any], schema: str | None
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Each token with the log-probabilities before it was chosen; the end token too."""
        random = torch.Generator()
        seed = asked.get("seed")
        random.manual_seed(seed) if seed is not None else random.seed()
        matcher = None
        if schema:  # a random model would write blanks without end
            grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
            matcher = LLMatcher(self.grammar, grammar)
        temperature = 1.0 if asked.get("temperature") is None else asked["temperature"]
        past = DynamicCache()
        while True:
            logits = self.logits(ids, adapter, past)
            logprobs = logits.log_softmax(-1)
            if matcher is not None:
                bits = numpy.frombuffer(matcher.compute_bitmask(), dtype=numpy.uint8)
                allowed = numpy.unpackbits(bits, bitorder="little")[: len(logits)].astype(bool)
                logits = logits.masked_fill(~torch.from_numpy(allowed), -torch.inf)
            if temperature == 0:
                token = int(logits.argmax())
            else:
                chances, order = (logits / temperature).softmax(-1).sort(descending=True)
                chances[(chances.cumsum(-1) - chances) > (asked.get("top_p") or 1.0)] = 0
                token = int(order[torch.multinomial(chances, 1, generator=random)])
            ids = [token]
            yield token, logprobs
            if token in self.ends:
                return
            if matcher is not None:
                matcher.consume_token(token)
                if matcher.is_stopped():
                    yield next(iter(self.ends)), logprobs
                    return


class Server:
    """vLLM's addresses before a model."""

    def __init__(self, model: Model, name: str, key: str) -> None:
        self.model, self.name, self.key = model, name, key
        self.lock = asyncio.Lock()
        self.app = web.Application(middlewares=[self.explain], client_max_size=4 << 20)
        self.app.router.add_get("/v1/models", self.models)
        self.app.router.add_post("/v1/chat/completions", self.chat)

    @web.middleware
    async def explain(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        try:
            return await handler(request)
        except Bad as error:
            body = {
                "object": "error",
                "message": error.message,
                "type": error.kind,
                "param": None,
                "code": error.status,
            }
            return web.json_response(body, status=error.status)

    async def models(self, request: web.Request) -> web.Response:
        permission = [
            {"id": f"modelperm-{uuid.uuid4().hex}", "object": "model_permission", "is_blocking": False}
        ]
        cards = [
            {
                "id": name,
                "object": "model",
                "created": int(time.time()),
                "owned_by": "vllm",
                "root": name,
                "parent": parent,
                "max_model_len": CONTEXT if parent is None else None,
                "permission": permission,
            }
            for name, parent in [(self.name, None), *[(each, self.name) for each in self.model.names]]
        ]
        return web.json_response({"object": "list", "data": cards})

    def checked(self, asked: Any) -> None:
        if (
            not isinstance(asked, dict)
            or not isinstance(asked.get("messages"), list)
            or not asked["messages"]
        ):
            raise Bad("[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}]")
        limits = (
            ("temperature", 0, 1e9),
            ("top_p", 1e-9, 1),
            ("max_tokens", 1, CONTEXT),
            ("max_completion_tokens", 1, CONTEXT),
            ("top_logprobs", 0, 20),
        )
        for name, low, high in limits:
            value = asked.get(name)
            if value is not None and not low <= value <= high:
                raise Bad(f"{name} must be between {low} and {high}, got {value}.")
        form = asked.get("response_format") or {}
        if form.get("type") == "json_schema" and "json_schema" not in form:
            raise Bad("response_format json_schema needs a schema")
        if type((asked.get("stream_options") or {}).get("include_usage", False)) is not bool:
            raise Bad("include_usage: Input should be a valid boolean")

    async def chat(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = await request.json()
        except ValueError as error:
            raise Bad(f"[{{'type': 'json_invalid', 'msg': '{error}'}}]") from None
        self.checked(asked)
        name = asked.get("model")
        if name not in (self.name, *self.model.names):
            raise Bad(f"The model `{name}` does not exist.", 404, "NotFoundError")
        messages = [
            {
                "role": each["role"],
                "content": each["content"]
                if isinstance(each["content"], str)
                else "\n".join(part["text"] for part in each["content"]),
            }
            for each in asked["messages"]
        ]
        text = self.model.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = self.model.tokenizer(text, add_special_tokens=False)["input_ids"]
        room = CONTEXT - len(ids)
        limit = asked.get("max_completion_tokens") or asked.get("max_tokens") or room
        if limit > room or room < 1:
            raise Bad(
                f"This model's maximum context length is {CONTEXT} tokens. However, you requested "
                f"{len(ids) + limit} tokens ({len(ids)} in the messages, {limit} in the completion)."
            )
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}
        parts = self.parts(ids, name if name != self.name else None, asked, limit)
        if asked.get("stream"):
            return await self.stream(request, asked, head, parts, len(ids))
        async with self.lock:
            every = [part async for part in parts]
        entries = [entry for _, entry, _ in every if entry is not None]
        message: dict[str, Any] = {
            "role": "assistant",
            "reasoning_content": None,
            "content": "".join(said for said, _, _ in every),
            "tool_calls": [],
            "refusal": None,
            "annotations": None,
            "audio": None,
            "function_call": None,
        }
        return web.json_response(
            {
                **head,
                "object": "chat.completion",
                "choices": [
                    {
                        "index": 0,
                        "message": message,
                        "logprobs": {"content": entries} if asked.get("logprobs") else None,
                        "finish_reason": every[-1][2],
                        "stop_reason": None,
                        "token_ids": None,
                    }
                ],
                "service_tier": None,
                "system_fingerprint": None,
                "usage": self.usage(len(ids), len(every)),
                "prompt_logprobs": None,
                "kv_transfer_params": None,
            }
        )

    async def stream(
        self, request: web.Request, asked: Any, head: Any, parts: AsyncIterator[Any], prompt: int
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)

        async def send(choices: list[Any], **more: Any) -> None:
            body = {**head, "object": "chat.completion.chunk", "choices": choices, **more}
            await response.write(f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode())

        def choice(delta: Any, logprobs: Any = None, reason: str | None = None) -> dict[str, Any]:
            told = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
            return told | ({"stop_reason": None} if reason else {})

        await send([choice({"role": "assistant", "content": ""})], prompt_token_ids=None)
        made = 0
        async with self.lock:
            async for said, entry, reason in parts:
                made += 1
                logprobs = {"content": [entry]} if entry is not None else None
                await send([choice({"content": said}, logprobs, reason)])
        if (asked.get("stream_options") or {}).get("include_usage"):
            await send([], usage=self.usage(prompt, made))
        await response.write(b"data: [DONE]\n\n")
        return response

    @staticmethod
    def usage(prompt: int, completion: int) -> dict[str, Any]:
        return {
            "prompt_tokens": prompt,
            "total_tokens": prompt + completion,
            "completion_tokens": completion,
            "prompt_tokens_details": None,
        }

    async def parts(
        self, ids: list[int], adapter: str | None, asked: dict[str, Any], limit: int
    ) -> AsyncIterator[tuple[str, dict[str, Any] | None, str | None]]:
        """Text, log-probabilities and, at last, a reason: one part a token."""
        stops = asked.get("stop") or []
        stops = [stops] if isinstance(stops, str) else stops
        form = asked.get("response_format") or {"type": "text"}
        schema = json.dumps(form["json_schema"]["schema"]) if form["type"] == "json_schema" else None
        held = max(map(len, stops), default=0)
        made: list[int] = []
        shown = 0
        tokens = self.model.tokens(ids, adapter, asked, schema)
        while True:
            token, logprobs = await asyncio.to_thread(next, tokens)
            made.append(token)
            entry = self.entry(token, logprobs, asked) if asked.get("logprobs") else None
            ended = token in self.model.ends
            text = self.model.tokenizer.decode(made, skip_special_tokens=True)
            found = [at for stop in stops if (at := text.find(stop)) >= 0]
            if found:
                yield text[shown : min(found)], entry, "stop"
                return
            if ended or len(made) >= limit:
                yield text[shown:], entry, "stop" if ended else "length"
                return
            end = max(shown, len(text) - held)
            while end > shown and text[end - 1] == "\ufffd":
                end -= 1
            yield text[shown:end], entry, None
            shown = end

    def entry(self, token: int, logprobs: torch.Tensor, asked: dict[str, Any]) -> dict[str, Any]:
        def one(number: int) -> dict[str, Any]:
            text = self.model.tokenizer.decode([number])
            return {
                "token": text,
                "logprob": max(float(logprobs[number]), -9999.0),
                "bytes": list(text.encode()),
            }

        top = logprobs.topk(asked.get("top_logprobs") or 0)
        return one(token) | {"top_logprobs": [one(int(each)) for each in top.indices]}
