"""Importing from a web API: page by page, going on where it was cut off, nothing twice and nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot import jobs
from bot.cli import app
from data.sources import SOURCES, national_library_web, tmdb, web
from data.sources.files import SourceError
from storage import imports, items
from storage.database import Database
from tests.service import KEY, Local, Say, serving

FILMS = 90
PAGES = 5


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    """TMDB with `FILMS` films on `PAGES` pages, and nobody who waits."""
    monkeypatch.setattr(web, "FIRST_WAIT", 0.0)
    with serving() as local:
        monkeypatch.setattr(tmdb, "SERVICE", replace(tmdb.SERVICE, base=local.url, rate=1e9))
        local.answer = films
        yield local


def films(path: str, params: dict[str, str]) -> Say:
    if path.startswith("movie/"):
        number = int(path.removeprefix("movie/"))
        return Say({"id": number, "title": f"영화 {number}", "overview": "줄거리가 있다."})
    first = (int(params["page"]) - 1) * 20 + 1
    listed = [{"adult": False, "id": number} for number in range(first, min(first + 20, FILMS + 1))]
    return Say({"page": params["page"], "results": listed, "total_results": FILMS})


def listed(local: Local) -> list[str]:
    """The pages of the list that were asked for."""
    return [params["page"] for path, params in local.heard if path == "discover/movie"]


def fetched(local: Local) -> list[str]:
    return [path for path, _ in local.heard if path.startswith("movie/")]


async def reached(database: Database, query: str = "") -> str | None:
    async with database.reading() as connection:
        return await imports.cursor(connection, "tmdb", query)


async def stored(database: Database) -> int:
    async with database.reading() as connection:
        return await items.count(connection)


async def run(database: Database, query: str = "", write: bool = True) -> jobs.Imported:
    rows = SOURCES["tmdb"].ask(KEY, query, await reached(database, query) or "")
    return await jobs.import_rows(database, "tmdb", rows, query=query, write=write)


async def test_a_finished_import_begins_anew_and_changes_nothing(database: Database, local: Local) -> None:
    first = await run(database)
    assert (first.read, first.added, first.skipped.total()) == (FILMS, FILMS, 0)
    assert await reached(database) is None
    again = await run(database)
    assert (again.added, again.changed, again.same) == (0, 0, FILMS)
    assert listed(local) == [str(page) for page in range(1, PAGES + 1)] * 2


@pytest.mark.parametrize("pages", range(1, PAGES + 1))
async def test_what_a_kill_cuts_off_goes_on_with_the_next_page(
    database: Database, local: Local, pages: int
) -> None:
    """A day's quota would have gone into pages that were read already."""

    class Killed(Exception):
        pass

    def die(read: int) -> None:
        if read >= min(20 * pages, FILMS):
            raise Killed

    rows = SOURCES["tmdb"].ask(KEY, "", "")
    with pytest.raises(Killed):
        await jobs.import_rows(database, "tmdb", rows, query="", progress=die)
    assert await stored(database) == min(20 * pages, FILMS)
    local.heard.clear()
    await run(database)
    assert listed(local)[0] == str(min(pages + 1, PAGES))
    assert await stored(database) == FILMS
    assert await reached(database) is None


async def test_a_service_that_fails_loses_nothing_that_was_read(database: Database, local: Local) -> None:
    """The films of a page that came before the fault were thrown away."""
    down = {f"movie/{number}" for number in range(50, FILMS)}
    local.answer = lambda path, params: Say(status=500) if path in down else films(path, params)
    with pytest.raises(SourceError, match="goes on where it stopped"):
        await run(database)
    assert await stored(database) == 49
    assert await reached(database) == "3"
    local.answer = films
    local.heard.clear()
    done = await run(database)
    assert (done.added, done.same) == (FILMS - 49, 9)
    assert fetched(local) == [f"movie/{number}" for number in range(41, FILMS + 1)]


async def test_a_film_that_is_never_to_be_had_stops_no_import(database: Database, local: Local) -> None:
    """Every import would have ended at it, and none got past it."""
    local.answer = lambda path, params: Say(status=500) if path == "movie/40" else films(path, params)
    done = await run(database)
    assert (done.added, done.skipped.total()) == (FILMS - 1, 1)
    assert await reached(database) is None


async def test_a_fault_at_the_end_of_a_page_loses_no_film(database: Database, local: Local) -> None:
    """It was passed over as one that is never to be had, and the mark behind it stored."""
    local.answer = lambda path, params: (
        Say(status=500) if path == "movie/40" or params.get("page") == "3" else films(path, params)
    )
    with pytest.raises(SourceError):
        await run(database)
    assert await reached(database) == "2"
    local.answer = films
    await run(database)
    assert await stored(database) == FILMS


async def test_each_query_goes_on_by_itself(database: Database, local: Local) -> None:
    local.answer = lambda path, params: Say(status=500) if params.get("page") == "2" else films(path, params)
    for query in ("2019", ""):
        with pytest.raises(SourceError):
            await run(database, query)
    local.answer = films
    await run(database, "2019")
    assert (await reached(database, "2019"), await reached(database)) == (None, "2")


async def test_counting_leaves_no_mark(database: Database, local: Local) -> None:
    local.answer = lambda path, params: Say(status=500) if params.get("page") == "3" else films(path, params)
    with pytest.raises(SourceError):
        await run(database, write=False)
    assert (await stored(database), await reached(database)) == (0, None)


