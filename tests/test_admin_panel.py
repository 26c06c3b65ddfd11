"""The operators' panel: what each button does, and that nobody else finds out that there is one."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bot import charts, imports, learning
from bot.learning import WISHES
from bot.private import PrivateFile
from bot.settings import Settings
from data.phrases import phrases
from data.sources import SOURCES
from data.sources.files import SourceError
from handlers import desk
from handlers.imports import LONGEST
from handlers.recommend import SENSITIVE
from handlers.turn import Reply, Text
from storage import health, inquiries, jobs, operators, sessions, users
from storage import learning as learnt
from storage.database import Database
from storage.jobs import Job
from storage.schema import inbox, outbox
from storage.schema import users as user_table
from tests.service import Say, serving
from tests.talk import Someone, Stage, at_once

talks = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
KO = phrases("ko")
STALE, UNKNOWN = KO.say("chat.stale"), KO.say("chat.unknown_command")
BUTTONS = (
    "job:panel", "job:begin:export", "imp:", "imp:of:tmdb", "imp:all:tmdb", "stats:7", "stats:30", "health",
    "inq:page:0", "inq:read:1", "inq:answer:1", "upkeep:", "upkeep:write", "upkeep:off", "block:page:0",
    "block:off:0123456789ab", "desk:cancel",
)  # fmt: skip
FORGED = (
    "job:begin:import", "imp:of:nobody", "imp:of:", "imp:all:movielens", "imp:all:", "imp:x", "stats:",
    "stats:8", "stats:0", "stats:-7", "stats:७", "health:1", "upkeep:x", "inq:answer:", "inq:answer:x",
    f"inq:answer:{'9' * 40}", "block:off:xyz", "block:off:", "block:page:x", "block:", "desk:", "desk:x", "desk",
)  # fmt: skip
CSV = "code,name\n1,들깨칼국수\n2,\n3,감자옹심이\n"
MAPPING = 'domain = "food"\nname = "panel"\nid = "code"\n[file]\nformat = "csv"\n[fields]\ntitle = "name"\n'


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of a tenth of the dots is drawn in a third of the time."""
    monkeypatch.setattr(charts, "DPI", 40)


@pytest.fixture
def operator(stage: Stage, request: pytest.FixtureRequest, tmp_path: Path) -> Someone:
    """An operator on a platform of their own over the same database, with a home of their own for files."""
    name = f"{request.node.name}.operator"
    settings = stage.app.settings.model_copy(update={"admins": (("ops", name),), "home": tmp_path / "home"})
    return Someone(Stage(replace(stage.app, settings=settings), "ops"), name)


async def last_job(person: Someone) -> Job | None:
    async with person.stage.app.database.reading() as connection:
        return max(await jobs.recent(connection, 50), key=lambda job: job.id, default=None)


async def done(person: Someone) -> tuple[Job, Reply]:
    """The last job, worked off, and what the operator was shown of it in the end."""
    assert await person.stage.app.runner().work_one()
    job = await last_job(person)
    assert job is not None
    person.stage.delivery.wake()
    await person.stage.delivery.settle()
    return job, person.stage.shown[f"job.{job.id}"][-1]


def put(person: Someone, name: str, text: str) -> Path:
    path = person.stage.app.settings.home / "imports" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


# Who sees it


@talks
async def test_whoever_is_no_operator_learns_nothing(someone: People) -> None:
    person = someone()
    before = await last_job(person)
    for data in (*BUTTONS, "job:begin:import", "block:off:"):
        answer = await person.presses(data)
        assert (answer.text, len(answer.replies)) == (STALE, 1), data
    for command in ("admin", "block", "unblock", "answer"):
        assert (await person.commands(command, "telegram:1 x")).text == UNKNOWN
    assert desk.AWAITED not in await session(person)
    assert await last_job(person) == before


@talks
async def test_a_forged_button_does_nothing_for_an_operator_either(operator: Someone) -> None:
    for data in FORGED:
        assert (await operator.presses(data)).text == STALE, data


@talks
async def test_every_button_of_the_panel_leads_somewhere(operator: Someone) -> None:
    panel = await operator.commands("admin")
    assert len({choice.label for choice in panel.choices}) == len(panel.choices)
    for choice in panel.choices:
        assert choice.data.isascii()
        assert len(choice.data) <= 40
        if not choice.data.startswith("job:begin:"):
            assert (await operator.presses(choice.data)).text not in (STALE, "")
    async with operator.stage.app.database.reading() as connection:
        where = await operators.chats(connection)
    assert where["ops", operator.name] == f"{operator.name}@home"


