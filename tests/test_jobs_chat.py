"""Long work as operators see it in a chat: buttons, progress in one message, a button that stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.runner import Runner, Told
from data.phrases import phrases
from handlers.turn import Reply
from storage import jobs
from tests.talk import Someone, Stage

talks = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
KO = phrases("ko")


@pytest.fixture
def operator(stage: Stage, request: pytest.FixtureRequest) -> Someone:
    """An operator on a platform of their own, over the same database."""
    name = f"{request.node.name}.operator"
    settings = stage.app.settings.model_copy(update={"admins": (("ops", name),)})
    return Someone(Stage(replace(stage.app, settings=settings), "ops"), name)


async def last(person: Someone) -> jobs.Job:
    async with person.stage.app.database.reading() as connection:
        return max(await jobs.recent(connection, 20), key=lambda job: job.id)


async def told(person: Someone, number: int) -> list[Reply]:
    """What the operator was shown of a job, as the platform's own process finds it."""
    person.stage.delivery.wake()
    await person.stage.delivery.settle()
    return person.stage.shown[f"job.{number}"]


@talks
async def test_an_operator_has_the_index_built_and_sees_how_it_goes(operator: Someone) -> None:
    panel = await operator.commands("admin")
    asked = await operator.presses(panel.button(KO.say("job.begin.index")))
    assert asked.text == KO.say("job.asked", name=KO.say("job.kind.index"))
    former = operator.stage.app.index.version
    assert await operator.stage.app.runner().work_one()
    job = await last(operator)
    assert job.state == "done"
    shown = await told(operator, job.id)
    assert shown[-1].text.startswith(f"#{job.id} {KO.say('job.kind.index')}: 다 됐어요.")
    assert not shown[-1].choices, "what is over cannot be stopped"
    assert operator.stage.app.index.version != former
    assert (await operator.says("웃긴 영화")).cards


@talks
async def test_an_operator_stops_a_job_by_its_button(operator: Someone) -> None:
    begun = asyncio.Event()

    async def endless(payload: object, tell: Told) -> dict[str, int]:
        tell("vectors", 45, 100)
        begun.set()
        await asyncio.Event().wait()
        return {}

    panel = await operator.commands("admin")
    await operator.presses(panel.button(KO.say("job.begin.index")))
    app = operator.stage.app
    runner = Runner(app.database, {"index": endless}, app.runner().tell, beat=0.01)
    work = asyncio.create_task(runner.work_one())
    await begun.wait()
    number = (await last(operator)).id
    async with asyncio.timeout(20):
        while not any(  # noqa: ASYNC110 - what another process stores can only be looked for
            "45%" in reply.text for reply in await told(operator, number)
        ):
            await asyncio.sleep(0.02)
    card = (await told(operator, number))[-1]
    assert KO.say("console.building_stage.vectors") in card.text
    stopped = await operator.presses(card.choices[0].data)
    assert stopped.text == KO.say("job.stopping", number=number)
    await work
    assert (await told(operator, number))[-1].text.endswith(KO.say("job.state.stopped"))
    again = await operator.presses(card.choices[0].data)
    assert again.text.endswith(KO.say("job.state.stopped"))


@talks
@pytest.mark.parametrize("data", ["job:begin:index", "job:stop:1", "job:panel", "job:begin:import"])
async def test_whoever_is_no_operator_learns_nothing(someone: People, data: str) -> None:
    person = someone()
    before = await last_or_none(person)
    assert (await person.presses(data)).text == KO.say("chat.stale")
    assert (await person.commands("admin")).text == KO.say("chat.unknown_command")
    assert await last_or_none(person) == before


@talks
@pytest.mark.parametrize(
    "data", ["job:begin:dance", "job:begin:", "job:stop:x", "job:stop:", "job:", "job:panel:1"]
)
async def test_a_forged_button_does_nothing(operator: Someone, data: str) -> None:
    assert (await operator.presses(data)).text == KO.say("chat.stale")


@talks
async def test_a_job_that_is_not_there_cannot_be_stopped(operator: Someone) -> None:
    assert (await operator.presses("job:stop:999999")).text == KO.say("job.unknown", number=999999)


async def last_or_none(person: Someone) -> int | None:
    async with person.stage.app.database.reading() as connection:
        return max((job.id for job in await jobs.recent(connection, 20)), default=None)


@pytest.mark.usefixtures("home")
def test_jobs_are_asked_for_listed_and_stopped_at_the_machine() -> None:
    run = CliRunner().invoke
    assert run(app, ["jobs", "list"]).output == "No job was asked for yet.\n"
    assert "#1" in run(app, ["jobs", "ask", "index"]).output
    assert "#1 rebuilding the index: waiting its turn" in run(app, ["jobs", "list"]).output
    assert run(app, ["jobs", "stop", "1"]).output == "Job #1 is stopped.\n"
    over = run(app, ["jobs", "stop", "1"])
    assert (over.exit_code, over.stderr) == (1, "Job #1 is over already: stopped.\n")
    assert run(app, ["jobs", "stop", "7"]).exit_code == 1
    assert run(app, ["jobs", "ask", "dance"]).exit_code == 2
