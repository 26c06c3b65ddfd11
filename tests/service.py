"""A web service on this machine for tests of what asks one: it says what a test tells it to, over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from data.sources.web import Client
from data.sources.web import Service as Api

KEY = "S3cret/Key+For=Tests"


@dataclass(frozen=True)
class Say:
    """One answer. `endless` never stops sending, `hesitant` never comes to the end of its head; `cut` promises more than
    it sends and hangs up."""

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    endless: bool = False
    hesitant: bool = False
    cut: bool = False

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)
        return text.encode()


@dataclass
class Local:
    """What the service was asked, and what it answers: a function of path and parameters."""

    url: str
    answer: Callable[[str, dict[str, str]], Say]
    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def say(self, *said: Say) -> None:
        """Answer with these in turn, and with the last one from then on."""
        rest = list(said)
        self.answer = lambda path, params: rest.pop(0) if len(rest) > 1 else rest[0]


@contextmanager
def serving() -> Iterator[Local]:
    """A service that listens while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.hear(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self.hear(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

        def hear(self, form: str) -> None:
            local.heard.append((urlsplit(self.path).path.lstrip("/"), dict(parse_qsl(form))))
            local.headers.append(dict(self.headers))
            said = local.answer(*local.heard[-1])
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            try:
                while said.hesitant:
                    self.send_header("X-More", "to come")
                    self.flush_headers()
                    time.sleep(0.02)
                if not said.endless:
                    self.send_header("Content-Length", str(len(said.content) + said.cut))
                self.end_headers()
                self.wfile.write(said.content)
                while said.endless:
                    self.wfile.write(b" " * (1 << 14))
            except OSError:
                pass  # the client has had enough, which is what such a test wants
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    local = Local(f"http://127.0.0.1:{server.server_port}/", lambda path, params: Say(status=404))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield local
    server.shutdown()
    server.server_close()


@dataclass
class Time:
    """Time that passes only by sleeping."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def client(api: Api, time: Time | None = None, key: str = KEY) -> Client:
    """A client that never waits; what it would have waited stands in `time`."""
    time = time or Time()
    return Client(api, key, sleep=time.sleep, clock=time.clock, chance=lambda: 0.5)
