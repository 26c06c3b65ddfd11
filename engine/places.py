"""Places that serve a dish, around where somebody is: Kakao's map is asked, then OpenStreetMap.

Whatever they answer, nothing is raised: another is asked, and where none answers in time that is told. Where somebody
is stands in memory for some minutes, in no log and in no table. Not a reader of `data/sources`: those take their time
to bring in items by the thousand, this has four seconds and keeps nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from engine import kakao, overpass
from engine.place import Dish, Place, Source, Unusable

if TYPE_CHECKING:
    import ssl

    import httpx

PAGE: Final = 5
"""Places of one page."""
LAST_PAGE: Final = 9
"""Kakao tells of 45 places at most, and nobody reads on for longer."""
BUDGET: Final = 4.0
"""Seconds for all there is to be asked."""
PATIENCE: Final = {"kakao": 1.5, "osm": 4.0}
"""Seconds for one of them, its second try included."""
AGAIN: Final = 0.2
"""Seconds before the second try."""
LARGEST: Final = 2 << 20
"""Bytes of one answer."""
REMEMBERED: Final = 300.0
"""Seconds that an answer is good for."""
MOST_REMEMBERED: Final = 256
REST: Final = 60.0
"""Seconds that one is left alone who says that it is asked too often."""
LONG_REST: Final = 600.0
"""Seconds that one is left alone who refuses us: no key gets better by being shown again."""
AGENT: Final = "oneulmwo (a chat bot that finds where to eat a dish)"

logger = logging.getLogger(__name__)


class RefusedError(Unusable):
    """A service that does not want to be asked again soon."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of places, nearest first, and who told of them; nobody did where `source` is None."""

    places: tuple[Place, ...] = ()
    more: bool = False
    source: Source | None = None


