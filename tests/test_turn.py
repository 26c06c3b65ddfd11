"""What crosses between platforms and conversations comes out of storage as it went in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from handlers import turn
from handlers.turn import Card, Chat, Choice, Form, Person, Poll, Reply, Turn, number

WORDS = st.text(max_size=40)
MAYBE = st.none() | WORDS
FEW = 3
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(0, 20)


def several(each: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, max_size=FEW).map(tuple)


CHATS = st.builds(Chat, WORDS, WORDS, st.sampled_from(["private", "group", "thread"]))
PAYLOADS = st.one_of(
    st.builds(turn.Text, WORDS),
    st.builds(turn.Command, WORDS, WORDS),
    st.builds(turn.Press, WORDS),
    st.builds(turn.FormSubmitted, WORDS, st.dictionaries(WORDS, WORDS, max_size=FEW)),
    st.builds(turn.Location, FLOATS, FLOATS),
    st.builds(turn.Media, WORDS),
    st.builds(turn.PollAnswer, WORDS, several(INTEGERS)),
    st.builds(turn.PollClosed, WORDS, several(INTEGERS)),
    st.builds(turn.Membership, st.sampled_from(["joined", "left"]), st.booleans()),
    st.builds(turn.Tick, WORDS),
)
TURNS = st.builds(
    Turn, WORDS, CHATS, st.builds(Person, WORDS, WORDS, WORDS), PAYLOADS, FLOATS, MAYBE, st.booleans()
)
REPLIES = st.builds(
    Reply,
    text=WORDS,
    cards=several(
        st.builds(
            Card, WORDS, WORDS, WORDS, INTEGERS, WORDS, WORDS, facts=several(WORDS), url=MAYBE, cover=MAYBE
        )
    ),
    choices=several(st.builds(Choice, WORDS, WORDS, INTEGERS, WORDS, WORDS)),
    form=st.none() | st.builds(Form, WORDS, WORDS, several(st.tuples(WORDS, WORDS))),
    poll=st.none() | st.builds(Poll, WORDS, several(WORDS), st.booleans(), st.booleans()),
    slot=WORDS,
    chat=st.none() | CHATS,
    person=WORDS,
    private=st.booleans(),
    interim=st.booleans(),
    exposure=MAYBE,
    file=st.none() | st.builds(turn.Attachment, WORDS, WORDS, WORDS, st.booleans()),
    locate=st.booleans(),
)


@given(TURNS)
def test_a_turn_is_stored_whole(said: Turn) -> None:
    """Keeps away a poll's answer that comes back as its end: their fields have the same types."""
    stored = Turn.from_json(said.to_json())
    assert stored == said
    assert type(stored.payload) is type(said.payload)


@given(REPLIES)
def test_a_reply_is_stored_whole(shown: Reply) -> None:
    assert Reply.from_json(shown.to_json()) == shown


def test_every_payload_is_tried_above() -> None:
    """Keeps away a new kind of turn that nobody stores."""
    kinds = {name for name, each in vars(turn).items() if "kind" in getattr(each, "__dataclass_fields__", {})}
    assert kinds - {"Chat"} == {
        "Text", "Command", "Press", "FormSubmitted", "Location", "Media", "PollAnswer", "PollClosed",
        "Membership", "Tick",
    }  # fmt: skip


@given(TURNS, st.sampled_from(["id", "chat", "person", "payload", "at"]))
def test_a_turn_that_lacks_something_is_refused(said: Turn, missing: str) -> None:
    body = json.loads(said.to_json())
    del body[missing]
    with pytest.raises(ValidationError):
        Turn.from_json(json.dumps(body))


def test_a_turn_of_a_later_version_is_refused() -> None:
    body = json.loads(Turn("1", Chat("test", "c"), Person("p"), turn.Text("안녕"), 0.0).to_json())
    body["payload"] = {"kind": "hologram", "text": "안녕"}
    with pytest.raises(ValidationError):
        Turn.from_json(json.dumps(body))


@given(st.text())
def test_a_number_in_a_buttons_data_never_raises(data: str) -> None:
    """int() raises for "²", which str.isdigit() takes for a digit, and for a number of 5,000 digits."""
    found = number(data)
    assert found is None or (data.isdecimal() and found == int(data))


@pytest.mark.parametrize(
    ("data", "found"), [("12", 12), ("²", None), ("-1", None), ("", None), ("9" * 5000, None)]
)
def test_only_short_decimal_numbers_count(data: str, found: int | None) -> None:
    assert number(data) == found