@talks
async def test_whoever_is_no_operator_any_more_has_nothing_awaited(operator: Someone) -> None:
    """Keeps away a former operator whose next text is told to everybody as a maintenance message."""
    await operator.presses("upkeep:write")
    app = replace(operator.stage.app, settings=operator.stage.app.settings.model_copy(update={"admins": ()}))
    former = Someone(Stage(app, "ops"), operator.name)
    former.turns = operator.turns
    assert (await former.says("웃긴 영화")).cards
    async with app.database.reading() as connection:
        assert await operators.maintenance(connection) is None


# Answering inquiries


async def session(person: Someone) -> dict[str, Any]:
    stage = person.stage
    async with stage.app.database.writing() as connection:
        user = await users.ensure(
            connection, platform=stage.name, platform_id=person.name, name="", locale=""
        )
        return await sessions.load(connection, user.id, stage.name, f"{person.name}@{person.chat}")


async def inquired(person: Someone, text: str) -> int:
    await person.commands("inquiry", text)
    async with person.stage.app.database.reading() as connection:
        query = select(user_table.c.id).where(user_table.c.platform_id == person.name)
        user_id = await connection.scalar(query)
        assert user_id is not None
        return (await inquiries.of_user(connection, user_id))[0].id


@talks
async def test_an_inquiry_is_answered_by_pressing_and_typing(someone: People, operator: Someone) -> None:
    person = someone()
    number = await inquired(person, "카드가 안 보여요")
    read = await operator.presses(f"inq:read:{number}")
    assert f"/block test:{person.name}" in read.text
    await operator.taps(KO.say("admin.reply", number=number))
    assert "카드가 안 보여요" in operator.last.text
    await operator.says(" \u200b ")
    assert operator.last.text == KO.say("admin.usage")
    await operator.says("가" * 5_000)
    assert operator.last.text == KO.say("admin.too_long", most=1_000)
    await operator.says("고쳤어요.\n다시 봐 주세요.")
    assert operator.last.text == KO.say("admin.sent", number=number, who=f"{person.name} (test)")
    person.stage.delivery.wake()
    await person.stage.delivery.settle()
    heard = [r for every in person.stage.shown.values() for r in every if r.slot == f"inquiry.{number}"]
    assert "고쳤어요.\n다시 봐 주세요." in heard[-1].text
    assert (await operator.says("웃긴 영화")).cards, "the text after it is a wish again"
    assert "고쳤어요" in (await operator.presses(f"inq:answer:{number}")).text, "answered already"
    assert (await operator.presses("inq:answer:999999")).text == KO.say("admin.unknown", number=999_999)


@talks
@pytest.mark.parametrize("way", ["button", "취소", "command", "time", "other button"])
async def test_an_answer_can_be_called_off(someone: People, operator: Someone, way: str) -> None:
    """Keeps away a wish of the operator's that is sent to whoever had asked something."""
    person = someone(way)
    number = await inquired(person, "질문")
    await operator.presses(f"inq:answer:{number}")
    match way:
        case "button":
            await operator.taps(KO.say("button.cancel"))
        case "취소":
            await operator.says("취소")
        case "command":
            await operator.commands("help")
        case "other button":
            await operator.presses("health")
        case "time":
            operator.ahead = 3_600
    assert (await operator.says("웃긴 영화")).cards
    async with person.stage.app.database.reading() as connection:
        assert (await inquiries.get(connection, number)).answer is None  # type: ignore[union-attr]


@talks
async def test_of_two_texts_at_once_neither_is_sent_unseen(someone: People, operator: Someone) -> None:
    """Keeps away half an answer that is sent, and its first half that is lost."""
    person = someone()
    number = await inquired(person, "질문")
    await operator.presses(f"inq:answer:{number}")
    first, second = await at_once(operator, Text("첫 줄이에요"), Text("웃긴 영화"))
    async with person.stage.app.database.reading() as connection:
        answer = (await inquiries.get(connection, number)).answer  # type: ignore[union-attr]
    told = KO.say("admin.sent", number=number, who=f"{person.name} (test)")
    assert answer == ("첫 줄이에요" if told in [reply.text for reply in first] else None)
    assert second[-1].cards, "what comes after it is no answer"


