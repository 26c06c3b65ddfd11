"""The figures that operators look at, as one picture: numbers on top, days in the middle, opinions and items below.

Drawn by matplotlib with a font that has Hangul; both come with the extra `operators`. Knows no database and no chat.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from data.phrases import Phrases
from storage.stats import FEWEST, Favourite, Stats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import FancyBboxPatch

WIDTH, HEIGHT, DPI = 10.0, 11.2, 128
"""Inches, and dots an inch: 1280 by 1434."""
FONTS: Final = ("NanumGothic.ttf", "NanumGothicBold.ttf")
TICKS: Final = 8
"""Days that are written under an axis at most."""
TITLE_LENGTH: Final = 15
EDGE: Final = 1.95
"""Where the names of domains stand beside the bars, as a multiple of the longest."""
INK, MUTED, LINE, PAPER = "#22252b", "#7b818c", "#e6e8ec", "#ffffff"
BLUE, SKY, GREEN, ROSE = "#3b6fe0", "#c9d8fa", "#2f9e77", "#e0645c"
OF_DOMAIN: Final = {"book": "#3b6fe0", "movie": "#8b5fd0", "food": "#e08a2e"}
_ONE_AT_A_TIME = threading.Lock()
"""Matplotlib's fonts are not made to be used by two threads."""


class NoCharts(Exception):
    """Nothing can be drawn here; the message says what to install."""


class _Fonts:
    """Regular and bold, with Hangul."""

    def __init__(self) -> None:
        from matplotlib.font_manager import FontProperties

        # Looked up and not imported: the package would set fonts of its own for everybody, by way of distutils.
        spec = find_spec("koreanize_matplotlib")
        if spec is None or not spec.submodule_search_locations:
            raise NoCharts("No font with Hangul: install oneulmwo[operators].")
        self.folder = Path(next(iter(spec.submodule_search_locations))) / "fonts"
        self.regular, self.bold = (self.folder / name for name in FONTS)
        if not (self.regular.exists() and self.bold.exists()):
            raise NoCharts("The package koreanize-matplotlib has no font: install it again.")
        self._properties = FontProperties

    def of(self, size: float, bold: bool = False) -> FontProperties:
        return self._properties(fname=str(self.bold if bold else self.regular), size=size)


