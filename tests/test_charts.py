"""The picture of the figures: a real PNG with the Hangul really in it, and words where it cannot be drawn."""

from __future__ import annotations

import io
import sys
import warnings
from datetime import date, timedelta

import numpy as np
import pytest
from matplotlib.font_manager import get_font
from PIL import Image

from bot import charts
from data.phrases import Phrases, phrases
from storage.stats import Day, Favourite, Opinions, Stats

KO, EN = phrases("ko"), phrases("en")
NOBODY = tuple(Opinions(domain, 0, None, None) for domain in ("book", "movie", "food"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of a tenth of the dots is drawn in a third of the time."""
    monkeypatch.setattr(charts, "DPI", 40)


def figures(days: int, full: bool = True) -> Stats:
    last = date(2026, 11, 22)
    every = [last - timedelta(days=days - 1 - n) for n in range(days)]
    if not full:
        return Stats(
            tuple(Day(day) for day in every), 0, 0, 0, NOBODY, {"book": (), "movie": (), "food": ()}, {}
        )
    opinions = Opinions("book", 9, 7, 2), Opinions("movie", 2_000_000, 1_999_999, 1), NOBODY[2]
    popular = {"book": (Favourite("book:x", 12, 4),), "movie": (Favourite("movie:y", 1_000_000),), "food": ()}
    return Stats(
        tuple(Day(day, n % 3, n, 7 * n, 6 * n) for n, day in enumerate(every)),
        12,
        40,
        9,
        opinions,
        popular,
        {},
    )


def drawn(stats: Stats, titles: dict[str, str], words: Phrases = KO) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "Glyph … missing from font" is a warning
        png = charts.draw(stats, titles, words)
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("L"))


@pytest.mark.parametrize(("days", "full", "words"), [(7, True, EN), (90, True, KO), (30, False, KO)])
def test_a_picture_has_every_glyph_and_something_in_it(days: int, full: bool, words: Phrases) -> None:
    """Keeps away boxes in place of Hangul, and a day without anything that cannot be drawn."""
    picture = drawn(figures(days, full), {"book:x": "불편한 편의점", "movie:y": "긴 제목 " * 40}, words)
    assert picture.shape[1] == 40 * charts.WIDTH
    assert (picture < 128).mean() > 0.001


def test_the_font_has_all_hangul_that_the_words_need() -> None:
    font = get_font(str(charts._Fonts().regular)).get_charmap()
    said = "".join(str(value) for value in KO._tree["chart"].values()) + "가힣뷁똠"
    assert not [char for char in said if "가" <= char <= "힣" and ord(char) not in font]


def test_hangul_is_drawn_as_itself() -> None:
    """Keeps away a font that gives each syllable the same box without a warning."""
    one, other = (drawn(figures(7), {"book:x": title}) for title in ("된장찌개", "김치찌개"))
    assert (one != other).any()


@pytest.mark.parametrize("title", ["$9.99 $\\frac{1}{2}$", "{x} %s \\n", "^_{", ""])
def test_a_title_is_no_formula(title: str) -> None:
    """Keeps away a film called $9.99 that ends the picture with a parse error."""
    drawn(figures(7), {"book:x": title, "movie:y": title})


@pytest.mark.parametrize("module", ["matplotlib.figure", "koreanize_matplotlib"])
def test_without_matplotlib_or_font_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    if module == "koreanize_matplotlib":
        monkeypatch.setattr(charts, "find_spec", lambda name: None)
    else:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(charts.NoCharts, match=r"oneulmwo\[operators\]"):
        charts.draw(figures(7), {}, KO)
