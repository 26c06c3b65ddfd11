"""A talk with the whole of it real: the bot, its client, the worker, a checkpoint in EXAONE's layout and adapters."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.app import opened
from bot.settings import Settings
from engine import advisor, wording
from engine.worker.plan import Plan
from tests import checkpoints
from tests.talk import Someone, Stage
from tests.workers import KEY, Worker, working

pytestmark = pytest.mark.usefixtures("one_thread")

ADAPTERS = ("reply", "rank", "question")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One of random weights: what it says is nonsense."""
    folder = tmp_path_factory.mktemp("models")
    checkpoints.exaone(folder / "exaone")
    for seed, name in enumerate(ADAPTERS):
        checkpoints.adapter(folder / name, folder / "exaone", seed)
    adapters = {name: str(folder / name) for name in ADAPTERS}
    with working(Plan(str(folder / "exaone"), adapters, device="cpu", nf4=False)) as running:
        yield running


async def test_a_model_that_talks_nonsense_costs_nobody_an_answer(
    worker: Worker, built_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every prompt is taken, every answer is read, nothing of the nonsense is shown, and the cards are whole."""
    monkeypatch.setattr(wording, "FIRST_SECONDS", 60.0)
    monkeypatch.setattr(wording, "ALL_SECONDS", 60.0)
    monkeypatch.setattr(wording, "ASK_SECONDS", 60.0)
    monkeypatch.setattr(advisor, "JUDGE_SECONDS", 60.0)
    home = tmp_path / "home"
    shutil.copytree(built_home, home)
    raw = {"home": home, "turns_per_minute": 0, "llm_url": worker.url, "llm_key": KEY}
    async with opened(Settings.model_validate(raw)) as app:
        llm = app.engine.llm
        assert llm is not None
        await llm.ready()
        person = Someone(Stage(app), "reader")
        first = await person.says("비 오는 날 뜨끈한 국물")
        second = await person.says("더 가볍게")
    for answer in (first, second):
        assert [reply.interim for reply in answer.replies][-1] is False
        assert all(card.reason and card.benefit for card in answer.replies[-1].cards)
    assert llm.models == ("exaone", *ADAPTERS)
    assert llm.counts["completion_tokens"] > 100
    assert not [kind for kind in ("refused", "slow", "cut", "status") if llm.counts[kind]], llm.counts
    assert sum(count for kind, count in llm.counts.items() if kind.startswith("refused.")) > 0
    assert worker.metric("prefix_reused_tokens_total") > 0
    for name in ADAPTERS:
        assert worker.metric("requests_total", model=name, outcome="ok") > 0
