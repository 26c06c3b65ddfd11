"""What needs more of Telegram than texts and buttons: rounds of a group with polls, shared places, files, operators."""

from __future__ import annotations

import pytest

from data.phrases import phrases
from tests.botapi import BotApi
from tests.botworld import Json, Person
from tests.talk import Stage
from tests.telegrams import Talk, running, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("hurried")]

KO = phrases("ko")


@pytest.fixture
def people(api: BotApi) -> list[Person]:
    return [api.world.person(name) for name in ("민지", "지호", "서연")]


@pytest.fixture
def hall(api: BotApi, people: list[Person]) -> Talk:
    return Talk(api, api.world.supergroup(*people), people[0])


def link(message: Json, label: str) -> str:
    rows = message["reply_markup"]["inline_keyboard"]
    return next(
        str(each["url"]).partition("?start=")[2] for row in rows for each in row if each["text"] == label
    )


def polls(hall: Talk) -> list[Json]:
    return [message for message in hall.shown if "poll" in message]


async def opened(api: BotApi, hall: Talk, people: list[Person]) -> Json:
    """A round with everybody in it, and its message."""
    board = await hall.says("/together 웃긴 영화")
    for person in people[1:]:
        await Talk(api, hall.chat, person).presses(KO.say("round.button.join"), board)
    await until(lambda: people[-1].name in api.world.messages[hall.chat.id, board["message_id"]]["text"])
    return board


async def test_a_round_from_the_command_to_the_winner(
    bot: Stage, api: BotApi, hall: Talk, people: list[Person]
) -> None:
    board = await opened(api, hall, people)
    jiho = people[1]
    private = Talk(api, api.world.private(jiho), jiho)
    api.world.start(jiho, link(board, KO.say("round.button.tell")))
    await until(lambda: private.shown)
    await private.says("무서운 건 못 봐")
    await hall.presses(KO.say("round.button.pick"), board)
    await until(lambda: polls(hall))
    (shown,) = polls(hall)
    assert len(shown["poll"]["options"]) == 4
    assert any(message.get("text", "").count("🎬") == 3 for message in hall.shown)
    assert not any("무서운" in text for text in api.world.texts(hall.chat))
    for person in people:
        api.world.vote(person, shown, 1)
    await until(lambda: shown["poll"]["is_closed"])
    winner = shown["poll"]["options"][1]["text"]
    await until(lambda: winner in hall.last.get("text", "") and hall.last is not shown)


async def test_a_poll_closed_by_hand_ends_its_round(
    bot: Stage, api: BotApi, hall: Talk, people: list[Person]
) -> None:
    board = await opened(api, hall, people)
    await hall.presses(KO.say("round.button.pick"), board)
    await until(lambda: polls(hall))
    (shown,) = polls(hall)
    api.world.vote(people[1], shown, 2)
    count = len(hall.shown)
    api.world.close_poll(shown)
    await until(lambda: len(hall.shown) > count)
    assert shown["poll"]["options"][2]["text"] in hall.last["text"]


async def test_a_round_goes_on_after_a_restart_and_where_its_group_went(
    stage: Stage, api: BotApi, people: list[Person]
) -> None:
    small = Talk(api, api.world.group(*people), people[0])
    async with running(stage.app, api):
        board = await small.says("/together 웃긴 영화")
        await Talk(api, small.chat, people[1]).presses(KO.say("round.button.join"), board)
        grown = Talk(api, api.world.migrate(small.chat, people[0]), people[0])
        await until(lambda: not api.world.pending)
    async with running(stage.app, api):
        await grown.says("/together")
        label = KO.say("round.button.pick")
        await until(lambda: any(label in str(message.get("reply_markup")) for message in grown.shown))
        again = next(message for message in grown.shown if label in str(message.get("reply_markup")))
        await grown.presses(label, again)
        await until(lambda: polls(grown))
        for person in people[:2]:
            api.world.vote(person, polls(grown)[0], 0)
        await until(lambda: polls(grown)[0]["poll"]["is_closed"])


async def test_a_vote_in_somebody_elses_poll_is_nothing_to_the_bot(
    bot: Stage, api: BotApi, hall: Talk, people: list[Person]
) -> None:
    answer = {"poll_id": "77", "user": people[0].json, "option_ids": [0], "option_persistent_ids": ["0"]}
    api.world.push("poll_answer", answer)
    await hall.says("/help")
    assert len(hall.shown) == 1


async def test_a_place_is_asked_for_with_a_button_and_answered(
    bot: Stage, api: BotApi, people: list[Person]
) -> None:
    """No network here: the answer is a link to a map."""
    talk = Talk(api, api.world.private(people[0]), people[0])
    await talk.says("/nearby 김치찌개")
    asked = next(call for call in reversed(api.calls) if call.method == "sendmessage")
    (button,) = asked.params["reply_markup"]["keyboard"][0]
    assert button == {"text": KO.say("telegram.share_place"), "request_location": True}
    api.world.share_location(people[0], 37.5, 127.0)
    await until(lambda: len(talk.shown) == 2)
    urls = [each.get("url", "") for row in talk.last["reply_markup"]["inline_keyboard"] for each in row]
    assert any(url.startswith("https://map.kakao.com/link/search/") for url in urls)


async def test_ones_data_come_as_a_file(bot: Stage, api: BotApi, people: list[Person]) -> None:
    talk = Talk(api, api.world.private(people[0]), people[0])
    await talk.says("/export")
    await until(lambda: any("document" in message for message in talk.shown))
    sent = next(call for call in api.calls if call.method == "senddocument")
    assert b'"platform_id"' in sent.params["document"]


async def test_operators_get_their_panel_and_nobody_else_learns_of_it(
    stage: Stage, api: BotApi, people: list[Person]
) -> None:
    operator, other = people[:2]
    async with running(stage.app, api, admins=(("telegram", str(operator.id)),)):
        desk = Talk(api, api.world.private(operator), operator)
        await desk.says("/admin")
        await desk.presses(KO.say("job.stats"))
        await until(lambda: any("photo" in message for message in desk.shown))
        nobody = Talk(api, api.world.private(other), other)
        await nobody.says("/admin")
        said = nobody.last["text"]
        await nobody.says("/nonsense")
        assert said in KO.variants("chat.unknown_command")
        assert nobody.last["text"] in KO.variants("chat.unknown_command")