SCRIPT = """
import sys
from dataclasses import replace
from data.sources import tmdb, web
web.FIRST_WAIT, web.LONGEST_WAIT = 3600.0, 36000.0
tmdb.SERVICE = replace(tmdb.SERVICE, base=sys.argv[1], rate=1e9)
from bot.cli import app
app(["import", "tmdb"])
"""


async def started(local: Local, database_url: str) -> asyncio.subprocess.Process:
    environment = os.environ | {"ONEULMWO_DATABASE_URL": database_url, "ONEULMWO_TMDB_KEY": KEY}
    here = Path(__file__).parents[1]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, local.url, env=environment, cwd=here
    )


async def test_a_process_that_was_killed_is_gone_on_with(
    database: Database, database_url: str, local: Local
) -> None:
    """Really killed, in the midst of a page: no handler and no `finally` runs."""

    def kill(path: str, params: dict[str, str]) -> Say:
        if path == "movie/70":
            os.kill(process.pid, signal.SIGKILL)
        return films(path, params)

    local.answer = kill
    process = await started(local, database_url)
    assert await process.wait() == -signal.SIGKILL
    assert (await stored(database), await reached(database)) == (60, "4")
    local.answer = films
    local.heard.clear()
    done = await run(database)
    assert (done.added, done.same) == (FILMS - 60, 0)
    assert listed(local) == ["4", "5"]


async def test_an_import_that_waits_for_a_service_can_be_interrupted(database_url: str, local: Local) -> None:
    """Ctrl-C did nothing until the wait was over: its thread slept on."""

    def down(path: str, params: dict[str, str]) -> Say:
        if len(local.heard) == 1:
            loop.call_soon_threadsafe(loop.call_later, 0.5, process.send_signal, signal.SIGINT)
        return Say(status=503)

    loop = asyncio.get_running_loop()
    local.answer = down
    process = await started(local, database_url)
    try:
        async with asyncio.timeout(60):  # an hour is what it waits for
            assert await process.wait() == 130
    finally:
        with suppress(ProcessLookupError):
            process.kill()


# The command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONEULMWO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ONEULMWO_TMDB_KEY", raising=False)
    return tmp_path


def command(*words: str) -> Result:
    return CliRunner().invoke(app, ["import", *words])


def test_the_command_imports_and_goes_on(home: Path, local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEULMWO_TMDB_KEY", KEY)
    local.answer = lambda path, params: (
        Say(f"sorry, {KEY}", 500) if params.get("page") == "3" else films(path, params)
    )
    report = home / "skipped.jsonl"
    ran = command("tmdb", "2019", "--report", str(report))
    assert ran.exit_code == 1
    assert len(ran.stderr.splitlines()) == 1
    assert "TMDB answers with an error (500)" in ran.stderr
    assert KEY not in ran.output + report.read_text(encoding="utf-8")
    local.answer = films
    ran = command("tmdb", "2019")
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[0] == "tmdb: going on where the last import stopped."
    assert "50 rows read; items added 50" in ran.stdout


@pytest.mark.parametrize("source", [source.name for source in SOURCES.values() if source.web])
def test_without_a_key_the_command_says_which(home: Path, source: str) -> None:
    ran = command(source)
    assert ran.exit_code == 1
    assert len(ran.stderr.splitlines()) == 1
    assert f"set {SOURCES[source].service.variable}" in ran.stderr


def test_a_source_with_both_reads_the_file_that_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was misspelled would have been searched for in the library."""
    (home / "picks").write_text("<list><item><recomtitle>책</recomtitle></item></list>", encoding="utf-8")
    assert "items added 1" in command("nl", "picks").stdout
    for missing in ("nowhere/picks", "picks.xml"):
        ran = command("nl", missing)
        assert ran.exit_code == 1
        assert "There is no file" in ran.stderr
    with serving() as local:
        api = replace(national_library_web.SERVICE, base=local.url, rate=1e9)
        monkeypatch.setattr(national_library_web, "SERVICE", api)
        monkeypatch.setenv("ONEULMWO_NL_KEY", KEY)
        local.say(Say("<channel><totalCount>0</totalCount></channel>"))
        assert command("nl", "2024").exit_code == 0
        assert local.heard[0][1]["start_date"] == "20240101"
        assert "2020-2024" in command("nl", "한강").stderr


def test_the_list_tells_what_each_api_takes(home: Path) -> None:
    listed = command("--list").stdout
    for source in SOURCES.values():
        if source.web:
            assert source.asks in listed
            assert source.service.variable in listed


def test_pairs_are_stored_once(home: Path) -> None:
    paragraph = {"context": "여의도에서 열렸다.", "qas": [
        {"id": f"q{n}", "question": f"어디인가 {n}?", "answers": [{"text": "여의도", "answer_start": 0}]} for n in range(3)
    ]}  # fmt: skip
    Path("pairs.json").write_text(json.dumps({"data": [{"title": "가", "paragraphs": [paragraph]}]}), "utf-8")
    assert (
        "pairs that would be added 3, same 0; skipped 0."
        in command("korquad", "pairs.json", "--dry-run").stdout
    )
    assert "3 rows read; pairs added 3, same 0; skipped 0." in command("korquad", "pairs.json").stdout
    assert "pairs added 0, same 3" in command("korquad", "pairs.json").stdout
