"""Which rules of a request stand in the way when nothing keeps them all."""

from __future__ import annotations

import functools
from typing import Final

from engine.candidates import gather
from engine.embedder import Embedder
from engine.request import Request
from engine.taste import Taste
from engine.version import Version

LOOSENED: Final = (
    "genres", "cuisine", "country", "creators", "people", "years", "length", "kcal", "spicy", "price",
    "exclude",
)  # fmt: skip


async def loosening(
    index: Version, embedder: Embedder, request: Request, taste: Taste
) -> tuple[tuple[str, ...], bool]:
    """Rules any one of which would have to go, or else a least set that has to go together, and whether it
    is such a set; limits of the person are never among them."""

    async def found(looser: Request) -> bool:
        return bool(await gather(index, embedder, looser, taste, 2))

    said = [name for name in LOOSENED if request.without(name) != request]
    if helps := [name for name in said if await found(request.without(name))]:
        return tuple(helps), False
    dropped: list[str] = []
    looser = request
    for name in said:
        dropped, looser = [*dropped, name], looser.without(name)
        if len(dropped) > 1 and await found(looser):
            break
    else:
        return (), False
    for name in dropped[:-1]:  # of those that went first, some may stay
        fewer = [each for each in dropped if each != name]
        if await found(functools.reduce(Request.without, fewer, request)):
            dropped = fewer
    return tuple(dropped), True