@dataclass(slots=True)
class Places:
    """Who knows places. Without a key Kakao is not asked, without an address none is.

    `clock` tells seconds that never go back; `budget` and the others are in seconds.
    """

    kakao_key: str = field(default="", repr=False)
    kakao_url: str = ""
    overpass_url: str = ""
    clock: Callable[[], float] = time.monotonic
    budget: float = BUDGET
    _opening: asyncio.Task[httpx.AsyncClient] | None = field(default=None, init=False)
    _known: dict[tuple[Any, ...], tuple[float, Any]] = field(default_factory=dict, init=False, repr=False)
    _resting: dict[Source, float] = field(default_factory=dict, init=False)

    async def near(
        self,
        latitude: float,
        longitude: float,
        dish: Dish,
        radius: int,
        page: int = 1,
        source: Source | None = None,
    ) -> Found:
        """Places within `radius` metres that serve the dish: a page of them, from 1 on.

        A further page comes from the `source` of the first, or from nobody.
        """
        until = self.clock() + self.budget
        askers: dict[Source, Callable[[], Awaitable[Found]]] = {
            "kakao": lambda: self._of_kakao(latitude, longitude, dish, radius, page),
            "osm": lambda: self._of_osm(latitude, longitude, dish, radius, page),
        }
        nothing = Found()
        for name in [source] if source else askers:
            if not self._can_ask(name):
                continue
            try:
                async with asyncio.timeout(max(0.0, min(PATIENCE[name], until - self.clock()))):
                    found = await askers[name]()
            except RefusedError as refusal:
                self._resting[name] = self.clock() + (REST if str(refusal) == "429" else LONG_REST)
                logger.warning("%s refuses to be asked for places (%s)", name, refusal)
            except (Unusable, TimeoutError) as failure:
                logger.info("%s tells no places: %s", name, str(failure) or "out of time")
            else:
                if found.places or page > 1:
                    return found
                nothing = found if nothing.source is None else nothing
        return nothing

    async def check_key(self) -> None:
        """Ask Kakao for a place that is there. Raises Unusable, whose words repeat neither key nor answer."""
        try:
            async with asyncio.timeout(self.budget):
                await self._ask_kakao(kakao.parameters(37.5665, 126.978, Dish.any(), kakao.FARTHEST, 1, 1))
        except TimeoutError:
            raise Unusable("out of time") from None

    async def close(self) -> None:
        """Hang up."""
        if self._opening is not None:
            with suppress(Unusable):
                await (await self._opening).aclose()
            self._opening = None

    def _can_ask(self, name: Source) -> bool:
        there = self.kakao_key and self.kakao_url if name == "kakao" else self.overpass_url
        return bool(there) and self._resting.get(name, 0.0) <= self.clock()

    async def _of_kakao(self, latitude: float, longitude: float, dish: Dish, radius: int, page: int) -> Found:
        async def ask() -> tuple[tuple[Place, ...], bool]:
            body = await self._ask_kakao(kakao.parameters(latitude, longitude, dish, radius, page, PAGE))
            return kakao.places(body, latitude, longitude)

        places, more = await self._once(("kakao", *_about(latitude, longitude), dish, radius, page), ask)
        return Found(places, more and page < LAST_PAGE, "kakao")

    async def _of_osm(self, latitude: float, longitude: float, dish: Dish, radius: int, page: int) -> Found:
        async def ask() -> tuple[Place, ...]:
            content = {"data": overpass.query(latitude, longitude, dish, radius)}
            body = await self._ask("POST", self.overpass_url, data=content)
            return overpass.places(body, latitude, longitude, dish)

        places = await self._once(("osm", *_about(latitude, longitude), dish, radius), ask)
        end = page * PAGE
        return Found(places[end - PAGE : end], len(places) > end and page < LAST_PAGE, "osm")

    async def _once(self, key: tuple[Any, ...], ask: Callable[[], Awaitable[Any]]) -> Any:
        """What was answered to the same question some minutes ago, else what is answered now."""
        now = self.clock()
        for each in [each for each, (until, _) in self._known.items() if until <= now]:
            del self._known[each]
        if key not in self._known:
            answer = await ask()
            self._known[key] = self.clock() + REMEMBERED, answer
            while len(self._known) > MOST_REMEMBERED:
                del self._known[next(iter(self._known))]
            return answer
        return self._known[key][1]

    async def _ask_kakao(self, parameters: dict[str, str | int]) -> bytes:
        url = self.kakao_url.rstrip("/") + kakao.PATH
        return await self._ask(
            "GET", url, params=parameters, headers={"Authorization": f"KakaoAK {self.kakao_key}"}
        )

    async def _ask(self, method: str, url: str, **content: Any) -> bytes:
        """The body of an answer with status 200, after a second try where the first found nobody or somebody unwell.

        Raises Unusable; RefusedError where asking again would be no use.
        """
        import httpx  # a tenth of a second that no start should wait for

        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(_client))
        client = await asyncio.shield(self._opening)
        for last in (False, True):
            try:
                status, body = await _answer(client, method, url, content)
            except httpx.TimeoutException:
                raise Unusable("out of time") from None
            except httpx.TransportError as error:
                why = type(error).__name__
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                raise Unusable(type(error).__name__) from None
            else:
                if status == 200:
                    return body
                if status in (401, 403, 429):
                    raise RefusedError(str(status))
                why = str(status)
                if status < 500:
                    break
            if not last:
                await asyncio.sleep(AGAIN)
        raise Unusable(why)


@cache
def _trust() -> ssl.SSLContext:
    """Whom to trust: reading every certificate takes a tenth of a second."""
    import httpx

    return httpx.create_ssl_context()


def _client() -> httpx.AsyncClient:
    """Raises Unusable where there can be none."""
    import httpx

    for name in ("httpx", "httpcore"):
        # below it they log whole addresses: where somebody is
        logging.getLogger(name).setLevel(logging.WARNING)
    # uncompressed, so that what is counted is what comes; redirects are not followed, the key stays where it belongs
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    try:
        return httpx.AsyncClient(timeout=BUDGET, headers=headers, verify=_trust())
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        # a proxy that the environment misnames
        raise Unusable(type(error).__name__) from None


async def _answer(
    client: httpx.AsyncClient, method: str, url: str, content: dict[str, Any]
) -> tuple[int, bytes]:
    """Status and body; the body of anything but a 200 is not read. Raises Unusable for one that does not end."""
    async with client.stream(method, url, **content) as response:
        body = bytearray()
        if response.status_code == 200:
            async for block in response.aiter_raw():
                body += block
                if len(body) > LARGEST:
                    raise Unusable("too long")
        return response.status_code, bytes(body)


def _about(latitude: float, longitude: float) -> tuple[float, float]:
    """Where somebody is, to ten metres or so."""
    return round(latitude, 4), round(longitude, 4)
