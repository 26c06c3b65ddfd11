"""The terminal as a platform: cards and numbered choices, scripts, pipes."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from bot.app import opened
from bot.cli import app
from bot.console import CARD_WIDTH, Terminal, render
from bot.script import as_object
from bot.settings import Settings
from data.phrases import phrases
from handlers.turn import Card, Choice, Poll, Reply
from tests.talk import Stage

KO = phrases("ko")
ESCAPE = "\x1b"
KEYS = ["turn", "user", "slot", "text", "cards", "choices", "poll", "private"]
CARD_KEYS = ["id", "domain", "title", "fit", "reason", "benefit", "facts", "url"]
COMMAND = Path(sys.executable).with_name("oneulmwo")

CARD = Card(
    "book:a", "book", "소년이 온다", 8, "마음에 남아요.", "위로가 돼요.", ("소설", "216쪽"), "https://a.kr"
)
TWO = Reply(
    "이런 책은 어때요?",
    cards=(CARD, Card("movie:b", "movie", "기생충", 7, "숨을 죽여요.", "")),
    choices=(
        Choice("소년이 온다 자세히", "item:x:1", 1),
        Choice("다른 거 보기", "more:x", 2),
        Choice("1 👍", "fb:like:x:1", 3),
        Choice("2 👍", "fb:like:x:2", 4),
    ),
)


def rendered(reply: Reply, *, terminal: bool = False) -> str:
    out = Console(
        file=io.StringIO(),
        width=CARD_WIDTH,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    render(out, reply, KO)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def script(tmp_path: Path, *lines: dict[str, Any] | str) -> Path:
    path = tmp_path / "script.jsonl"
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
        + "\n",
        encoding="utf-8",
    )
    return path


def play(path: Path, *options: str) -> tuple[Result, list[dict[str, Any]]]:
    ran = CliRunner().invoke(app, ["chat", "--script", str(path), "--json", *options])
    return ran, [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_card_shows_what_a_person_decides_by() -> None:
    shown = rendered(Reply(cards=(CARD,)))
    for words in (CARD.title, CARD.reason, CARD.benefit, "소설 · 216쪽", f"{KO.say('console.fit')} 8/10"):
        assert words in shown


def test_choices_are_numbered_in_their_order_and_stand_where_they_belong() -> None:
    """Keeps away a number that presses another button than it stands before."""
    shown = rendered(TWO).splitlines()
    panels = "\n".join(shown[: max(n for n, line in enumerate(shown) if line.startswith("╰")) + 1])
    first, second = panels.split("2. 🎬")
    assert "3 👍" in first
    assert "4 👍" in second
    rest = "\n".join(shown[len(panels.splitlines()) :])
    assert re.search(r"1 소년이 온다 자세히\s*\n\s+2 다른 거 보기", rest)
    assert "👍" not in rest


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


async def grown(stage: Stage, out: io.StringIO, *, interactive: bool) -> str:
    """What is told of an answer that grows in two steps."""
    terminal = Terminal(stage.app, out, interactive)
    for reply in (
        Reply("골랐어요.", cards=(replace(CARD, reason="", benefit=""),), interim=True),
        Reply("골랐어요.", cards=(replace(CARD, benefit=""),), interim=True),
        Reply("골랐어요.", cards=(CARD,)),
    ):
        await terminal.send("here", reply, turn_id="t", message_id=None, person_id="me")
    return out.getvalue()


async def test_a_pipe_is_told_the_whole_of_an_answer_once(stage: Stage) -> None:
    """Each sentence that came would have printed all cards once more."""
    told = await grown(stage, io.StringIO(), interactive=False)
    assert told.count("소년이 온다") == 1
    assert "위로가 돼요." in told


async def test_a_terminal_shows_an_answer_grow_and_wipes_what_it_grew_from(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty seconds of nothing is what the movie bot was left for; three copies of a card are no better."""
    monkeypatch.setenv("TERM", "xterm-256color")
    told = await grown(stage, Screen(), interactive=True)
    wiped, whole = told.rsplit("\x1b[2K", 1)
    assert "소년이 온다" in wiped
    assert whole.count("소년이 온다") == 1
    assert "위로가 돼요." in whole


def test_colour_is_for_terminals_only() -> None:
    assert ESCAPE in rendered(TWO, terminal=True)
    assert ESCAPE not in rendered(TWO)