# Importing


@talks
async def test_a_file_is_imported_with_progress_and_report(operator: Someone) -> None:
    put(operator, "books.csv", CSV)
    put(operator, "books.toml", MAPPING)
    await operator.presses("imp:")
    await operator.taps("table")
    assert "books.csv" in operator.last.text
    await operator.says("books.csv books.toml")
    assert operator.last.text == KO.say("job.asked", name=KO.say("job.kind.import"))
    job, shown = await done(operator)
    assert job.state == "done", job.error
    assert job.result is not None
    assert (job.result["read"], job.result["added"], job.result["skipped"]) == (3, 2, 1)
    report = Path(job.result["report"])
    assert (mode(report), len(lines(report))) == (0o600, 1)
    assert str(report) in shown.text
    assert KO.say("job.skipped", count=1, why=job.result["why"][0][0]) in shown.text


@talks
@pytest.mark.parametrize(
    "name",
    [
        "../oneulmwo.db",
        "/etc/passwd",
        "link.csv",
        "..",
        ".",
        "nothing.csv",
        "a\0b",
        "folder/../../x",
        "~/x",
        "%2e%2e/x",
    ],
)
async def test_nothing_outside_of_the_folder_can_be_read(
    operator: Someone, name: str, tmp_path: Path
) -> None:
    """Keeps away a chat that reads the server's files."""
    put(operator, "folder/fine.csv", CSV)
    (tmp_path / "home" / "oneulmwo.db").write_text("secret")
    (tmp_path / "home" / "imports" / "link.csv").symlink_to("/etc/passwd")
    before = await last_job(operator)
    await operator.presses("imp:of:yes24")
    await operator.says(name)
    refusal = UNKNOWN if name.startswith("/") else KO.say("import.no_file")
    assert operator.last.text.startswith(refusal)
    settings = operator.stage.app.settings
    assert imports.inside(settings, name) is None
    with pytest.raises(SourceError, match="folder"):
        imports.asked_for(settings, {"source": "yes24", "path": name})
    assert await last_job(operator) == before


@talks
async def test_what_is_too_long_is_asked_for_again(operator: Someone) -> None:
    await operator.presses("imp:of:tmdb")
    assert (await operator.says("기" * 100_000)).text == KO.say("import.too_long", most=LONGEST)
    await operator.taps(KO.say("button.cancel"))
    assert operator.last.text == KO.say("desk.cancelled")


@talks
@pytest.mark.parametrize("source", SOURCES)
async def test_every_source_says_what_it_takes(operator: Someone, source: str) -> None:
    answer = await operator.presses(f"imp:of:{source}")
    hint = f"import.hint.{source}"
    assert bool(SOURCES[source].web) == (f"imp:all:{source}" in [choice.data for choice in answer.choices])
    assert not SOURCES[source].web or KO.say(hint) in answer.text


