"""One polite client for every web API: a rate kept, faults tried again after a wait, answers of a limited size and time.

Knows no API. The key travels in the query string of most, so neither an address nor what an exception says of one is
ever repeated, and a key that an answer echoes is taken out of it.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, unquote

import httpx

from data.sources.files import EXCERPT, SourceError

TRIES: Final = 5
FIRST_WAIT: Final = 1.0
"""Seconds before the second try, more or less by chance; each further wait is twice as long."""
LONGEST_WAIT: Final = 60.0
"""Seconds: a service that asks for a longer wait is left alone until somebody imports again."""
LARGEST: Final = 16 << 20
"""Bytes of one answer."""
LONGEST: Final = 120.0
"""Seconds that one answer may take, however steadily it trickles."""
REDIRECTS: Final = 3
AGAIN: Final = "import again later: it goes on where it stopped"
KEY: Final = "key"
"""The fault of a key that is not taken."""
SPENT: Final = "spent"
"""The fault of a key that was used as often as it may be for now."""
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_SHORTEST_KEY: Final = 8
"""Characters below which a key is not looked for in answers: it would take words out of them."""

for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # below it they log whole addresses, key and all


class DownError(SourceError):
    """A request that failed however often it was tried: it, or the whole service."""


@dataclass(frozen=True, slots=True)
class Service:
    """A web API: its name, where it is, and its key: the query parameter, the variable and the page that gives one.

    `rate` is requests a second at most. `fault` tells what an answer finds wrong with the request, which many say with
    a status of 200: KEY, SPENT, other words, or nothing.
    """

    name: str
    base: str
    parameter: str
    variable: str
    home: str
    rate: float
    fault: Callable[[str], str] = lambda text: ""

    @property
    def setting(self) -> str:
        """The field of the settings that holds the key."""
        return self.variable.removeprefix("ONEULMWO_").lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said to one request; the status is 200, another below 400, or 404."""

    status: int
    text: str


