"""The check-up: every part tried as a running bot would use it, and for what fails the command that mends it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import typer

from bot import indexing
from bot.app import App, parts
from bot.serving import NON_COMMERCIAL
from bot.settings import Settings
from data.item import BadRow
from data.sources import catalog
from engine.address import base, is_own
from engine.completion import Unavailable
from engine.errors import EngineError
from engine.llm import ADAPTERS
from engine.place import Unusable
from storage import items

WORKER_SECONDS = 5.0


class Finding(Exception):
    """Something is missing; the message says what, and the command that mends it."""


async def examine(load: Callable[[], Settings]) -> None:
    """Print a line for each part. Raises typer.Exit(1) when one of them needs mending."""
    settings = load()
    typer.echo(f"✓ settings   home {settings.home.resolve()}")
    sound = True
    async with parts(settings) as app:
        typer.echo("✓ database   reachable and up to date")
        for name, check in (
            ("catalog", _catalog),
            ("index", _index),
            ("embedder", _embedder),
            ("korean", _korean),
            ("worker", _worker),
            ("nearby", _nearby),
        ):
            sound &= await _report(name, check, app)
    if not sound:
        raise typer.Exit(1)


async def _report(name: str, check: Callable[[App], Awaitable[str]], app: App) -> bool:
    try:
        typer.echo(f"✓ {name:<10} {await check(app)}")
    except (Finding, EngineError) as finding:
        typer.echo(f"✗ {name:<10} {finding}")
        return False
    return True


async def _catalog(app: App) -> str:
    bad = [row for row in catalog.shipped() if isinstance(row, BadRow)]
    async with app.database.reading() as connection:
        count = await items.count(connection)
    if bad:
        raise Finding(f"{len(bad)} lines could not be read, the first is {bad[0]}: reinstall oneulmwo.")
    return f"{count} items"


async def _index(app: App) -> str:
    reason = await indexing.stale(app.database, app.embedder)
    if reason == "missing":
        raise Finding("there is none yet: run `oneulmwo index`.")
    async with app.database.reading() as connection:
        active = await items.active_index(connection)
    assert active is not None
    await app.index.use(active.version)
    if active.embedder != app.embedder.name:
        raise Finding(f"it was made with the embedder {active.embedder}: run `oneulmwo index`.")
    if reason is not None:
        raise Finding("it is older than the catalog: run `oneulmwo index`.")
    return f"version {active.version}, {await app.index.count()} items, fresh"


async def _embedder(app: App) -> str:
    made = app.embedder
    await made.prepare()
    vector = await made.query("비 오는 날")
    if vector.shape != (made.dimensions,) or not vector.any():
        raise Finding(f"{made.name} gives no vectors: reinstall oneulmwo.")
    async with app.database.reading() as connection:
        active = await items.active_index(connection)
    if active is not None and active.embedder == made.name and app.index.version == active.version:
        indexed = app.index.now().dimensions
        if indexed != made.dimensions:
            raise Finding(
                f"{made.name} has {made.dimensions} dimensions now, its index {indexed}: run `oneulmwo index`."
            )
    return f"{made.name}, {made.dimensions} dimensions, from {made.where}"


async def _korean(app: App) -> str:
    await app.engine.korean.ready()
    mended, morphemes = app.engine.korean.analyse("떡복이")
    if not morphemes:
        raise Finding(
            "kiwipiepy analyses nothing: reinstall it with `pip install --force-reinstall kiwipiepy`."
        )
    return f"kiwipiepy reads 떡복이 as {mended}"


async def _worker(app: App) -> str:
    settings = app.settings
    if settings.llm_url is None:
        return "none set, the embedded writer and ranker answer (ONEULMWO_LLM_URL names one)"
    names = await worker_models(settings)
    licence = f" {NON_COMMERCIAL}" if any("exaone" in name.lower() for name in names) else ""
    missing = [name for name in ADAPTERS if name not in names]
    lacking = (
        f" Not served: {', '.join(missing)}; the base model words in their place, and orders nothing."
        if missing
        else ""
    )
    return f"answers with {', '.join(names)}, its first word after {await _first_word(app):.0f} ms.{lacking}{licence}"


async def _first_word(app: App) -> float:
    """Milliseconds until the worker begins to write. Raises Finding when it does not."""
    assert app.engine.llm is not None
    await app.engine.llm.ready()
    began = time.perf_counter()
    hello = [{"role": "user", "content": "안녕하세요?"}]
    try:
        async with app.engine.llm.stream(
            hello, adapter=None, max_tokens=4, budget_first=WORKER_SECONDS, budget_all=WORKER_SECONDS
        ) as pieces:
            await anext(pieces, "")
    except Unavailable as failure:
        raise Finding(f"it lists its models, but: {failure} Look into the worker's own log.") from None
    return (time.perf_counter() - began) * 1000


async def worker_models(settings: Settings) -> list[str]:
    """What the worker that is set serves. Raises Finding when it does not answer, from what kept it from that."""
    headers: dict[str, Any] = {}
    if settings.llm_key is not None:
        headers["Authorization"] = f"Bearer {settings.llm_key.get_secret_value()}"
    url = f"{base(str(settings.llm_url))}/models"
    try:
        async with httpx.AsyncClient(timeout=WORKER_SECONDS, trust_env=not is_own(url)) as client:
            answer = await client.get(url, headers=headers)
            answer.raise_for_status()
            return [str(model["id"]) for model in answer.json()["data"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise Finding(
            f"no answer from ONEULMWO_LLM_URL ({type(error).__name__}): start the worker or unset the variable."
        ) from error


async def _nearby(app: App) -> str:
    otherwise = (
        "OpenStreetMap is asked" if app.settings.overpass_url is not None else "a link to a map is given"
    )
    if not app.places.kakao_key:
        return (
            f"no Kakao key, {otherwise} for restaurants (ONEULMWO_KAKAO_KEY; developers.kakao.com gives one)"
        )
    try:
        await app.places.check_key()
    except Unusable as failure:
        raise Finding(
            f"Kakao does not answer for ONEULMWO_KAKAO_KEY ({failure}), {otherwise} for restaurants:"
            " check the key and that KakaoMap is switched on for it at developers.kakao.com, or unset the variable."
        ) from None
    return f"Kakao takes ONEULMWO_KAKAO_KEY; where it knows nothing, {otherwise}"
