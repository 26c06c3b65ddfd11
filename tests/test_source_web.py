"""The client of web APIs: polite, patient within limits, and silent about keys."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from data.sources import web
from data.sources.files import SourceError
from data.sources.web import AGAIN, FIRST_WAIT, LONGEST_WAIT, TRIES, Client, Service
from tests.service import KEY, Local, Say, Time, client, serving


@pytest.fixture
def local() -> Iterator[Local]:
    with serving() as local:
        yield local


@pytest.fixture
def time() -> Time:
    return Time()


def api(local: Local, rate: float = 1e9) -> Service:
    return Service("Somebody", local.url, "key", "ONEULMWO_SOME_KEY", "https://some.body/keys", rate)


def asked(local: Local, time: Time | None = None) -> str:
    with client(api(local), time) as asking:
        return asking.get("list", {"page": 1}).text


def refused(local: Local, time: Time | None = None) -> str:
    """The one sentence that an import ends with."""
    with pytest.raises(SourceError) as raised:
        asked(local, time)
    sentence = str(raised.value)
    assert KEY not in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_parameters_and_key_arrive_as_they_are(local: Local) -> None:
    local.say(Say("안녕"))
    assert asked(local) == "안녕"
    assert local.heard == [("list", {"page": "1", "key": KEY})]


def test_a_key_that_is_missing_is_named_with_where_to_get_one(local: Local) -> None:
    for nothing in ("", "  \n"):
        with pytest.raises(SourceError, match=r"ONEULMWO_SOME_KEY \(https://some\.body/keys"):
            Client(api(local), nothing)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_named_and_not_tried_again(local: Local, status: int) -> None:
    local.say(Say(f"no such key: {KEY}", status))
    assert "ONEULMWO_SOME_KEY" in refused(local)
    assert len(local.heard) == 1


def test_no_log_and_no_error_tells_the_key(local: Local, caplog: pytest.LogCaptureFixture) -> None:
    """httpx logs every address at INFO, and keys stand in addresses."""
    caplog.set_level(logging.DEBUG)
    local.say(Say(status=500), Say(cut=True), Say("fine"))
    asked(local)
    local.say(Say("bad", 422))
    refused(local)
    local.say(Say(cut=True))
    refused(local)
    for written in (KEY, httpx.URL("", params={"k": KEY}).query.decode().partition("=")[2]):
        assert written not in caplog.text


def test_a_key_that_an_answer_repeats_is_taken_out_of_it(local: Local) -> None:
    """Links with the key in them would have been stored, and written to reports."""
    written = (KEY, "S3cret%2FKey%2BFor%3DTests", "s3cret%2fkey%2bfor%3dtests", r"S3cret\/Key+For=Tests")
    local.say(Say("".join(f"<link>/x?key={one}&p=2</link>" for one in written)))
    assert asked(local) == "<link>/x?key=…&p=2</link>" * 4


def test_a_key_may_be_written_for_addresses_already(local: Local) -> None:
    """data.go.kr hands out both spellings; encoded twice neither is known to it."""
    local.say(Say("fine"))
    with client(api(local), key="a%2Bb%3D%3D") as asking:
        asking.get("", {})
    assert local.heard[0][1]["key"] == "a+b=="


def test_a_token_goes_into_a_header(local: Local) -> None:
    local.say(Say("fine"))
    with client(api(local), key="eyJhbGci.token") as asking:
        asking.get("", {})
    assert local.heard[0][1] == {}
    assert local.headers[0]["Authorization"] == "Bearer eyJhbGci.token"


def test_the_rate_is_kept(local: Local, time: Time) -> None:
    local.say(Say("fine"))
    with client(api(local, rate=4.0), time) as asking:
        for _ in range(3):
            asking.get("", {})
        time.now += 10.0
        asking.get("", {})
    assert time.slept == [0.25, 0.25]


@pytest.mark.parametrize("fault", [Say(status=500), Say(status=503), Say(status=429), Say("half", cut=True)])
def test_a_fault_is_tried_again_after_ever_longer_waits(local: Local, time: Time, fault: Say) -> None:
    local.say(fault, fault, fault, Say("fine"))
    assert asked(local, time) == "fine"
    assert time.slept == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]


def test_a_service_that_stays_down_is_given_up_in_a_sentence(local: Local, time: Time) -> None:
    local.say(Say(status=502))
    assert refused(local, time) == f"Somebody answers with an error (502); {AGAIN}."
    assert len(local.heard) == TRIES
    assert len(time.slept) == TRIES - 1


def test_nobody_there_is_a_sentence(time: Time) -> None:
    with serving() as gone:
        pass
    assert "cannot be reached (ConnectError)" in refused(gone, time)


def test_the_wait_that_a_service_asks_for_is_kept(local: Local, time: Time) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    local.say(
        Say(status=429, headers={"Retry-After": "7"}),
        Say(status=429, headers={"Retry-After": at}),
        Say("fine"),
    )
    asked(local, time)
    assert time.slept[0] == 7.0
    assert 20.0 < time.slept[1] <= 30.0


@pytest.mark.parametrize("wait", ["3600", "9" * 40])
def test_nobody_waits_for_an_hour(local: Local, time: Time, wait: str) -> None:
    local.say(Say(status=429, headers={"Retry-After": wait}))
    assert "to wait" in refused(local, time)
    assert time.slept == []


@pytest.mark.parametrize("wait", ["soon", "-5", "", "²", "Mon, 99 Foo"])
def test_nonsense_for_a_wait_is_none(local: Local, time: Time, wait: str) -> None:
    headers = {"Retry-After": wait.encode().decode("latin-1")}
    local.say(Say(status=429, headers=headers), Say("fine"))
    asked(local, time)
    assert time.slept == [FIRST_WAIT]
    assert FIRST_WAIT < LONGEST_WAIT


def test_a_redirect_to_another_host_is_not_followed(local: Local) -> None:
    """It would have been told the key."""
    with serving() as other:
        other.say(Say("caught"))
        away = other.url.replace("127.0.0.1", "localhost")
        local.say(Say(status=302, headers={"Location": f"{away}list?key={KEY}"}))
        assert "another address (localhost)" in refused(local)
        local.say(Say(status=302, headers={"Location": other.url}))  # another port is another house too
        refused(local)
        assert other.heard == []


def test_a_redirect_within_the_house_is_followed_but_not_in_circles(local: Local) -> None:
    local.say(Say(status=301, headers={"Location": "/moved?x=1"}), Say("fine"))
    assert asked(local) == "fine"
    assert local.heard[1] == ("moved", {"x": "1"})
    local.say(Say(status=301, headers={"Location": "/moved"}))
    assert "circles" in refused(local)


def test_no_redirect_gives_up_encryption() -> None:
    there = httpx.URL("https://api.x.kr/a")
    assert web._same_house(httpx.URL("http://api.x.kr/a"), there)
    assert not web._same_house(there, httpx.URL("http://api.x.kr/a"))
    assert not web._same_house(there, httpx.URL("https://api.x.kr:8443/a"))


def test_an_answer_that_never_ends_is_left(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "LARGEST", 1 << 16)
    local.say(Say("[", endless=True))
    assert "in one answer" in refused(local)
    assert len(local.heard) == 1


def test_an_answer_that_trickles_is_left(local: Local) -> None:
    """Each read is quick enough, the whole never ends."""

    class Trickling(Time):
        def clock(self) -> float:
            self.now += 50.0
            return self.now

    local.say(Say("[", endless=True))
    assert "did not end an answer within" in refused(local, Trickling())


def test_an_answer_that_never_comes_to_the_end_of_its_head_is_left(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of it now and then kept the import waiting for ever."""
    monkeypatch.setattr(web, "LONGEST", 0.3)
    local.say(Say(hesitant=True))
    assert "did not end an answer within" in refused(local)
    assert len(local.heard) == 1


def test_an_answer_in_the_old_korean_encoding_is_read(local: Local) -> None:
    local.say(Say("똠방각하".encode("cp949"), headers={"Content-Type": "text/xml;charset=EUC-KR"}))
    assert asked(local) == "똠방각하"
    local.say(Say("\ufeff{}".encode(), headers={"Content-Type": "text/plain; charset=rot13"}))
    assert asked(local) == "{}"


def test_what_a_service_says_of_a_request_is_told_in_a_sentence(local: Local) -> None:
    local.say(Say("nope", 422))
    assert refused(local) == f"Somebody does not take the request (422); {AGAIN}."
