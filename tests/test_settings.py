"""Settings: read once, checked, and named when they cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.settings import Settings, SettingsError, load


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without .env, and no setting of the machine's."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("ONEULMWO_")]:
        monkeypatch.delenv(name)


def test_nothing_set_is_everything_in_one_folder(tmp_path: Path) -> None:
    settings = load()
    assert settings.database == f"sqlite+aiosqlite:///{tmp_path / 'var' / 'oneulmwo.db'}"
    assert settings.index == str(tmp_path / "var" / "lancedb")
    assert settings.llm_url is None


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path(".env").write_text("ONEULMWO_HOME=/from/file\nONEULMWO_TIMEZONE=Asia/Tokyo\nOTHER=1\n")
    monkeypatch.setenv("ONEULMWO_HOME", str(tmp_path / "집"))
    settings = load()
    assert settings.home == tmp_path / "집"
    assert settings.timezone == "Asia/Tokyo"


def test_database_and_index_may_lie_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEULMWO_DATABASE_URL", "postgresql+asyncpg://u:p@h/n")
    monkeypatch.setenv("ONEULMWO_LANCEDB_URI", "s3://bucket/folder")
    settings = load()
    assert (settings.database, settings.index) == ("postgresql+asyncpg://u:p@h/n", "s3://bucket/folder")


@pytest.mark.parametrize(
    ("written", "read"),
    [("", ()), ("telegram:123", (("telegram", "123"),)),
     (" telegram:123 , discord:45:6,", (("telegram", "123"), ("discord", "45:6")))],
)  # fmt: skip
def test_operators_are_written_by_platform(
    monkeypatch: pytest.MonkeyPatch, written: str, read: tuple[tuple[str, str], ...]
) -> None:
    monkeypatch.setenv("ONEULMWO_ADMINS", written)
    assert load().admins == read


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [("LLM_URL", "localhost", "URL"), ("LLM_URL", "ftp://h", "http"), ("ADMINS", "123", "telegram:123"),
     ("ADMINS", "telegram:", "telegram:123"), ("LOG_LEVEL", "LOUD", "WARNING"), ("TIMEZONE", "Mars/Phobos", "Asia/Seoul"),
     ("TIMEZONE", "../../etc/passwd", "Asia/Seoul"), ("TIMEZONE", "", "Asia/Seoul"), ("TURNS_PER_MINUTE", "-1", "0"), ("TURNS_PER_MINUTE", "many", "integer"), ("METRICS", "here", "9100"), ("METRICS", ":65536", "9100")],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(f"ONEULMWO_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load()
    assert f"ONEULMWO_{name}" in str(refused.value)
    assert hint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """Keeps away a traceback for a .env saved by an old Korean editor."""
    Path(".env").write_bytes("ONEULMWO_HOME=집".encode("cp949"))
    with pytest.raises(SettingsError, match=r"\.env.*UTF-8"):
        load()


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEULMWO_LLM_KEY", "sk-hunter2")
    settings = load()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    monkeypatch.setenv("ONEULMWO_LLM_URL", "https://user:hunter2@")
    with pytest.raises(SettingsError) as refused:
        load()
    assert "hunter2" not in str(refused.value)


def test_settings_do_not_change_while_the_program_runs() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.home = Path("/elsewhere")


def test_openstreetmap_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs it may not want to tell anybody where people are."""
    assert str(load().overpass_url) == "https://overpass-api.de/api/interpreter"
    monkeypatch.setenv("ONEULMWO_OVERPASS_URL", "")
    assert load().overpass_url is None
    monkeypatch.setenv("ONEULMWO_OVERPASS_URL", "nowhere")
    with pytest.raises(SettingsError, match="ONEULMWO_OVERPASS_URL"):
        load()


def test_the_key_of_the_map_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEULMWO_KAKAO_KEY", "S3cret")
    settings = load()
    assert "S3cret" not in f"{settings!r}{settings}"


@pytest.mark.parametrize("name", ["LLM_URL", "EMBEDDINGS_URL"])
def test_what_people_tell_leaves_for_nobody_elses_machine_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"ONEULMWO_{name}", "https://user:hunter2@api.example.com/v1?key=hunter2")
    with pytest.raises(SettingsError, match="ONEULMWO_LLM_OUTSIDE=true") as raised:
        load()
    assert f"ONEULMWO_{name}" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)
    monkeypatch.setenv("ONEULMWO_LLM_OUTSIDE", "true")
    assert load().llm_outside


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "http://worker:8000", "http://10.0.0.7", "http://gpu.local:1", "http://llm.internal"]
)  # fmt: skip
def test_ones_own_machines_need_none(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ONEULMWO_LLM_URL", url)
    assert str(load().llm_url).startswith(url)


@pytest.mark.parametrize(
    "url", ["http://134744072/", "http://0x08080808", "http://example.com.", "http://gpu.local.example.com"]
)
def test_other_spellings_of_an_address_are_no_way_out(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """134744072 is 8.8.8.8."""
    monkeypatch.setenv("ONEULMWO_LLM_URL", url)
    with pytest.raises(SettingsError, match="OUTSIDE"):
        load()
