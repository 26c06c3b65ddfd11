"""The commands `oneulmwo jobs` and `oneulmwo inquiries`: what operators do at the machine."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Annotated, Any

import typer

from bot.command import CommandError, run, settings

jobs = typer.Typer(
    help="Work off long jobs until stopped; or list, ask for and stop them.", invoke_without_command=True
)
inquiries = typer.Typer(help="Read and answer what people ask the operators.", invoke_without_command=True)


@inquiries.callback()
def inquiries_open(context: typer.Context) -> None:
    """Read and answer what people ask the operators; alone, list what waits for an answer."""
    if context.invoked_subcommand is None:
        run(_operate("open_inquiries"))


@inquiries.command("answer")
def inquiries_answer(
    number: Annotated[int, typer.Argument(min=1, help="The inquiry's number.")],
    text: Annotated[str, typer.Argument(help="What whoever asked is told.")],
) -> None:
    """Answer an inquiry; the bot sends it where it was asked."""
    run(_operate("answer", number, text))


@jobs.callback()
def jobs_work(context: typer.Context) -> None:
    """Work off the jobs that wait, and those to come, until stopped; what is not done is done by the next."""
    if context.invoked_subcommand is None:
        run(_work())


@jobs.command("list")
def jobs_list() -> None:
    """Tell how the jobs stand that were asked for last."""
    run(_operate("recent_jobs"))


@jobs.command("ask")
def jobs_ask(
    kind: Annotated[str, typer.Argument(help="What to have done: index, rollback, enrich or export.")],
) -> None:
    """Have a job done by whoever works off jobs."""
    from handlers.jobs import KINDS

    if kind not in KINDS:
        raise typer.BadParameter(f"choose one of {', '.join(KINDS)}", param_hint="KIND")
    run(_operate("ask_for_job", kind))


@jobs.command("stop")
def jobs_stop(number: Annotated[int, typer.Argument(min=1, help="The job's number.")]) -> None:
    """Stop a job; what was in use before stays in use."""
    run(_operate("stop_job", number))


async def _operate(name: str, *arguments: Any) -> None:
    """Print what a function of `bot.operate` tells: a line, or several."""
    from bot import operate

    try:
        told = getattr(operate, name)(settings(), *arguments)
        if isinstance(told, AsyncIterator):
            async for line in told:
                typer.echo(line)
        else:
            typer.echo(await told)
    except operate.OperatorError as error:
        raise CommandError(str(error)) from None


async def _work() -> None:
    from bot import works
    from bot.alarms import sounding
    from bot.app import parts
    from data.phrases import phrases
    from handlers.jobs import line
    from storage.jobs import Job

    async with parts(settings()) as running:

        async def tell(job: Job) -> None:
            typer.echo(line(job, phrases("en")))
            await works.tell(running.database, job)

        runner = running.runner(tell=tell)
        stop = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        async with sounding(running.database, running.settings.admins):
            work = asyncio.create_task(runner.run())
            typer.echo("Waiting for jobs. Ctrl-C stops; what is not done is taken up by the next.", err=True)
            await asyncio.wait({work, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
            await runner.close(grace=0)
            await work
