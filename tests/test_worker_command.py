"""`oneulmwo worker`: as a process asked by curl and the openai client, its end, and its one line where it cannot be."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from openai import OpenAI
from typer.testing import CliRunner, Result

from bot import serving
from bot.cli import app
from bot.serving import NON_COMMERCIAL
from engine.worker.plan import Plan
from tests import checkpoints

COMMAND = Path(sys.executable).with_name("oneulmwo")
KEY = "S3cret-key"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a checkpoint, and the adapters that training leaves there."""
    folder = tmp_path_factory.mktemp("home")
    checkpoints.exaone(folder / "exaone-tiny")
    for seed, name in enumerate(("reply", "rank")):
        checkpoints.adapter(folder / "adapters" / name, folder / "exaone-tiny", seed)
    return folder


@pytest.fixture
def environment(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("ONEULMWO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ONEULMWO_HOME", str(home))


def run(*words: str) -> Result:
    """The command in this process, which has torch already."""
    ran = CliRunner().invoke(app, ["worker", *words])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran


def refusal(*words: str) -> str:
    """The one line that says why it could not be done."""
    ran = run(*words)
    assert ran.exit_code == 1, ran.output
    (line,) = [each for each in ran.stderr.splitlines() if each != NON_COMMERCIAL]
    return line


class Process:
    """The command, run as a person does."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [COMMAND, "worker", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"ONEULMWO_LLM_KEY": KEY, "OMP_NUM_THREADS": "1"},
        )
        self.said: list[str] = []
        self.url = f"http://127.0.0.1:{self.line('Listening at')[1]}"

    def line(self, start: str) -> re.Match[str]:
        """Wait for a line; its last number is the first group."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith(start):
                found = re.search(r":(\d+)|$", line)
                assert found is not None
                return found
        raise AssertionError(f"it ended with {self.said} {self.rest(self.process.stderr)}")

    @staticmethod
    def rest(stream: IO[str] | None) -> str:
        return stream.read() if stream is not None else ""

    def end(self) -> tuple[int, str]:
        """Its exit code, and what it wrote to stderr."""
        errors = self.rest(self.process.stderr)
        return self.process.wait(30), errors


@pytest.fixture
def process(environment: None, home: Path) -> Iterator[Process]:
    started = Process(
        "--model", str(home / "exaone-tiny"), "--full", "--device", "cpu", "--port", "0", "--context", "4096"
    )
    yield started
    started.process.kill()
    started.process.wait(30)


def test_the_command_answers_curl_and_the_openai_client_and_ends_on_sigterm(process: Process) -> None:
    """With the adapters of the home, a key from the environment, and a stream that is finished before it ends."""
    process.line("Ready")
    assert process.said[-1].startswith("Ready: exaone-tiny, reply, rank; 4,096 tokens")
    curled = subprocess.run(
        ["curl", "-sS", f"{process.url}/v1/chat/completions", "-H", f"Authorization: Bearer {KEY}",
         "-H", "Content-Type: application/json",
         "-d", '{"model": "rank", "messages": [{"role": "user", "content": "뭐 먹지?"}], "max_tokens": 5}'],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(curled.stdout)["usage"]["completion_tokens"] <= 5
    assert httpx.get(f"{process.url}/health").json() == {"status": "ready"}
    assert httpx.get(f"{process.url}/v1/models").status_code == 401
    form: Any = {
        "type": "json_schema",
        "json_schema": {"name": "long", "schema": {"type": "string", "minLength": 2_000}},
    }
    with OpenAI(base_url=f"{process.url}/v1", api_key=KEY, max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["exaone-tiny", "reply", "rank"]
        stream = client.chat.completions.create(
            model="reply",
            messages=[{"role": "user", "content": "뭐 읽지?"}],
            max_tokens=400,
            stream=True,
            response_format=form,
        )
        first = next(iter(stream))
        assert first.choices[0].delta.role == "assistant"
        process.process.send_signal(signal.SIGTERM)
        rest = list(stream)
    assert rest[-1].choices[0].finish_reason == "length"
    code, errors = process.end()
    assert code == 0
    assert errors.splitlines() == [NON_COMMERCIAL]


def test_a_model_that_cannot_be_loaded_is_one_line_and_a_1(environment: None, home: Path) -> None:
    assert "/no/such/model" in refusal("--model", "/no/such/model", "--port", "0")
    spoilt = home / "spoilt"
    shutil.copytree(home / "exaone-tiny", spoilt)
    weights = spoilt / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    assert "safetensors" in refusal("--model", str(spoilt), "--port", "0")
    tiny = ("--model", str(home / "exaone-tiny"), "--full", "--device", "cpu", "--port", "0")
    assert "/no/adapter" in refusal(*tiny, "--adapter", "reply=/no/adapter")
    assert "32,768" in refusal(*tiny, "--context", "40000")


def test_a_port_that_is_taken_is_one_line_and_a_1(environment: None, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal("--model", str(home / "exaone-tiny"), "--port", port)
    assert port in said
    assert "--port" in said


@pytest.mark.parametrize(
    "words",
    [
        ("--adapter", "reply"),
        ("--adapter", "=folder"),
        ("--adapter", "a=b", "--adapter", "a=c"),
        ("--cache", "much"),
        ("--cache", "0GB"),
        ("--cache", "-1GB"),
        ("--port", "70000"),
        ("--rows", "0"),
        ("--seconds", "0"),
        ("--no-such-option",),
        ("no-such-command",),
        ("export", "only-one"),
    ],
)
def test_wrong_usage_is_a_2(environment: None, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


@pytest.mark.parametrize(
    ("written", "size"), [("4GB", 4 << 30), ("512 MB", 512 << 20), ("1.5g", 3 << 29), ("2GiB", 2 << 30), ("1048576", 1 << 20)]
)  # fmt: skip
def test_sizes_are_read_as_people_write_them(written: str, size: int) -> None:
    assert serving._bytes(written) == size


def test_what_is_not_installed_is_one_line_that_says_how(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    for words in (("--port", "0"), ("export", "model", "folder")):
        said = refusal(*words)
        assert said.startswith("bitsandbytes is not installed")
        assert "make worker" in said
        assert "oneulmwo[worker]" in said


def test_without_a_key_only_this_machine_goes_unwarned(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that everybody reaches takes adapters from everybody."""
    model = ("--model", "/no/such/model", "--port", "0")
    for host, warned in (("127.0.0.1", False), ("::1", False), ("0.0.0.0", True)):
        assert ("ONEULMWO_LLM_KEY" in run(*model, "--host", host).stderr) is warned
    monkeypatch.setenv("ONEULMWO_LLM_KEY", KEY)
    said = run(*model, "--host", "0.0.0.0").output
    assert "ONEULMWO_LLM_KEY" not in said
    assert KEY not in said


def test_options_come_through(environment: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Plan] = []

    async def serve(plan: Any, host: str, port: int) -> None:
        made.append(plan(home))

    monkeypatch.setattr(serving, "_serve", serve)
    assert run().exit_code == 0
    assert made[0].model == "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct"
    assert made[0].adapters == {name: str(home / "adapters" / name) for name in ("reply", "rank")}
    assert made[0].nf4
    words = "--model m --adapter x=/a=b --full --device cpu --context 512 --cache 2GB --rows 3 --queue 0 --seconds 5"
    assert run(*words.split(), "--embeddings", "e").exit_code == 0
    assert made[1] == Plan("m", {"x": "/a=b"}, "cpu", False, 512, 2 << 30, 3, 0, 5.0, "e")


def test_export_writes_llamas_layout_and_says_where(environment: None, home: Path, tmp_path: Path) -> None:
    ran = run("export", str(home / "exaone-tiny"), str(tmp_path / "llama"))
    assert ran.exit_code == 0, ran.output
    assert json.loads((tmp_path / "llama" / "config.json").read_text())["model_type"] == "llama"
    assert str(tmp_path / "llama") in ran.stdout
    assert "exists" in refusal("export", str(home / "exaone-tiny"), str(tmp_path / "llama"))
    assert "/no/such/model" in refusal("export", "/no/such/model", str(tmp_path / "other"))


def test_the_other_commands_do_not_wait_for_torch() -> None:
    """`oneulmwo chat` begins in the time that importing torch alone would take."""
    heavy = "{'torch', 'transformers', 'aiohttp', 'peft', 'openai', 'prometheus_client'}"
    program = f"import bot.cli, sys; print(sorted({heavy} & sys.modules.keys()))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.strip() == "[]"