def test_markup_in_a_text_is_text() -> None:
    """Keeps away a title in brackets that vanishes, or breaks the printing."""
    shown = rendered(
        Reply("[red]안녕[/red] [/] :smile:", cards=(Card("book:a", "book", "[bold]책", 1, "[/x]", ""),))
    )
    for words in ("[red]안녕[/red] [/] :smile:", "[bold]책", "[/x]"):
        assert words in shown


def test_a_reply_as_scripts_get_it_has_the_keys_of_the_contract() -> None:
    whole = as_object(
        Reply("골라요", cards=(CARD,), poll=Poll("뭐 먹지?", ("밥", "빵")), private=True), 3, "u1"
    )
    assert list(whole) == KEYS
    assert list(whole["cards"][0]) == CARD_KEYS
    assert whole["poll"] == {"question": "뭐 먹지?", "options": ["밥", "빵"]}
    assert (whole["turn"], whole["user"], whole["private"], whole["slot"]) == (3, "u1", True, "t3")


def test_a_script_prints_one_object_a_reply_numbered_by_line(home: Path, tmp_path: Path) -> None:
    path = script(
        tmp_path,
        {"user": "u1", "chat": "c1", "command": "start"},
        "",
        {"user": "u1", "chat": "c1", "text": "웃긴 영화"},
        {"user": "u2", "text": "다른 거"},
        {"user": "u1", "chat": "c1", "location": [37.5, 127.0]},
        {"user": "u1", "chat": "c1", "press": "survey:book:consent:no"},
        {"user": "u1", "chat": "c1", "press": "survey:book:mood:pick:tired"},
        {"user": "u1", "chat": "c1", "command": "/food 따뜻한 거"},
    )
    ran, replies = play(path)
    assert ran.exit_code == 0, ran.stderr
    assert ran.stderr == ""
    assert [reply["turn"] for reply in replies] == [1, 3, 4, 5, 6, 7, 8]
    assert [reply["user"] for reply in replies] == ["u1", "u1", "u2", "u1", "u1", "u1", "u1"]
    for reply in replies:
        assert list(reply) == KEYS
        assert reply["poll"] is None
        assert reply["private"] is False
        assert all(list(choice) == ["label", "data"] for choice in reply["choices"])
        assert all(list(card) == CARD_KEYS for card in reply["cards"])
    by_turn = {reply["turn"]: reply for reply in replies}
    assert {card["domain"] for card in by_turn[3]["cards"]} == {"movie"}
    assert {card["domain"] for card in by_turn[4]["cards"]} == {"book", "movie", "food"}, "another's wish"
    assert by_turn[5]["text"] == KO.say("nearby.which"), "no dish was talked about"
    assert by_turn[6]["slot"] == by_turn[7]["slot"] == "survey.book"
    assert {card["domain"] for card in by_turn[8]["cards"]} == {"food"}
    assert ESCAPE not in ran.stdout


BROKEN = [
    "{", "[]", "null", "웃긴 영화", '{"user":"u1"}', '{"text":"웃긴 영화"}', '{"user":"","text":"a"}',
    '{"user":"u1","text":"a","press":"b"}', '{"user":"u1","text":7}', '{"user":"u1","text":"a","mood":"sad"}',
    '{"user":"u1","location":[37.5]}', '{"user":"u1","text":"\\ud83d"}', "\0", "{" * 3000,
]  # fmt: skip


def test_broken_lines_are_named_and_the_rest_is_played(home: Path, tmp_path: Path) -> None:
    path = script(tmp_path, {"user": "u1", "command": "help"}, *BROKEN, {"user": "u1", "command": "start"})
    ran, replies = play(path)
    assert ran.exit_code == 1
    assert [reply["turn"] for reply in replies] == [1, len(BROKEN) + 2]
    *named, last = ran.stderr.splitlines()
    assert [line.split(": ")[0] for line in named] == [f"{path}:{2 + place}" for place in range(len(BROKEN))]
    assert str(path) in last


@pytest.mark.parametrize("name", ["nosuch.jsonl", "."])
def test_a_script_that_cannot_be_read_is_one_line(home: Path, tmp_path: Path, name: str) -> None:
    ran, replies = play(tmp_path / name)
    assert ran.exit_code == 1
    assert replies == []
    assert len(ran.stderr.splitlines()) == 1
    assert "cannot be read" in ran.stderr


