"""The wheel alone is the whole program: built here, installed elsewhere, run from a foreign folder."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "handlers", "engine", "storage", "finetune", "data")


def shell(*words: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("ONEULMWO_", "PYTHON"))
    }
    return subprocess.run(
        words, cwd=folder, env=clean | environment, capture_output=True, text=True, timeout=180, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = shell(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, folder=folder
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = folder.glob("oneulmwo-*.whl")
    return made


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it, that borrows the libraries of this one but not its source tree."""
    folder = tmp_path_factory.mktemp("elsewhere")
    made = shell(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    assert made.returncode == 0, made.stderr
    python = folder / "venv" / "bin" / "python"
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    installed = shell(
        base, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "--no-deps", "--no-index",
        "--no-compile", wheel, folder=folder,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_wheel_carries_everything_that_is_read_at_run_time(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in PACKAGES:
        shipped = {
            str(path.relative_to(ROOT))
            for path in (ROOT / name).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert shipped <= names, shipped - names
    for needed in (
        "data/catalog/books.jsonl", "data/catalog/movies.jsonl", "data/catalog/foods.jsonl", "data/catalog/vectors.npz",
        "data/phrases/ko.toml", "data/phrases/en.toml", "data/lexicon/request.toml", "data/lexicon/dialogue.toml",
        "data/survey/book.toml", "data/survey/movie.toml", "data/survey/food.toml",
        "storage/migrations/versions/0001_beginning.py",
        "storage/migrations/versions/0002_companion.py",
    ):  # fmt: skip
        assert needed in names
    strangers = {name.split("/")[0] for name in names} - set(PACKAGES)
    assert {name for name in strangers if not name.endswith(".dist-info")} == set()


def test_modules_come_from_the_new_environment(elsewhere: Path) -> None:
    script = f"import {', '.join(PACKAGES)}; print('\\n'.join(m.__file__ for m in ({', '.join(PACKAGES)})))"
    ran = shell(elsewhere / "venv" / "bin" / "python", "-c", script, folder=elsewhere)
    assert ran.returncode == 0, ran.stderr
    for line in ran.stdout.splitlines():
        assert Path(line).is_relative_to(elsewhere / "venv")


def test_the_installed_command_answers_and_is_sound(elsewhere: Path) -> None:
    command, home = elsewhere / "venv" / "bin" / "oneulmwo", str(elsewhere / "fresh home")
    asked = shell(command, "ask", "비 오는 날 뜨끈한 국물", "--json", folder=elsewhere, ONEULMWO_HOME=home)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert len(json.loads(asked.stdout)["picks"]) == 3
    checked = shell(command, "doctor", folder=elsewhere, ONEULMWO_HOME=home)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "✗" not in checked.stdout
    with sqlite3.connect(Path(home) / "oneulmwo.db") as database:
        made = database.execute("SELECT count(*) FROM vectors").fetchone()
    assert made == (0,), "the vectors that ship were used: none had to be made"