def draw(stats: Stats, titles: Mapping[str, str], words: Phrases) -> bytes:
    """A PNG of the figures, with the titles of items by id. Takes a second and more: not for a loop.

    Raises:
        NoCharts: matplotlib or the font is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NoCharts("Matplotlib is not installed: install oneulmwo[operators].") from None
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with _ONE_AT_A_TIME:
        fonts = _Fonts()
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor=PAPER)
        _head(figure, stats, words, fonts)
        grid = figure.add_gridspec(
            3, 2, left=0.085, right=0.96, top=0.785, bottom=0.035, hspace=0.5, wspace=0.62,
            height_ratios=(1, 1, 1.15), width_ratios=(1, 1.2),
        )  # fmt: skip
        _people(figure.add_subplot(grid[0, :]), stats, words, fonts)
        _turns(figure.add_subplot(grid[1, :]), stats, words, fonts)
        _opinions(figure.add_subplot(grid[2, 0]), stats, words, fonts)
        _popular(figure.add_subplot(grid[2, 1]), stats, titles, words, fonts)
        out = io.BytesIO()
        figure.savefig(out, format="png")
    return out.getvalue()


def _head(figure: Figure, stats: Stats, words: Phrases, fonts: _Fonts) -> None:
    """The title and five numbers."""
    say, days = words.say, stats.days
    figure.text(0.04, 0.955, say("chart.title", days=len(days)), fontproperties=fonts.of(20, True), color=INK)
    span = say("chart.span", first=f"{days[0].day:%Y.%m.%d}", last=f"{days[-1].day:%Y.%m.%d}")
    figure.text(0.96, 0.957, span, fontproperties=fonts.of(11.5), color=MUTED, ha="right")
    numbers = (
        ("chart.users", f"{stats.users:,}"),
        ("chart.new", f"{sum(day.new for day in days):,}"),
        ("chart.turns", f"{stats.turns:,}"),
        ("chart.answered", _share(stats.answered, stats.turns)),
        ("chart.reacted", _share(stats.reacted, stats.delivered)),
    )
    for place, (key, value) in enumerate(numbers):
        left = 0.04 + place * 0.187
        figure.add_artist(_tile(left))
        figure.text(left + 0.016, 0.873, value, fontproperties=fonts.of(21, True), color=INK)
        figure.text(left + 0.016, 0.914, say(key), fontproperties=fonts.of(10.5), color=MUTED)


def _tile(left: float) -> FancyBboxPatch:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (left + 0.004, 0.862), 0.164, 0.070, boxstyle="round,pad=0.004,rounding_size=0.008",
        facecolor="#f5f6f8", edgecolor="none", mutation_aspect=WIDTH / HEIGHT, zorder=-1,
    )  # fmt: skip


def _people(axes: Axes, stats: Stats, words: Phrases, fonts: _Fonts) -> None:
    days = stats.days
    places = range(len(days))
    axes.bar(places, [day.people for day in days], width=0.72, color=SKY, label=words.say("chart.active"))
    axes.bar(places, [day.new for day in days], width=0.34, color=BLUE, label=words.say("chart.new"))
    _by_day(axes, "chart.people_by_day", [day.day for day in days], words, fonts)


def _turns(axes: Axes, stats: Stats, words: Phrases, fonts: _Fonts) -> None:
    days = stats.days
    places = list(range(len(days)))
    turns, answered = [day.turns for day in days], [day.answered for day in days]
    axes.fill_between(places, turns, color=SKY, linewidth=0)
    axes.plot(places, turns, color=BLUE, linewidth=2, label=words.say("chart.all_turns"))
    axes.plot(
        places,
        answered,
        color=GREEN,
        linewidth=2,
        linestyle=(0, (3, 1.5)),
        label=words.say("chart.answered_turns"),
    )
    if len(days) <= 2 * TICKS:
        axes.plot(places, turns, "o", color=BLUE, markersize=4)
    _by_day(axes, "chart.turns_by_day", [day.day for day in days], words, fonts)


def _by_day(axes: Axes, title: str, days: Sequence[date], words: Phrases, fonts: _Fonts) -> None:
    """What charts over days have in common."""
    from matplotlib.ticker import MaxNLocator

    _plain(axes, words.say(title), fonts)
    step = -(-len(days) // TICKS)
    shown = list(range(len(days) - 1, -1, -step))[::-1]  # today is always written
    axes.set_xticks(shown, [f"{days[place].month}/{days[place].day}" for place in shown])
    axes.set_xlim(-0.6, len(days) - 0.4)
    axes.set_ylim(0, max(axes.get_ylim()[1] * 1.05, 4))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(lambda value, place: f"{value:,.0f}")
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontproperties(fonts.of(10))
        label.set_color(MUTED)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.005, 1.03), ncols=2, frameon=False, prop=fonts.of(10), labelcolor=MUTED,
        handlelength=1.2, columnspacing=1.2, borderpad=0,
    )  # fmt: skip


def _opinions(axes: Axes, stats: Stats, words: Phrases, fonts: _Fonts) -> None:
    """Likes to the right of the middle, dislikes to the left."""
    _plain(axes, words.say("chart.opinions"), fonts)
    told = [(each, each.likes or 0, each.dislikes or 0) for each in stats.opinions]
    most = max((max(likes, dislikes) for _, likes, dislikes in told), default=0) or 1
    axes.axvline(0, color=LINE, linewidth=1)
    for place, (each, likes, dislikes) in enumerate(told):
        name = words.say(f"label.domain.{each.domain}")
        axes.text(-most * EDGE, place, name, fontproperties=fonts.of(10.5, True), color=INK, va="center")
        if each.likes is None:
            few = words.say("chart.few", least=FEWEST)
            axes.text(
                0, place, few, fontproperties=fonts.of(10), color=MUTED, ha="center", va="center",
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 2},
            )  # fmt: skip
            continue
        axes.barh(place, likes, height=0.44, color=GREEN)
        axes.barh(place, -dislikes, height=0.44, color=ROSE)
        axes.text(
            likes + most * 0.06, place, f"{likes:,}", fontproperties=fonts.of(10.5), color=INK, va="center"
        )
        axes.text(
            -dislikes - most * 0.06, place, f"{dislikes:,}", fontproperties=fonts.of(10.5), color=INK,
            va="center", ha="right",
        )  # fmt: skip
    axes.set_xlim(-most * EDGE, most * 1.45)
    axes.set_ylim(len(told) - 0.2, -0.5)
    for key, color, x, side in (("dislike", ROSE, -0.06, "right"), ("like", GREEN, 0.06, "left")):
        axes.text(
            most * x,
            len(told) - 0.38,
            words.say(f"chart.{key}"),
            fontproperties=fonts.of(10),
            color=color,
            ha=side,
        )
    axes.set_xticks([])
    axes.set_yticks([])


def _popular(axes: Axes, stats: Stats, titles: Mapping[str, str], words: Phrases, fonts: _Fonts) -> None:
    """What most people were shown, of each domain in its colour."""
    from matplotlib.patches import Patch

    _plain(axes, words.say("chart.popular"), fonts, x=-0.47)
    axes.set_xticks([])
    axes.set_yticks([])
    rows: list[tuple[str, Favourite]] = [
        (domain, each) for domain, listed in stats.favourites.items() for each in listed
    ]
    if not rows:
        axes.text(
            0.5, 0.5, words.say("chart.nothing"), fontproperties=fonts.of(11), color=MUTED, ha="center",
            transform=axes.transAxes,
        )  # fmt: skip
        return
    most = max(each.people for _, each in rows)
    for place, (domain, each) in enumerate(rows):
        title = titles.get(each.item_id, each.item_id)
        title = title if len(title) <= TITLE_LENGTH else f"{title[: TITLE_LENGTH - 1]}…"
        axes.barh(place, each.people, height=0.62, color=OF_DOMAIN.get(domain, BLUE))
        axes.text(
            -most * 0.03,
            place,
            _drawable(title),
            fontproperties=fonts.of(10),
            color=INK,
            ha="right",
            va="center",
        )
        axes.text(
            each.people + most * 0.02,
            place,
            f"{each.people:,}",
            fontproperties=fonts.of(10),
            color=MUTED,
            va="center",
        )
    axes.set_xlim(0, most * 1.12)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    shown = [domain for domain in stats.favourites if stats.favourites[domain]]
    marks = [
        Patch(color=OF_DOMAIN.get(domain, BLUE), label=words.say(f"label.domain.{domain}"))
        for domain in shown
    ]
    axes.legend(
        handles=marks, loc="lower right", bbox_to_anchor=(1.005, 1.03), ncols=len(marks), frameon=False,
        prop=fonts.of(10), labelcolor=MUTED, handlelength=0.9, handleheight=0.9, columnspacing=1.0, borderpad=0,
    )  # fmt: skip


def _plain(axes: Axes, title: str, fonts: _Fonts, x: float = 0.0) -> None:
    """A chart without a frame, its title on the left, at `x` of its width."""
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title(title, loc="left", x=x, pad=14, fontproperties=fonts.of(12.5, True), color=INK)


def _drawable(title: str) -> str:
    """A title as matplotlib shows it: a dollar sign begins no formula."""
    return title.replace("$", r"\$")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"
