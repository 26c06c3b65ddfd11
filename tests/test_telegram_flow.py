"""The pace at which the bot speaks in Telegram never passes what the platform bears."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.telegram import flow
from bot.telegram.flow import Flow

STEPS = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, -1, -2]), st.booleans(), st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.0, 20.0])),
    max_size=150,
)  # fmt: skip


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whoever_waits_as_told_never_passes_a_limit(steps: list[tuple[int, bool, float]]) -> None:
    clock = Clock()
    pace, done = Flow(clock), list[tuple[float, int, bool]]()
    for chat, edit, passes in steps:
        clock.now += passes
        clock.now += pace.wait(chat, edit)
        assert pace.wait(chat, edit) <= 1e-9, "whoever waited has to wait again"
        pace.spend(chat, edit)
        done.append((clock.now, chat, edit))
    for at, chat, edit in done:
        later = [each for each in done if each[0] >= at]
        assert sum(1 for when, _, _ in later if when < at + 1.0 - 1e-6) <= flow.MESSAGES_A_SECOND
        here = [when for when, where, _ in later if where == chat and when < at + flow.GROUP_SECONDS - 1e-6]
        assert chat > 0 or len(here) <= flow.GROUP_MESSAGES
        if not edit:
            sent = [when for when, where, edited in later if where == chat and not edited]
            assert sum(1 for when in sent if when < at + flow.CHAT_SECONDS - 1e-6) == 1


def test_a_chat_that_may_not_be_spoken_in_holds_up_no_other() -> None:
    clock = Clock()
    pace = Flow(clock)
    pace.block(1, 30.0)
    assert (pace.wait(1), pace.wait(1, edit=True), pace.wait(2)) == (30.0, 30.0, 0.0)
    clock.now = 30.0
    assert pace.wait(1) == 0.0


def test_thousands_of_chats_are_not_remembered_for_ever() -> None:
    clock = Clock()
    pace = Flow(clock)
    for chat in range(1, 5 * flow.SWEPT_AFTER):
        clock.now += 1.0
        pace.spend(chat)
    assert len(pace._chats) <= flow.SWEPT_AFTER + 1
