"""The command line: one JSON object where that is promised, one line where it cannot be done, 2 for wrong usage."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from data.phrases import phrases
from data.sources import catalog

KO = phrases("ko")
KEYS = ["reply", "picks", "followups", "request", "trace"]
PICK_KEYS = ["id", "domain", "title", "score", "fit", "reason", "benefit"]
COMMAND = Path(sys.executable).with_name("oneulmwo")


def run(*words: str) -> Result:
    """The command in this process, which has the models loaded already."""
    ran = CliRunner().invoke(app, words)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran


def ask(*words: str) -> dict[str, Any]:
    ran = run("ask", *words, "--json")
    assert ran.exit_code == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


def refusal(*words: str) -> str:
    """The one line that says why it could not be done."""
    ran = run(*words)
    assert ran.exit_code == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    return line


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_command_runs_where_standard_files_are_closed(home: Path, closed: str) -> None:
    """uvloop ends a process whose first pipe gets the number of one of them."""
    ran = subprocess.run(
        ["sh", "-c", f'exec "$0" jobs list {closed}', COMMAND],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_ask_prints_the_object_of_the_contract(home: Path) -> None:
    """As a process of its own, from a cold start, in a pipe."""
    ran = subprocess.run(
        [COMMAND, "ask", "비 오는 날 뜨끈한 국물", "--domain", "food", "--json"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    answer = json.loads(ran.stdout)
    assert list(answer) == KEYS
    assert len(answer["picks"]) == 3
    for pick in answer["picks"]:
        assert list(pick) == PICK_KEYS
        assert pick["domain"] == "food"
        assert 0 <= pick["score"] <= 1
        assert 1 <= pick["fit"] <= 10
        assert pick["title"]
        assert pick["reason"]
    assert all(isinstance(question, str) for question in answer["followups"])
    assert answer["request"]["domain"] == "food"
    assert answer["request"]["situations"] == ["rainy"]
    trace = answer["trace"]
    assert trace["method"] == 1
    assert trace["model"] == "embedded"
    assert {pick["id"] for pick in answer["picks"]} <= set(trace["eligible"])
    assert len(trace["propensity"]) == 3
    assert set(trace["stages"]) == {"gather", "rank", "write", "suggest"}


@pytest.mark.parametrize("domain", ["book", "movie", "food"])
def test_the_domain_told_is_the_domain_given(home: Path, domain: str) -> None:
    answer = ask("가벼운 거", "--domain", domain, "-n", "5")
    assert [pick["domain"] for pick in answer["picks"]] == [domain] * 5
    assert answer["request"]["count"] == 5


def test_the_same_question_has_the_same_answer_and_both_methods_answer(home: Path) -> None:
    def told(method: str) -> dict[str, Any]:
        answer = ask("잔잔한 한국 영화", "--method", method)
        del answer["trace"]["stages"]
        return answer

    first, second = told("1"), told("2")
    assert first == told("1")
    assert (first["trace"]["method"], second["trace"]["method"]) == (1, 2)
    assert len(first["picks"]) == len(second["picks"]) == 3


def test_nothing_fitting_is_said_and_is_no_error(home: Path) -> None:
    answer = ask("900쪽 넘는 시집")
    assert answer["picks"] == []
    assert KO.say("rule.genres") in answer["reply"]


def test_without_json_cards_are_shown(home: Path) -> None:
    ran = run("ask", "웃긴 영화", "-n", "2")
    assert ran.exit_code == 0
    assert ran.stdout.count("╭─") == 2
    assert "\x1b" not in ran.stdout


def test_a_question_in_english_is_answered_in_english(home: Path) -> None:
    answer = ask("a funny movie")
    assert answer["picks"][0]["title"].isascii()
    assert not any("가" <= char <= "힣" for char in answer["reply"])


def test_a_taste_file_limits_and_shapes_the_answer(home: Path, tmp_path: Path) -> None:
    taste = tmp_path / "taste.json"
    taste.write_text(
        '{"allergens": ["egg", "milk"], "avoid": ["sesame"], "spicy": 0, "never": ["food:miyeok-guk"]}'
    )
    without, limited = (
        ask("점심", "-n", "10", "--domain", "food"),
        ask("점심", "-n", "10", "--domain", "food", "--taste", str(taste)),
    )
    assert KO.say("chat.allergy_caution") in limited["reply"]
    assert KO.say("chat.allergy_caution") not in without["reply"]
    assert {pick["id"] for pick in without["picks"]} != {pick["id"] for pick in limited["picks"]}
    lines = (
        (Path(__file__).parents[1] / "data" / "catalog" / "foods.jsonl")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    foods = {food["id"]: food for food in map(json.loads, lines)}
    assert limited["picks"]
    for eligible in limited["trace"]["eligible"]:
        food = foods[eligible]
        assert not {"egg", "milk"} & set(food["allergens"])
        assert not food["spicy"]
        assert eligible != "food:miyeok-guk"
        assert not [name for name in food["ingredients"] if "참깨" in name or "참기름" in name]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"{", "JSON"), (b"[]", "is no Taste"), (b'{"allergy": ["egg"]}', "allergy"), (b'{"age": "old"}', "age"),
     (b'{"wishes": {"music": {}}}', "wishes"), ("{'한글'}".encode("cp949"), "is no Taste"), (b"", "is no Taste")],
)  # fmt: skip
def test_a_taste_file_that_is_none_is_refused(home: Path, tmp_path: Path, content: bytes, why: str) -> None:
    taste = tmp_path / "taste.json"
    taste.write_bytes(content)
    line = refusal("ask", "점심", "--taste", str(taste))
    assert str(taste) in line
    assert why in line


@pytest.mark.parametrize("name", ["nosuch.json", "."])
def test_a_taste_file_that_cannot_be_read_is_named(home: Path, tmp_path: Path, name: str) -> None:
    assert "cannot be read" in refusal("ask", "점심", "--taste", str(tmp_path / name))


@pytest.mark.parametrize("text", ["", "  \n", "\x01\x1b", "\u200b\u202e"], ids=ascii)
def test_an_empty_question_is_refused(home: Path, text: str) -> None:
    assert "empty" in refusal("ask", text)


@pytest.mark.parametrize(
    "text",
    ["웃긴 영화 " + "아주 " * 33_000, "\ufdfa" * 3000, "\x07웃\x1b긴\x7f \u202e영화", "\udce9\udcff 영화", "' OR 1=1; --"],
    ids=["100,000 characters", "U+FDFA", "control", "no UTF-8", "SQL"],
)  # fmt: skip
def test_no_question_breaks_the_answer(home: Path, text: str) -> None:
    answer = ask(text)
    assert answer["reply"]
    assert len(json.dumps(answer["request"])) < 10_000


@pytest.mark.parametrize(
    "words",
    [["ask"], ["ask", "책", "--domain", "music"], ["ask", "책", "-n", "0"], ["ask", "책", "-n", "eleven"],
     ["ask", "책", "--method", "3"], ["ask", "책", "영화"], ["chat", "--json"], ["nosuch"], ["index", "--nosuch"],
    ["index", "--list", "--rollback"],
     ["evaluate", "requests"], []],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_exits_with_2_and_opens_nothing(home: Path, words: list[str]) -> None:
    shutil.rmtree(home)
    assert run(*words).exit_code == 2
    assert not home.exists()


def test_index_builds_a_new_version_and_status_tells_of_it(small_home: Path) -> None:
    count = sum(1 for _ in catalog.shipped())
    built = run("index")
    assert (built.exit_code, built.stderr) == (0, "")
    assert f"version 2 with {count} items" in built.stdout
    told = run("index", "--status")
    assert told.exit_code == 0
    assert f"version 2: {count} items" in told.stdout
    assert "fresh" in told.stdout


def test_the_former_index_can_be_gone_back_to_and_versions_are_listed(small_home: Path) -> None:
    """Whoever notices a bad index at night needs one command, not a rebuild."""
    rows = str(sum(1 for _ in catalog.shipped()))
    assert "no former index" in refusal("index", "--rollback")
    run("index")
    with sqlite3.connect(small_home / "oneulmwo.db") as database:
        database.execute("UPDATE items SET hash = 'another' WHERE domain = 'book'")
    back = run("index", "--rollback")
    assert (back.exit_code, back.stderr) == (0, "")
    assert back.stdout.startswith("Index version 1 of 20")
    assert f"with {rows} items is active again" in back.stdout
    states = [line.split()[:3] for line in run("index", "--list").stdout.splitlines()]
    assert states == [["2", "retired", rows], ["1", "active", rows]]
    assert json.loads(run("ask", "무서운 영화", "--json").stdout)["trace"]["index_version"] == 1
    assert "version 1" in run("index", "--status").stdout


def test_the_list_of_no_index_names_the_command(home: Path) -> None:
    shutil.rmtree(home)
    assert "run `oneulmwo index`" in run("index", "--list").stdout


def test_status_without_an_index_names_the_command(home: Path) -> None:
    shutil.rmtree(home)
    assert "run `oneulmwo index`" in refusal("index", "--status")


def test_status_tells_when_items_have_changed(home: Path) -> None:
    with sqlite3.connect(home / "oneulmwo.db") as database:
        database.execute("UPDATE items SET hash = 'another' WHERE id = 'book:the-vegetarian'")
    told = run("index", "--status")
    assert told.exit_code == 0
    assert "out of date" in told.stdout


def test_a_first_start_makes_home_database_and_index(home: Path) -> None:
    shutil.rmtree(home)
    assert len(ask("웃긴 영화")["picks"]) == 3
    assert (home / "oneulmwo.db").is_file()
    assert (home / "lancedb").is_dir()


def garbage(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            file.write_bytes(b"no index at all")


def cut(folder: Path) -> None:
    for file in folder.rglob("*.lance"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("what", "harm"),
    [("", shutil.rmtree), ("items_v1.lance", shutil.rmtree), ("names_v1.lance", shutil.rmtree), ("", garbage),
     ("items_v1.lance/data", garbage), ("items_v1.lance/data", cut), ("items_v1.lance/_versions", garbage),
     ("names_v1.lance/data", garbage)],
)  # fmt: skip
def test_an_index_gone_or_broken_is_rebuilt_and_that_is_said(
    small_home: Path, what: str, harm: Callable[[Path], None]
) -> None:
    harm(small_home / "lancedb" / what)
    ran = run("ask", "웃긴 영화", "--json")
    assert ran.exit_code == 0
    assert len(json.loads(ran.stdout)["picks"]) == 3
    assert ran.stderr.strip() == KO.say("console.rebuilt")
    again = run("ask", "웃긴 영화", "--json")
    assert again.stderr == ""
    assert json.loads(again.stdout)["picks"] == json.loads(ran.stdout)["picks"]


def test_a_broken_word_index_does_not_end_the_talk(home: Path) -> None:
    garbage(home / "lancedb" / "items_v1.lance" / "_indices")
    assert len(ask("한강 작가의 소설")["picks"]) == 3


def test_a_database_lost_beside_its_index_is_made_anew(small_home: Path) -> None:
    for file in small_home.glob("oneulmwo.db*"):
        file.unlink()
    assert len(ask("웃긴 영화")["picks"]) == 3


def test_a_database_of_a_newer_version_is_refused_and_left_alone(home: Path) -> None:
    path = home / "oneulmwo.db"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    for words in (["ask", "책"], ["doctor"], ["index"], ["chat"]):
        ran = run(*words)
        assert ran.exit_code == 1
        assert len(ran.stderr.splitlines()) == 1
        assert "newer oneulmwo" in ran.stderr
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_a_database_that_is_none_is_refused(home: Path) -> None:
    for file in home.glob("oneulmwo.db*"):
        file.unlink()
    (home / "oneulmwo.db").write_bytes(b"no database at all " * 100)
    assert "is not a database" in refusal("ask", "책")


@pytest.mark.parametrize(
    "command", [["ask", "책", "--json"], ["index"], ["index", "--status"], ["chat"]], ids=" ".join
)
@pytest.mark.parametrize("place", ["file/home", "/proc/oneulmwo"])
def test_a_home_that_cannot_be_written_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], place: str
) -> None:
    """A folder below a file, and one that the kernel refuses: permission bits do not stop root, who runs CI."""
    Path("file").write_text("")
    monkeypatch.setenv("ONEULMWO_HOME", place)
    assert "ONEULMWO_HOME" in refusal(*command)


def test_an_index_folder_that_cannot_be_made_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("ONEULMWO_LANCEDB_URI", str(Path("file/lancedb").resolve()))
    assert "cannot be made" in refusal("index")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMBEDDER", "word2vec"),
        ("LOG_LEVEL", "LOUD"),
        ("TIMEZONE", "Mars/Phobos"),
        ("LLM_URL", "x"),
        ("DATABASE_URL", "nosuch://x"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ONEULMWO_{name}", value)
    assert f"ONEULMWO_{name}" in refusal("ask", "책")


REQUESTS = [
    {
        "id": "q1",
        "text": "한강 책",
        "must": {"creators": ["한강"], "domain": "book"},
        "should": {"year>=": 1990},
    },
    {"id": "q2", "text": "웃긴 영화", "must": {"domain": "movie"}, "should": {"country": "XX"}},
    {"id": "q3", "text": "900쪽 넘는 시집", "must": {"genres": ["poetry"], "length>=": 900}},
]


def test_evaluate_prints_both_shares_and_every_miss(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(json.dumps(case, ensure_ascii=False) for case in REQUESTS), encoding="utf-8")
    ran = run("evaluate", "requests", str(path))
    assert (ran.exit_code, ran.stderr) == (0, "")
    *lines, last = ran.stdout.splitlines()
    assert last == "picks 6  kept 1.000  relevant 0.500"
    assert [line.split()[0] for line in lines] == ["q2", "q2", "q2", "q3"]
    assert all("country=XX" in line for line in lines[:3])
    assert "nothing in the catalog fits" in lines[3]


def test_evaluate_names_broken_lines_and_judges_the_rest(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(
        '{"id"\n' + json.dumps(REQUESTS[0], ensure_ascii=False) + '\n{"id":"q9","text":"a","want":{}}\n'
    )
    ran = run("evaluate", "requests", str(path))
    assert ran.exit_code == 1
    first, second, last = ran.stderr.splitlines()
    assert first.startswith("requests.jsonl:1:")
    assert second.startswith("requests.jsonl:3:")
    assert "2 lines" in last
    assert ran.stdout.splitlines()[-1] == "picks 3  kept 1.000  relevant 1.000"


def test_evaluate_without_its_file_is_one_line(home: Path, tmp_path: Path) -> None:
    assert "cannot be read" in refusal("evaluate", "requests", str(tmp_path / "nosuch.jsonl"))
