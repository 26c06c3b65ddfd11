"""The HTTP server before a service: who may ask, what each address does, and every failure as OpenAI words it.

It listens while the model loads. Knows nothing of how answers are made.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from engine.worker import chat
from engine.worker.errors import WorkerError
from engine.worker.faults import refusal
from engine.worker.metrics import CONTENT_TYPE, Metrics
from engine.worker.protocol import (
    Embedding,
    EmbeddingList,
    EmbeddingsRequest,
    LoadAdapter,
    ModelCard,
    ModelList,
    Refusal,
    UnloadAdapter,
    Usage,
    read,
)
from engine.worker.service import Service

BODY_BYTES: Final = 4 << 20
GOODBYE_SECONDS: Final = 2.0
"""How long clients may take to hear how their answers ended, once the worker stops."""
OWNER: Final = "oneulmwo"
OPEN: Final = frozenset({"/health"})
"""What needs no key."""

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients may take, in seconds."""

    body: float = 30.0
    """To send a request."""
    write: float = 20.0
    """To take up what was sent."""


class Server:
    """The addresses of one service."""

    def __init__(
        self, service: Service, metrics: Metrics, key: str = "", patience: Patience | None = None
    ) -> None:
        self.service, self.metrics = service, metrics
        self._key = key
        self._patience = patience or Patience()

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Listen while the block runs; gives the port, a free one where 0 was asked.

        Raises:
            OSError: the address cannot be had.
        """
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._explain, self._admit])
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{name:.+}", self._model)
        app.router.add_post("/v1/load_lora_adapter", self._load)
        app.router.add_post("/v1/unload_lora_adapter", self._unload)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,  # a client that leaves frees its place
            shutdown_timeout=GOODBYE_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            yield int(runner.addresses[0][1])
        finally:
            await runner.cleanup()

    @web.middleware
    async def _explain(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return _refused(
                Refusal(413, f"The body is larger than {BODY_BYTES >> 20} MB.", code="body_too_large")
            )
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            response = _refused(Refusal(405, f"{request.path} takes {allowed}.", code="method_not_allowed"))
            response.headers["Allow"] = allowed
            return response
        except web.HTTPNotFound:
            return _refused(Refusal(404, f"There is no {request.path[:200]} here.", code="unknown_url"))
        except web.HTTPException:
            raise
        except ConnectionError:
            raise  # whoever asked has gone
        except Exception as error:  # noqa: BLE001 - every failure has an answer of the same shape
            return _refused(refusal(error))

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._key and request.path not in OPEN:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(errors="replace"), f"Bearer {self._key}".encode()):
                raise Refusal(401, "A key is needed: Authorization: Bearer KEY.", code="invalid_api_key")
        return await handler(request)

    async def _body(self, request: web.Request) -> bytes:
        """What was sent; only JSON, which no page of a browser can post here unasked."""
        if request.content_type != "application/json":
            raise Refusal(415, "Content-Type has to be application/json.", code="unsupported_media_type")
        try:
            async with asyncio.timeout(self._patience.body):
                return await request.read()
        except TimeoutError:
            raise Refusal(408, "The body came too slowly.", code="timeout") from None

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        return await chat.complete(request, body, self.service, self.metrics, self._patience.write)

    async def _embed(self, request: web.Request) -> web.Response:
        asked = read(EmbeddingsRequest, await self._body(request))
        self.service.check_ready()
        embeddings = self.service.embeddings
        if embeddings is None:
            raise Refusal(
                404,
                "No model of embeddings is served: start the worker with --embeddings MODEL.",
                param="model",
                code="model_not_found",
            )
        if asked.model not in (None, embeddings.name):
            raise Refusal(
                404,
                f"The model {asked.model[:200]!r} makes no embeddings here; {embeddings.name} does.",
                param="model",
                code="model_not_found",
            )
        vectors, tokens = await embeddings.encode(asked.input, asked.dimensions)
        self.metrics.embedded(len(asked.input), tokens)
        answer = EmbeddingList(
            object="list",
            data=[
                Embedding(
                    object="embedding",
                    index=index,
                    embedding=base64.b64encode(vector.astype("<f4").tobytes()).decode()
                    if asked.encoding_format == "base64"
                    else vector.tolist(),
                )
                for index, vector in enumerate(vectors)
            ],
            model=embeddings.name,
            usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
        )
        return web.json_response(text=answer.to_json())

    def _cards(self) -> list[ModelCard]:
        service = self.service
        known: list[tuple[str, str, str | None, int]] = [
            (service.name, service.plan.model, None, service.context)
        ]
        known += [(name, path, service.name, service.context) for name, path in service.adapters.items()]
        if service.embeddings is not None:
            plan = service.plan.embeddings or ""
            known.append((service.embeddings.name, plan, None, service.embeddings.max_tokens))
        return [
            ModelCard(
                id=name,
                object="model",
                created=service.created,
                owned_by=OWNER,
                root=root,
                parent=parent,
                max_model_len=length or None,
            )
            for name, root, parent, length in known
        ]

    async def _models(self, request: web.Request) -> web.Response:
        self.service.check_ready()
        return web.json_response(text=ModelList(object="list", data=self._cards()).to_json())

    async def _model(self, request: web.Request) -> web.Response:
        self.service.check_ready()
        name = request.match_info["name"]
        for card in self._cards():
            if card.id == name:
                return web.json_response(text=card.to_json())
        raise Refusal(
            404, f"The model {name[:200]!r} does not exist here.", param="model", code="model_not_found"
        )

    async def _load(self, request: web.Request) -> web.Response:
        asked = read(LoadAdapter, await self._body(request))
        self.service.check_ready()
        try:
            await self.service.load_adapter(asked.lora_name, asked.lora_path)
        except WorkerError as error:
            raise Refusal(400, str(error), param="lora_path", code="adapter_refused") from error
        logger.warning("The adapter %s of %s is served from now on", asked.lora_name, asked.lora_path)
        return web.Response(text=f"Success: LoRA adapter '{asked.lora_name}' added successfully.")

    async def _unload(self, request: web.Request) -> web.Response:
        asked = read(UnloadAdapter, await self._body(request))
        self.service.check_ready()
        try:
            await self.service.unload_adapter(asked.lora_name)
        except KeyError:
            raise Refusal(
                404,
                f"The adapter {asked.lora_name[:200]!r} does not exist here.",
                param="lora_name",
                code="model_not_found",
            ) from None
        logger.warning("The adapter %s is served no more", asked.lora_name)
        return web.Response(text=f"Success: LoRA adapter '{asked.lora_name}' removed successfully.")

    async def _health(self, request: web.Request) -> web.Response:
        service = self.service
        told: dict[str, object] = {"status": service.state}
        if service.state == "loading":
            told["progress"] = round(service.share, 3)
        if service.failure:
            told["reason"] = service.failure
        status = 200 if service.state == "ready" else 503
        return web.json_response(text=json.dumps(told, ensure_ascii=False), status=status)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self.metrics.exposition(self.service.device), headers={"Content-Type": CONTENT_TYPE}
        )


def _refused(error: Refusal) -> web.Response:
    response = web.json_response(text=error.to_json(), status=error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status in (408, 413):
        response.force_close()  # the rest of the body is not waited for
    return response
