"""The command `oneulmwo worker`: a model served to any number of bots, and a checkpoint exported for vLLM."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.command import CommandError
from bot.command import run as _run
from bot.command import settings as _settings

if TYPE_CHECKING:
    from engine.worker.plan import Plan
    from engine.worker.service import Service

DEFAULT_MODEL = "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct"
ADAPTERS = ("reply", "rank", "question")
"""Folders of these names in `adapters` of the home are served where they stand."""
PACKAGES = (
    "accelerate", "aiohttp", "bitsandbytes", "llguidance", "peft", "sentence_transformers", "torch",
    "transformers",
)  # fmt: skip
"""What the extra `worker` brings."""
GRACE_SECONDS = 20.0
"""How long answers that run may take once the worker is told to stop."""
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
NON_COMMERCIAL = "EXAONE's licence is non-commercial; free for any use are Qwen3 and Mistral 7B (Apache-2.0)."

worker = typer.Typer(help="Serve a model to the bot, as an OpenAI-compatible server.", add_completion=False)


@worker.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="A folder, or a name on the Hugging Face hub.")] = DEFAULT_MODEL,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            help="A LoRA adapter as NAME=FOLDER, any number of times; else reply, rank and question "
            "in the folder `adapters` of ONEULMWO_HOME, where they stand.",
            metavar="NAME=FOLDER",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is a free one.")] = 8000,
    device: Annotated[str, typer.Option(help="cuda, cuda:1, cpu, or auto.")] = "auto",
    nf4: Annotated[bool, typer.Option("--nf4/--full", help="In 4 bits, or as the checkpoint is.")] = True,
    tokens: Annotated[
        int | None,
        typer.Option("--context", min=16, help="Tokens of a request with its answer; else at most 8,192."),
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(
            help="Memory for the keys and values of what runs, such as 4GB; else what the GPU has left."
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=1024, help="Requests that are answered at once.")] = 32,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait.")] = 64,
    seconds: Annotated[
        float, typer.Option(min=1, help="What a request may take, its waiting included.")
    ] = 120.0,
    embeddings: Annotated[
        str | None, typer.Option(help="A sentence-transformers model for /v1/embeddings.", metavar="MODEL")
    ] = None,
) -> None:
    """Serve a model and its adapters; the bot finds it by ONEULMWO_LLM_URL.

    Where ONEULMWO_LLM_KEY is set, whoever asks has to have it.
    """
    if context.invoked_subcommand is not None:
        return
    named = _named(adapter) if adapter is not None else None
    cache_bytes = _bytes(cache) if cache is not None else None

    def plan(home: Path) -> Plan:
        from engine.worker.plan import Plan

        return Plan(
            model=model,
            adapters=named if named is not None else _standing(home / "adapters"),
            device=device,
            nf4=nf4,
            context=tokens,
            cache_bytes=cache_bytes,
            rows=rows,
            queue=queue,
            seconds=seconds,
            embeddings=embeddings,
        )

    _run(_serve(plan, host, port))


@worker.command()
def export(
    model: Annotated[str, typer.Argument(help="A folder, or a name on the Hugging Face hub.")],
    folder: Annotated[Path, typer.Argument(help="Where to write it; made if need be.")],
) -> None:
    """Write a model in Llama's layout, so that vLLM serves it with the same adapters."""
    _run(_export(model, folder))


async def _serve(made: Callable[[Path], Plan], host: str, port: int) -> None:
    _require(PACKAGES)
    from engine.worker.metrics import Metrics
    from engine.worker.server import Server
    from engine.worker.service import Service

    settings = _settings()
    key = settings.llm_key.get_secret_value() if settings.llm_key is not None else ""
    plan = made(settings.home)
    if "exaone" in plan.model.lower():
        typer.echo(NON_COMMERCIAL, err=True)
    if not key and not _loopback(host):
        typer.echo(
            f"Whoever reaches {host} may use this worker and change its adapters: set ONEULMWO_LLM_KEY to a secret.",
            err=True,
        )
    stopping = _signalled()
    metrics = Metrics()
    with _progress(plan.name) as move:
        service = Service(plan, metrics, move)
        try:
            async with Server(service, metrics, key).listening(host, port) as bound:
                typer.echo(f"Listening at http://{_written(host)}:{bound}, loading {plan.name}.")
                await _work(service, stopping)
        except OSError as error:
            reason = error.strerror or str(error)
            raise CommandError(
                f"Port {port} of {host} cannot be had ({reason}): give --port another."
            ) from error


async def _work(service: Service, stopping: asyncio.Event) -> None:
    """Load, serve, and stop when told to."""
    service.start()
    ready = asyncio.create_task(service.ready())
    stopped = asyncio.create_task(stopping.wait())
    tasks: list[asyncio.Task[Any]] = [ready, stopped]
    try:
        await asyncio.wait({ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            ready.result()
            names = "".join(f", {name}" for name in service.adapters)
            typer.echo(f"Ready: {service.name}{names}; {service.context:,} tokens a request.")
            ended = asyncio.create_task(service.ended())
            tasks.append(ended)
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
        typer.echo("Stopping.")
    finally:
        for task in tasks:
            task.cancel()
        await service.close(GRACE_SECONDS)


def _signalled() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; the second ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = signal.SIGINT, signal.SIGTERM

    def stop() -> None:
        stopping.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, stop)
    return stopping


async def _export(model: str, folder: Path) -> None:
    _require(PACKAGES)
    from engine.worker.export import export as write

    await asyncio.to_thread(write, model, str(folder))
    typer.echo(f"{folder} holds {model} in Llama's layout.")


def _require(packages: Sequence[str]) -> None:
    """Raises CommandError unless all of these are installed; imports none of them."""
    for name in packages:
        if find_spec(name) is None:
            raise CommandError(
                f"{name} is not installed: run `make worker`, or pip install 'oneulmwo[worker]'."
            )


@contextmanager
def _progress(name: str) -> Iterator[Callable[[float], None]]:
    """What moves a bar on stderr while a model loads; nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    out = Console(stderr=True)
    bar = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
    task = bar.add_task(name, total=1.0)

    def move(share: float) -> None:
        bar.update(task, completed=share)
        if share >= 1.0:
            bar.stop()

    with bar:
        yield move


def _named(options: list[str]) -> dict[str, str]:
    """Folders by names, as the options say. Raises typer.BadParameter."""
    named: dict[str, str] = {}
    for option in options:
        name, found, folder = option.partition("=")
        if not (found and name.strip() and folder.strip()):
            raise typer.BadParameter("write it as NAME=FOLDER", param_hint="--adapter")
        if name.strip() in named:
            raise typer.BadParameter(f"{name} is given twice", param_hint="--adapter")
        named[name.strip()] = folder.strip()
    return named


def _standing(folder: Path) -> dict[str, str]:
    """The adapters that training has left there."""
    return {
        name: str(folder / name) for name in ADAPTERS if (folder / name / "adapter_config.json").is_file()
    }


def _bytes(written: str) -> int:
    """A size such as 4GB, 512 MB or 1.5g. Raises typer.BadParameter."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", written, re.IGNORECASE)
    size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if size < 1 << 20:
        raise typer.BadParameter("write a size of at least 1MB, such as 4GB", param_hint="--cache")
    return size


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host
