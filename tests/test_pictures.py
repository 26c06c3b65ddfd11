"""What the README's pictures are drawn from: marks at their places, and nothing of a message taken for markup."""

from __future__ import annotations

from typing import Any

import pytest

from tests import botmarks
from tests.botmethods import Methods
from tests.pictures.telegram import marked, page


@pytest.mark.parametrize(
    ("html", "drawn"),
    [
        (
            "😀 <b>가<i>나</i></b> &lt;b&gt; <a href='https://x.kr'>다</a>",
            "😀 <b>가<i>나</i></b> &lt;b&gt; <a>다</a>",
        ),
        ("<i>a</i><b>b</b>c", "<i>a</i><b>b</b>c"),
        ("제목\n<blockquote>왜\n그래서</blockquote>\n\n끝", "제목<blockquote>왜\n그래서</blockquote>\n끝"),
        (
            "<b>한 <blockquote>x https://x.kr</blockquote></b>",
            "<b>한 <blockquote>x <a>https://x.kr</a></blockquote></b>",
        ),
        ("", ""),
    ],
)
def test_entities_are_drawn_where_telegram_read_them(html: str, drawn: str) -> None:
    """Keeps away a picture whose bold text is one emoji too far to the left."""
    assert marked(*botmarks.read(html, "HTML", [])) == drawn


def test_a_page_shows_bubbles_buttons_and_polls_of_what_was_sent() -> None:
    api = Methods()
    minji, junho = api.world.person("<민지>"), api.world.person("준호")
    group = api.world.group(minji, junho, title="점심 모임")
    api.world.say(minji, group, "뭐 먹지?")
    key = {"text": "지도 & 길", "url": "https://x.kr"}
    sent: dict[str, Any] = {"chat_id": group.id, "text": "<b>국밥</b>", "parse_mode": "HTML"}
    api.do_sendmessage(sent | {"reply_markup": {"inline_keyboard": [[key]]}})
    poll = api.do_sendpoll(
        {"chat_id": group.id, "question": "어디?", "options": ["국밥", "우동"], "is_anonymous": False}
    )
    api.world.vote(minji, poll, 0)
    drawn = page([list(api.world.messages.values())])
    for shown in ("<b>점심 모임</b>", "&lt;민지&gt;", "뭐 먹지?", "<b>국밥</b>", "<span class=link>지도 &amp; 길</span>",
                  "<em>100%</em>", "<em>0%</em>", "공개 투표"):  # fmt: skip
        assert shown in drawn
