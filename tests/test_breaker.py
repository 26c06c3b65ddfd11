"""The circuit breaker, by a clock that is turned by hand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.breaker import LONGEST_HOLD, Breaker


def breaker(now: list[float] | None = None, failures: int = 3) -> Breaker:
    clock = now if now is not None else [0.0]
    return Breaker(failures=failures, first=1.0, longest=8.0, clock=lambda: clock[0])


def test_a_few_failures_in_a_row_open_it_and_one_success_between_them_does_not() -> None:
    one = breaker()
    assert [one.failed(), one.failed()] == [False, False]
    one.succeeded()
    assert [one.failed(), one.failed(), one.failed()] == [False, False, True]
    assert not one.allows


def test_pauses_grow_while_nobody_answers_and_begin_anew_after_an_answer() -> None:
    one = breaker()
    one.failed(at_once=True)
    pauses = [one.pause]
    for _ in range(5):
        one.probed(False)
        pauses.append(one.pause)
    assert pauses == [1, 2, 4, 8, 8, 8]
    one.probed(True)
    assert one.allows
    one.succeeded()
    assert one.pause == 1


def test_a_return_that_does_not_last_opens_at_the_first_failure_with_a_longer_pause() -> None:
    """Keeps away turns that pay three times a second while only the list of models answers."""
    one = breaker()
    one.failed(at_once=True)
    pauses = []
    for _ in range(4):
        one.probed(True)
        assert one.failed()
        pauses.append(one.pause)
    assert pauses == [2, 4, 8, 8]


def test_what_was_asked_before_it_opened_neither_closes_it_nor_lengthens_the_pause() -> None:
    one = breaker()
    one.failed(at_once=True)
    one.succeeded()
    assert not one.failed(at_once=True)
    assert (one.state, one.pause) == ("open", 1)


@given(st.floats(allow_nan=True, allow_infinity=True).filter(lambda hold: not 0 < hold < 0.001))
def test_a_server_is_left_alone_for_as_long_as_it_asks_but_not_for_ever(hold: float) -> None:
    now = [5.0]
    one = breaker(now)
    one.failed(hold=hold)
    assert one.allows == (not hold > 1e-9)
    now[0] += LONGEST_HOLD
    assert one.allows


class Guarded(RuleBasedStateMachine):
    """Whatever happens in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = [0.0]
        self.one = breaker(self.now)
        self.row = 0

    @rule()
    def answer(self) -> None:
        was = self.one.state
        self.one.succeeded()
        assert self.one.state == ("open" if was == "open" else "closed")
        self.row = 0

    @rule(at_once=st.booleans(), hold=st.sampled_from([0.0, 2.0]))
    def fail(self, at_once: bool, hold: float) -> None:
        was = self.one.state
        opened = self.one.failed(at_once=at_once, hold=hold)
        self.row += 1
        assert opened == (was != "open" and self.one.state == "open")
        if was != "open":
            assert opened == (at_once or was == "trial" or self.row >= 3)
        if opened:
            self.row = 0

    @rule(answered=st.booleans())
    @precondition(lambda self: self.one.state == "open")
    def probe(self, answered: bool) -> None:
        self.one.probed(answered)
        assert self.one.state == ("trial" if answered else "open")
        self.row = 0

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now[0] += seconds

    @invariant()
    def an_open_one_lets_nothing_through_and_pauses_are_bounded(self) -> None:
        assert not (self.one.state == "open" and self.one.allows)
        assert 1.0 <= self.one.pause <= 8.0


TestGuarded = Guarded.TestCase
TestGuarded.settings = settings(max_examples=40, stateful_step_count=30)