@talks
async def test_a_service_is_asked_and_the_import_can_be_stopped(
    operator: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps away an import that cannot be stopped while it waits for a slow service."""
    begun = asyncio.Event()

    async def slow(*_: Any, progress: Callable[[int], None], **__: Any) -> None:
        progress(12_345)
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("bot.jobs.import_rows", slow)
    await operator.presses("imp:all:kofic")
    job = await last_job(operator)
    assert job is not None
    assert (job.kind, job.payload) == ("import", {"source": "kofic", "query": ""})
    runner = replace(operator.stage.app.runner(), beat=0.01)
    work = asyncio.create_task(runner.work_one())
    await begun.wait()
    said = KO.say("job.rows", count="12,345")
    async with asyncio.timeout(20):
        while not any(said in reply.text for reply in operator.stage.shown[f"job.{job.id}"]):
            operator.stage.delivery.wake()
            await operator.stage.delivery.settle()
            await asyncio.sleep(0.02)
    await operator.presses(f"job:stop:{job.id}")
    await work
    async with operator.stage.app.database.reading() as connection:
        assert (await jobs.get(connection, job.id)).state == "stopped"  # type: ignore[union-attr]


@talks
async def test_a_service_without_its_key_says_which_is_missing(operator: Someone) -> None:
    await operator.presses("imp:of:tmdb")
    await operator.says("2020-2024")
    job, shown = await done(operator)
    assert (job.state, job.payload) == ("failed", {"source": "tmdb", "query": "2020-2024"})
    assert "ONEULMWO_TMDB_KEY" in shown.text


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"source": "x"},
        {"source": "yes24"},
        {"source": "tmdb", "path": "x"},
        {"source": "table", "path": "x"},
    ],
)
def test_a_job_that_makes_no_sense_fails_in_one_line(payload: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        imports.asked_for(Settings(home=tmp_path), payload)


def test_a_folder_of_their_own_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x")
    settings = Settings(home=tmp_path / "home", imports=tmp_path / "data")
    assert imports.names(settings) == ["a.csv"]
    assert imports.inside(settings, "a.csv") == (tmp_path / "data" / "a.csv").resolve()


# Looking


@talks
async def test_the_figures_come_as_words_and_as_a_picture(someone: People, operator: Someone) -> None:
    for name in "abc":
        assert (await someone(name).says("웃긴 영화")).cards
    answer = await operator.presses("stats:30")
    (reply,) = answer.replies
    assert reply.text.startswith(KO.say("stats.lead", days=30, first="", last="")[:8])
    assert reply.file is not None
    assert reply.file.content.startswith(b"\x89PNG")
    assert b64decode(reply.file.text) == reply.file.content
    assert all(f".{name}" not in reply.text for name in "abc"), "nobody is named"
    await operator.taps(KO.say("stats.days", days=90))
    assert operator.last.replies[0].file is not None


@talks
async def test_without_matplotlib_the_words_stand_alone(
    operator: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "find_spec", lambda name: None)
    (reply,) = (await operator.presses("stats:7")).replies
    assert reply.file is None
    assert KO.say("stats.opinions") in reply.text


@talks
async def test_health_tells_how_everything_stands(operator: Someone) -> None:
    text = (await operator.presses("health")).text
    assert KO.say("health.worker.none") in text
    version = operator.stage.app.index.version
    assert f"{version}번째 판" in text
    assert text.count("MiB") == 2
    assert len(text.splitlines()) == 9


@talks
async def test_a_worker_that_answers_or_does_not_is_told(operator: Someone) -> None:
    with serving() as service:
        service.say(Say({"data": [{"id": "exaone"}]}))
        for url, said in (
            (service.url, KO.say("health.worker.answers", says="exaone")),
            ("http://127.0.0.1:9", KO.say("health.worker.silent", says="ConnectError")),
        ):
            settings = Settings(home=operator.stage.app.settings.home, llm_url=url)  # type: ignore[arg-type]
            settings = settings.model_copy(update={"admins": operator.stage.app.settings.admins})
            stage = Stage(replace(operator.stage.app, settings=settings), "ops")
            other = Someone(stage, operator.name)
            other.turns = operator.turns = operator.turns + 1
            assert said in (await other.presses("health")).text


async def test_what_waits_is_counted_with_its_age(database: Database) -> None:
    async with database.writing() as connection:
        assert await health.unfinished(connection) == health.Waiting(0, None)
        for place in range(3):
            row = {
                "platform": "t", "turn_id": str(place), "chat_id": "c", "person_id": "p", "body": "", "taken_at": 100.0 + place,
                "outcome": "done" if place == 0 else None,
            }  # fmt: skip
            await connection.execute(inbox.insert().values(row))
            sent = {
                "platform": "t", "chat_id": "c", "slot": str(place), "turn_id": "t", "body": "", "seq": place, "version": 1,
                "sent_version": int(place < 2), "posted_at": 200.0 + place, "problem": "blocked" if place else None,
            }  # fmt: skip
            await connection.execute(outbox.insert().values(sent))
        await jobs.ask(connection, "index", at=time.time())
        assert await health.unfinished(connection) == health.Waiting(2, 101.0)
        assert await health.due(connection) == health.Waiting(1, 202.0)
        assert await health.undeliverable(connection, 201.5) == 1
        assert await health.open_jobs(connection) == {"waiting": 1}
        assert await health.size(connection) > 10_000


# Training data


@talks
async def test_only_what_people_agreed_to_is_exported(someone: People, operator: Someone) -> None:
    """Keeps away the words, moods and allergies of people in a file that leaves the bot."""
    kept, other, guest = someone("yes"), someone("no"), someone("guest")
    await guest.commands("guest")
    for person in (kept, other, guest):
        if person is kept:
            await person.commands("consent")
            await person.taps(KO.say("button.consent_yes"))
        answer = await person.says("우울한데 새우 알레르기가 있어요. 뜨끈한 국물 추천해줘")
        assert answer.cards
        await person.presses(f"fb:like:{answer.exposure}:1")
    exposure = answer.ids
    found = await exported(operator)
    async with operator.stage.app.database.reading() as connection:
        assert len(found) == await learnt.count(connection) >= 1
        by_one = [
            each
            async for page in learnt.lessons(connection, 2)
            for each in page
            if each.body["request"].get("text", "").startswith("우울한데 새우")
        ]
    mine = [line for line in found if ["like"] in [pick["feedback"] for pick in line["picks"]]]
    assert len(by_one) == 1
    assert [pick["item"] for pick in mine[-1]["picks"]] == list(by_one[0].items)
    assert mine[-1]["picks"][0]["propensity"] == by_one[0].body["trace"]["propensity"][0]
    whole = json.dumps(found, ensure_ascii=False)
    for secret in ("우울", "새우", "shrimp", "sad", kept.name, other.name, "text", "reason"):
        assert secret not in whole, secret
    assert exposure, "a guest was answered too"
    again = await exported(operator)
    assert {line["who"] for line in again}.isdisjoint(line["who"] for line in found), (
        "a key of its own each time"
    )


async def exported(operator: Someone) -> list[dict[str, Any]]:
    panel = await operator.commands("admin")
    await operator.presses(panel.button(KO.say("job.export")))
    job, shown = await done(operator)
    assert job.result is not None, job.error
    path = Path(job.result["path"])
    assert str(path) in shown.text
    assert path.parent == operator.stage.app.settings.home.resolve() / "exports"
    assert mode(path) == 0o600
    assert [each.name for each in path.parent.iterdir() if each.suffix == ".part"] == []
    return [json.loads(line) for line in lines(path)]


def test_nothing_sensitive_is_among_what_is_exported() -> None:
    assert not SENSITIVE & set(WISHES)


@talks
async def test_whoever_withdraws_meanwhile_is_not_in_the_file(
    someone: People, operator: Someone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, database = someone(), operator.stage.app.database
    await person.commands("consent")
    await person.taps(KO.say("button.consent_yes"))
    assert (await person.says("웃긴 영화")).cards
    told: list[int] = []

    async def withdraw(consent: bool) -> None:
        async with database.writing() as connection:
            of = update(user_table).where(user_table.c.platform_id == person.name)
            await connection.execute(of.values(consent=consent))

    lessons = learnt.lessons

    async def withdrawing(*arguments: Any) -> Any:
        async for page in lessons(*arguments):
            yield page
        if not told:
            await withdraw(False)

    def count(stage: str, done: int, total: int) -> None:
        told.append(done) if done == total and len(told) > 3 else None

    monkeypatch.setattr(learnt, "lessons", withdrawing)
    path = tmp_path / "exports" / "x.jsonl"
    result = await learning.export(database, path, count)
    async with database.reading() as connection:
        assert result["answers"] == await learnt.count(connection)
    assert len(lines(path)) == result["answers"]

    async def wavering(*arguments: Any) -> Any:
        await withdraw(True)
        async with database.reading() as connection:  # the state in which they agreed
            async for page in lessons(connection, 10):
                yield page
        await withdraw(False)

    monkeypatch.setattr(learnt, "lessons", wavering)
    with pytest.raises(learning.ExportError, match="ask for it again"):
        await learning.export(database, tmp_path / "exports" / "y.jsonl", count)
    assert [each.name for each in (tmp_path / "exports").iterdir()] == ["x.jsonl"]


async def test_a_folder_that_cannot_be_written_is_named(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(learning.ExportError, match="cannot be written"):
        await learning.export(database, tmp_path / "file" / "x.jsonl", lambda *_: None)


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x" / "y.jsonl"

    def cut_off() -> None:
        with PrivateFile(path) as file:
            file.write("half of it")
            file.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert list(path.parent.iterdir()) == []
    umask = os.umask(0)
    try:
        with PrivateFile(path) as file:
            assert not path.exists()
            file.write("all of it")
    finally:
        os.umask(umask)
    assert (path.read_text(), mode(path)) == ("all of it", 0o600)
