"""Importing: a data set into the database, twice without a change, and whole after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot import jobs
from bot.cli import app
from data.item import BadRow
from data.sources import SOURCES
from storage import interactions, items
from storage.database import Database

FILMS = 2_500


@pytest.fixture
def movielens(tmp_path: Path) -> Path:
    """A folder like MovieLens latest-small: `FILMS` films, two ratings each, and one of a film that is not there."""
    folder = tmp_path / "ml"
    folder.mkdir()
    films, every = ["movieId,title,genres"], range(1, FILMS + 1)
    films += [f'{n},"Film {n}, The ({1950 + n % 70})",Comedy|Drama' for n in every]
    links = ["movieId,imdbId,tmdbId", *(f"{n},{n:07},{n + 9}" for n in every)]
    ratings = ["userId,movieId,rating,timestamp"]
    ratings += [f"{user},{n},{4.5},{964_982_703 + n}" for n in every for user in (1, 2)]
    ratings.append("3,999999,5.0,964982703")
    for name, lines in (("movies", films), ("links", links), ("ratings", ratings)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


async def stored(database: Database) -> tuple[int, int]:
    async with database.reading() as connection:
        return await items.count(connection), await interactions.count(connection)


async def test_importing_again_changes_nothing(database: Database, movielens: Path) -> None:
    source = SOURCES["movielens"]
    first = await jobs.import_rows(database, source.name, source.read(movielens))
    assert (first.added, first.changed, first.same, first.interactions) == (FILMS, 0, 0, 2 * FILMS)
    assert await stored(database) == (FILMS, 2 * FILMS)
    again = await jobs.import_rows(database, source.name, source.read(movielens))
    assert (again.added, again.changed, again.same, again.interactions) == (0, 0, FILMS, 2 * FILMS)
    assert await stored(database) == (FILMS, 2 * FILMS)


async def test_what_no_card_can_be_made_of_is_kept_and_not_shown(database: Database, movielens: Path) -> None:
    """Ten thousand films without a word about them would have been embedded, and offered."""
    source = SOURCES["movielens"]
    done = await jobs.import_rows(database, source.name, source.read(movielens))
    assert done.stubs == FILMS
    assert await jobs.all_items(database) == []


async def test_a_broken_row_is_counted_by_its_kind_and_told_whole(
    database: Database, movielens: Path
) -> None:
    told: list[BadRow] = []
    source = SOURCES["movielens"]
    done = await jobs.import_rows(database, source.name, source.read(movielens), skipped=told.append)
    assert done.skipped.total() == 1
    assert not any("999999" in why for why in done.skipped)
    assert [(row.file, row.line) for row in told] == [("ratings.csv", 2 * FILMS + 2)]


async def test_counting_stores_nothing(database: Database, movielens: Path) -> None:
    source = SOURCES["movielens"]
    done = await jobs.import_rows(database, source.name, source.read(movielens), write=False)
    assert (done.added, done.interactions) == (FILMS, 2 * FILMS)
    assert await stored(database) == (0, 0)


async def test_an_import_that_was_cut_off_is_finished_by_another(database: Database, movielens: Path) -> None:
    class Killed(Exception):
        pass

    def die(read: int) -> None:
        raise Killed

    source = SOURCES["movielens"]
    with pytest.raises(Killed):
        await jobs.import_rows(database, source.name, source.read(movielens), progress=die)
    assert await stored(database) == (jobs.IMPORTED_AT_ONCE, 0)
    done = await jobs.import_rows(database, source.name, source.read(movielens))
    assert (done.added, done.same) == (FILMS - jobs.IMPORTED_AT_ONCE, jobs.IMPORTED_AT_ONCE)
    assert await stored(database) == (FILMS, 2 * FILMS)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONEULMWO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["import", *words])


def test_the_command_tells_what_it_did(home: Path, movielens: Path, tmp_path: Path) -> None:
    report = tmp_path / "skipped.jsonl"
    ran = run("movielens", str(movielens), "--report", str(report))
    assert (ran.exit_code, ran.stderr) == (0, "")
    first = ran.stdout.splitlines()[0]
    assert f"added {FILMS:,}" in first
    assert f"ratings {2 * FILMS:,}" in first
    assert "skipped 1" in first
    (row,) = map(json.loads, report.read_text(encoding="utf-8").splitlines())
    assert list(row) == ["file", "line", "why", "value"]
    assert row["value"].startswith("3,999999")
    assert f"same {FILMS:,}" in run("movielens", str(movielens)).stdout


def test_every_source_is_listed_and_can_be_read(home: Path, tmp_path: Path) -> None:
    """A module that is not there would show only to whoever imports that set."""
    listed = run("--list").stdout
    for name, source in SOURCES.items():
        assert name in listed
        if not source.module:
            continue
        mapping = tmp_path / "m.toml" if source.wants_mapping else None
        ran = run(name, str(tmp_path / "nowhere"), *(("--mapping", str(mapping)) if mapping else ()))
        assert ran.exit_code == 1, name
        assert len(ran.stderr.splitlines()) == 1
        assert "nowhere" in ran.stderr or "m.toml" in ran.stderr


@pytest.mark.parametrize(
    "words", [("nonesuch", "x"), ("movielens",), ("table", "x.csv"), ("yes24", "x.csv", "--mapping", "m.toml"), ()]
)  # fmt: skip
def test_wrong_usage_is_told(home: Path, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_a_report_that_cannot_be_written_is_one_line(home: Path, movielens: Path, tmp_path: Path) -> None:
    ran = run("movielens", str(movielens), "--report", str(tmp_path / "none" / "r.jsonl"))
    assert ran.exit_code == 1
    assert "cannot be written" in ran.stderr
