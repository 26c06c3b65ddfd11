"""`oneulmwo doctor`: what is sound, what is not, and the command that mends it."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.serving import NON_COMMERCIAL
from data.item import Item
from data.sources import catalog
from tests.maps import KAKAO_REFUSALS, document, documents
from tests.service import KEY, Say, serving


def doctor() -> tuple[int, dict[str, str]]:
    """The exit code, and each part's line by its name."""
    ran = CliRunner().invoke(app, ["doctor"])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    lines = ran.stdout.splitlines()
    return ran.exit_code, {line.split()[1]: line for line in lines}


class Worker(BaseHTTPRequestHandler):
    """A worker as far as a check-up asks."""

    answer: ClassVar[Any] = None
    status: ClassVar[int] = 200
    writes: ClassVar[int] = 200
    heard: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.heard.append((self.path, self.headers["Authorization"]))
        body = json.dumps(self.answer).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        delta = {"choices": [{"index": 0, "delta": {"content": "네"}, "finish_reason": "stop"}]}
        body = b"data: " + json.dumps(delta).encode() + b"\n\ndata: [DONE]\n\n"
        self.send_response(self.writes)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Worker]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Worker)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    Worker.heard, Worker.status, Worker.writes = [], 200, 200
    Worker.answer = {"data": [{"id": "base"}, {"id": "reply"}]}
    monkeypatch.setenv("ONEULMWO_LLM_URL", f"http://127.0.0.1:{server.server_port}")
    yield Worker
    server.shutdown()
    server.server_close()


def test_everything_sound_is_said_and_exits_with_0(home: Path, catalog_items: tuple[Item, ...]) -> None:
    code, parts = doctor()
    assert code == 0
    assert list(parts) == [
        "settings",
        "database",
        "catalog",
        "index",
        "embedder",
        "korean",
        "worker",
        "nearby",
    ]
    assert all(line.startswith("✓") for line in parts.values())
    assert str(home) in parts["settings"]
    assert f"{len(catalog_items)} items" in parts["catalog"]
    assert "fresh" in parts["index"]


def test_an_index_never_built_names_the_command(home: Path) -> None:
    shutil.rmtree(home)
    code, parts = doctor()
    assert code == 1
    assert parts["index"].startswith("✗")
    assert "oneulmwo index" in parts["index"]
    assert sum(line.startswith("✗") for line in parts.values()) == 1


def test_an_index_that_cannot_be_read_names_the_command_and_the_rest_is_checked(home: Path) -> None:
    shutil.rmtree(home / "lancedb")
    code, parts = doctor()
    assert code == 1
    assert parts["index"].startswith("✗")
    assert "oneulmwo index" in parts["index"]
    assert parts["worker"].startswith("✓")


def test_a_broken_line_of_the_catalog_is_found_at_every_check(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps away a check that only the first start after an update passes on."""
    folder = tmp_path / "catalog"
    shutil.copytree(str(catalog.folder()), folder)
    dishes = (folder / "foods.jsonl").read_text(encoding="utf-8").count("\n")
    with (folder / "foods.jsonl").open("a", encoding="utf-8") as foods:
        foods.write('{"id":"food:half\n')
    monkeypatch.setattr(catalog, "folder", lambda: folder)
    catalog.shipped_hash.cache_clear()
    try:
        for _ in range(2):
            code, parts = doctor()
            assert code == 1
            assert parts["catalog"].startswith("✗")
            assert f"foods.jsonl:{dishes + 1}" in parts["catalog"]
    finally:
        catalog.shipped_hash.cache_clear()


def test_a_worker_that_answers_is_named_with_its_models(
    home: Path, worker: type[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEULMWO_LLM_KEY", "sk-hunter2")
    code, parts = doctor()
    assert code == 0
    assert "base, reply" in parts["worker"]
    assert NON_COMMERCIAL not in parts["worker"]
    assert "first word after" in parts["worker"]
    assert "Not served: rank, question; the base model words" in parts["worker"]
    assert set(worker.heard) == {("/v1/models", "Bearer sk-hunter2")}
    assert "hunter2" not in str(parts)


def test_a_worker_that_lists_models_and_writes_nothing_needs_mending(
    home: Path, worker: type[Worker]
) -> None:
    worker.writes = 500
    code, parts = doctor()
    assert code == 1
    assert "refused to answer. (500)" in parts["worker"]


def test_exaones_licence_is_told(home: Path, worker: type[Worker]) -> None:
    worker.answer = {"data": [{"id": "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct"}]}
    _, parts = doctor()
    assert NON_COMMERCIAL in parts["worker"]


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, {}), (404, {}), (401, {}), (200, {}), (200, []), (200, {"data": [{}]}), (200, None)],
)
def test_a_worker_that_answers_nonsense_needs_mending(
    home: Path, worker: type[Worker], status: int, answer: object
) -> None:
    worker.status, worker.answer = status, answer
    code, parts = doctor()
    assert code == 1
    assert parts["worker"].startswith("✗")
    assert "ONEULMWO_LLM_URL" in parts["worker"]


def test_a_worker_that_is_not_there_needs_mending(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("ONEULMWO_LLM_URL", f"http://127.0.0.1:{port}")
    code, parts = doctor()
    assert code == 1
    assert parts["worker"].startswith("✗")
    assert "start the worker or unset the variable" in parts["worker"]


def test_without_a_key_it_says_who_is_asked_for_restaurants(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, parts = doctor()
    assert code == 0
    assert "no Kakao key, OpenStreetMap is asked" in parts["nearby"]
    assert "ONEULMWO_KAKAO_KEY" in parts["nearby"]
    monkeypatch.setenv("ONEULMWO_OVERPASS_URL", "")
    assert "a link to a map is given" in doctor()[1]["nearby"]


def test_the_key_of_the_map_is_tried_and_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEULMWO_KAKAO_KEY", KEY)
    with serving() as kakao:
        monkeypatch.setenv("ONEULMWO_KAKAO_URL", kakao.url)
        kakao.say(Say(documents(document())))
        code, parts = doctor()
        assert (code, parts["nearby"][0]) == (0, "✓")
        kakao.say(KAKAO_REFUSALS["no such key"])
        code, parts = doctor()
        assert (code, parts["nearby"][0]) == (1, "✗")
        assert "(401)" in parts["nearby"]
        assert KEY not in str(parts)
        assert "S3cret" not in str(parts)