def test_a_script_without_json_shows_cards(home: Path, tmp_path: Path) -> None:
    path = script(tmp_path, {"user": "u1", "text": "웃긴 영화"})
    ran = CliRunner().invoke(app, ["chat", "--script", str(path)])
    assert ran.exit_code == 0
    assert ran.stdout.count("╭─") == 3
    assert ESCAPE not in ran.stdout


def test_an_index_that_was_rebuilt_is_said_beside_a_script(small_home: Path, tmp_path: Path) -> None:
    for file in (small_home / "lancedb").rglob("*.lance"):
        if file.is_file():
            file.write_bytes(b"x")
    ran, replies = play(script(tmp_path, {"user": "u1", "text": "웃긴 영화"}))
    assert ran.exit_code == 0
    assert len(replies[0]["cards"]) == 3
    assert KO.say("console.rebuilt") in ran.stderr


def test_a_pipe_gets_plain_answers_to_numbers_labels_and_words(home: Path) -> None:
    lines = ["웃긴 영화", "1", KO.say("button.similar"), "999", "/quit", "위로가 되는 책"]
    ran = subprocess.run(
        [COMMAND, "chat"], input="\n".join(lines), capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ESCAPE not in ran.stdout
    hello, asked, rest = re.split(f"(?:{'|'.join(map(re.escape, KO.variants('intro.movie')))})", ran.stdout)
    assert "1 책 추천" in hello
    assert asked.count("╭─") == 3 + 1
    assert KO.say("where.movie", url="https://") in asked
    assert rest.count("╭─") == 3
    assert KO.variants("console.no_choice")[0].split("{")[0] in rest
    assert not any(words in ran.stdout for words in KO.variants("intro.book"))
    assert KO.say("console.welcome") not in ran.stdout


def test_a_file_is_told_to_scripts_only_where_there_is_one(home: Path, tmp_path: Path) -> None:
    path = script(tmp_path, {"user": "u1", "command": "help"}, {"user": "u1", "command": "export"})
    _, (first, second) = play(path)
    assert list(first) == KEYS
    assert list(second) == [*KEYS, "file"]
    assert list(second["file"]) == ["name", "mime", "text"]
    assert json.loads(second["file"]["text"])["person"]["platform_id"] == "u1"
    plain = CliRunner().invoke(app, ["chat", "--script", str(path)])
    assert '"platform_id": "u1"' in plain.stdout


async def at_a_terminal(home: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> str:
    """What a person at a pipe is shown, in this process."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    async with opened(Settings(home=home)) as running:
        await Terminal(running, out, interactive=False).talk()
    return out.getvalue()


async def test_a_terminal_saves_a_file_and_says_where(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = await at_a_terminal(home, monkeypatch, "안녕", "/export")
    (saved,) = (home / "exports").iterdir()
    assert KO.say("console.file", path=saved.resolve()) in shown
    assert json.loads(saved.read_text(encoding="utf-8"))["person"]["platform_id"] == "me"
    assert saved.stat().st_mode & 0o077 == 0, "nobody else's to read"


async def test_a_file_that_cannot_be_saved_does_not_end_the_talk(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A send that fails is tried again: the terminal would wait for ever."""
    (home / "exports").write_text("")
    shown = await at_a_terminal(home, monkeypatch, "/export", "/help")
    failed = KO.variants("console.file_failed")[0].partition("{path}")[2].partition("{reason}")[0]
    assert failed in shown
    assert KO.say("help.text").splitlines()[0] in shown


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    yield master, slave
    for end in (master, slave):
        try:
            os.close(end)
        except OSError:
            continue


def test_a_terminal_gets_a_prompt_and_colour(home: Path, terminal: tuple[int, int]) -> None:
    master, slave = terminal
    environment = os.environ | {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
    running = subprocess.Popen([COMMAND, "chat"], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    seen = ""

    def until(words: str) -> None:
        nonlocal seen
        end = time.monotonic() + 60
        while words not in seen:
            assert time.monotonic() < end, seen
            if select.select([master], [], [], 1)[0]:
                try:
                    seen += os.read(master, 65536).decode(errors="replace")
                except OSError:
                    break
        assert words in seen

    try:
        until("›")
        assert KO.say("console.welcome") in seen
        assert "책 추천" in seen
        assert f"{ESCAPE}[" in seen
        os.write(master, b"/quit\r")
        until(KO.say("console.bye"))
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.wait()