class Client(AbstractContextManager["Client"]):
    """Asks one service. `sleep` takes seconds, `clock` tells them, `chance` is a number from 0 to 1."""

    def __init__(
        self,
        service: Service,
        key: str,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Raises SourceError where there is no key."""
        # data.go.kr hands keys out twice, plain and percent-encoded; either will do
        self._key = unquote(key.strip())
        if not self._key:
            raise SourceError(
                f"{service.name} needs a key: set {service.variable} ({service.home} gives one)."
            )
        spellings = {self._key, quote(self._key), quote(self._key, safe=""), self._key.replace("/", "\\/")}
        self._written = re.compile("|".join(map(re.escape, spellings)), re.IGNORECASE)
        self.service = service
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._next = 0.0
        self._http = httpx.Client(
            timeout=_TIMEOUT,
            headers={"User-Agent": "oneulmwo", "Accept-Encoding": "gzip"},
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def get(self, path: str, params: Mapping[str, str | int]) -> Answer:
        """The answer to a request, after as many tries and as much waiting as is polite.

        Raises:
            DownError: every try failed.
            SourceError: it was too long or too slow, leads to another host, or refuses us.
        """
        why = ""
        for tried in range(1, TRIES + 1):
            self._keep_rate()
            wait = FIRST_WAIT * 2.0 ** (tried - 1) * (0.5 + self._chance())
            try:
                answer, asked = self._once(path, params)
            except httpx.HTTPError as error:
                why = f"cannot be reached ({type(error).__name__})"
            else:
                if answer.status != 429 and answer.status < 500:
                    return self._judged(answer)
                why = f"answers with an error ({answer.status})"
                wait = max(wait, asked)
            if wait > LONGEST_WAIT:
                raise self.failed(f"asks us to wait {wait:.0f} seconds")
            if tried < TRIES:
                self._sleep(wait)
        raise DownError(str(self.failed(why)))

    def failed(self, why: str) -> SourceError:
        """What to raise where nothing more is to be had from the service now; `why` follows its name."""
        return SourceError(f"{self.service.name} {' '.join(why.split())[:EXCERPT]}; {AGAIN}.")

    def refused(self) -> SourceError:
        """What to raise where the service does not take the key."""
        return SourceError(
            f"{self.service.name} refuses the key: check {self.service.variable} ({self.service.home})."
        )

    def spent(self) -> SourceError:
        """What to raise where the key has been used as often as it may."""
        return self.failed("gives no more today: the key's requests are used up")

    def _judged(self, answer: Answer) -> Answer:
        fault = self.service.fault(answer.text)
        if fault == KEY or (not fault and answer.status in {401, 403}):
            raise self.refused()
        if fault == SPENT:
            raise self.spent()
        if fault:
            raise self.failed(f"answers: {fault}")
        if answer.status >= 400 and answer.status != 404:
            raise self.failed(f"does not take the request ({answer.status})")
        return answer

    def _keep_rate(self) -> None:
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + 1.0 / self.service.rate

    def _once(self, path: str, params: Mapping[str, str | int]) -> tuple[Answer, float]:
        """An answer of any status, and the seconds that it asks us to wait."""
        query: dict[str, str | int] = dict(params)
        headers = {}
        if self._key.startswith("eyJ") and self._key.isascii():  # the long token of TMDB belongs in a header
            headers["Authorization"] = f"Bearer {self._key}"
        else:
            query[self.service.parameter] = self._key
        request = self._http.build_request("GET", self.service.base + path, params=query, headers=headers)
        until = self._clock() + LONGEST
        for _ in range(REDIRECTS + 1):
            with self._patience():
                response = self._http.send(request, stream=True)
            try:
                if response.next_request is None:
                    return Answer(response.status_code, self._text(response, until)), _asked(response.headers)
                if not _same_house(request.url, response.next_request.url):
                    raise self.failed(
                        f"sends us on to another address ({response.next_request.url.host}), which is not followed"
                    )
                request = response.next_request
            finally:
                response.close()
        raise self.failed("sends us round in circles")

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Hang up on whoever does not end so much as the head of an answer in time: httpx limits each read, and the
        head comes in as many as a service likes."""
        late = threading.Timer(LONGEST, self._http.close)
        late.daemon = True
        late.start()
        try:
            yield
        except (httpx.HTTPError, OSError, RuntimeError):
            if self._http.is_closed:
                raise self._endless() from None
            raise
        finally:
            late.cancel()

    def _endless(self) -> SourceError:
        return self.failed(f"did not end an answer within {LONGEST:.0f} seconds")

    def _text(self, response: httpx.Response, until: float) -> str:
        body = bytearray()
        for block in response.iter_bytes():
            body += block
            if len(body) > LARGEST:
                raise self.failed(f"sent more than {LARGEST >> 20} MiB in one answer")
            if self._clock() > until:
                raise self._endless()
        text = body.decode(_charset(response), errors="replace").removeprefix("\ufeff")
        return self._written.sub("…", text) if len(self._key) >= _SHORTEST_KEY else text


def _same_house(here: httpx.URL, there: httpx.URL) -> bool:
    """Whether a redirect stays where the key may be seen: the same host, and never from https to http."""
    if here.host != there.host:
        return False
    return (here.scheme, here.port) == (there.scheme, there.port) or (here.scheme, there.scheme) == (
        "http",
        "https",
    )


def _charset(response: httpx.Response) -> str:
    named = (response.charset_encoding or "").lower().replace("_", "-")
    return "cp949" if named in {"cp949", "euc-kr", "ks-c-5601-1987", "ms949"} else "utf-8"


def _asked(headers: Mapping[str, str]) -> float:
    """The seconds of Retry-After, given as such or as a date; 0 for none and for nonsense."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return 0.0
    return max(0.0, (at.astimezone(UTC) - datetime.now(UTC)).total_seconds())
