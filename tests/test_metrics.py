"""The figures of a bot as Prometheus reads them."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.app import App, opened
from bot.command import CommandError
from bot.metrics import told
from bot.settings import Settings
from engine.grounding import FAULTS
from handlers.turn import Text
from tests.botapi import BotApi
from tests.openais import Answer, serving
from tests.talk import Someone, Stage, at_once
from tests.telegrams import Talk, running

LIES = "이유: 영화 《기생충》처럼 1897년에 나온 작품이에요.\n도움: 한결 가벼워질 거예요."


async def figures(port: int) -> dict[tuple[str, ...], float]:
    """What is told, by name and the values of its labels in their order."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples
    }


def with_metrics(app: App, address: str) -> App:
    settings = app.settings.model_copy(update={"metrics": address})
    return App(settings, app.database, app.index, app.embedder, app.engine, opening=app.opening)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.usefixtures("hurried")
async def test_a_bot_tells_of_its_turns_and_its_index(
    stage: Stage, api: BotApi, unused_tcp_port: int
) -> None:
    async with running(stage.app, api, metrics=str(unused_tcp_port)):
        before = await figures(unused_tcp_port)
        assert before["oneulmwo_turns_total", "failed", "telegram"] == 0
        minji = api.world.person()
        await Talk(api, api.world.private(minji), minji).says("웃긴 영화")
        after = await figures(unused_tcp_port)
    done = ("oneulmwo_turns_total", "done", "telegram")
    assert after[done] == before[done] + 1
    assert after["oneulmwo_turn_seconds_count", "telegram"] == 1
    assert 0 < after["oneulmwo_turn_seconds_sum", "telegram"] < 60
    assert after["oneulmwo_index_items",] == stage.app.index.now().count
    assert after["process_resident_memory_bytes",] > 1 << 20
    with pytest.raises(httpx.ConnectError):
        await figures(unused_tcp_port)


async def test_sentences_that_were_not_let_through_are_counted_by_their_fault(
    built_home: Path, tmp_path: Path
) -> None:
    shutil.copytree(built_home, home := tmp_path / "home")
    async with serving() as worker:
        worker.otherwise = lambda body: Answer(text=LIES if body["model"] == "reply" else "")
        settings = Settings.model_validate(
            {"home": home, "turns_per_minute": 0, "llm_url": worker.url, "metrics": "localhost:0"}
        )
        async with opened(settings) as app:
            assert app.engine.llm is not None
            await app.engine.llm.ready()
            reader = Someone(Stage(app), "reader")
            with told(app, reader.stage.delivery) as port:
                assert port
                await at_once(reader, Text("한국 코미디 영화"))
                found = await figures(port)
    refused = {fault: found["oneulmwo_model_refused_sentences_total", fault] for fault in FAULTS}
    assert refused["title"] + refused["year"] >= 3
    assert refused["garbage"] == 0
    assert found["oneulmwo_model_calls_total",] > 0
    assert found["oneulmwo_model_tokens_total", "completion"] > 0
    assert found["oneulmwo_model_available",] == 1


async def test_an_address_that_is_taken_is_said_in_one_line(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        app = with_metrics(stage.app, address)
        refusal = pytest.raises(CommandError, match=f"{address} cannot be had.*ONEULMWO_METRICS")
        with refusal, told(app, app.delivery(stage)):
            pass


@pytest.mark.parametrize(
    ("written", "read"),
    [("", None), ("9100", ("127.0.0.1", 9100)), ("0.0.0.0:9100", ("0.0.0.0", 9100)), ("[::1]:1", ("::1", 1))],
)
def test_an_address_is_a_port_of_this_machine_or_of_a_host(
    written: str, read: tuple[str, int] | None
) -> None:
    assert Settings(metrics=written).metrics_address == read
