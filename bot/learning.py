"""The export of what may be learnt from: one line an answer that somebody who consented has seen.

Consent is to being remembered, so that picks get better; nobody agreed to be read. So nothing that a person wrote or
told of themselves is in it: no text, no mood, body state or allergy, no name that they typed, no sentence written for
them. Who somebody is cannot be told, not even by two exports: each has a key of its own, which is thrown away.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from bot.private import PrivateFile
from storage import learning
from storage.database import Database
from storage.learning import Known, Lesson

WISHES: Final = (
    "domain", "among", "genres", "cuisine", "meals", "effects", "situations", "immersion", "country", "years",
    "length", "kcal", "spicy", "soupy", "served", "price", "splurge", "age", "like", "items", "count",
)  # fmt: skip
"""Fields of a request that hold words of our own only, and tell nothing of a person's state."""
AT_ONCE: Final = 200
TRIES: Final = 3
"""How often is begun anew because somebody took their consent back meanwhile."""

Told = Callable[[str, int, int], None]


class _Withdrawn(Exception):
    """What was written must not be kept."""


class ExportError(Exception):
    """It could not be written; the message is a sentence for operators."""


async def export(database: Database, path: Path, told: Told) -> dict[str, Any]:
    """Write the file, which is whole or not there; how much is in it.

    Raises:
        ExportError: it cannot be written, or people take their consent back faster than it is.
    """
    try:
        for _ in range(TRIES):
            with suppress(_Withdrawn), PrivateFile(path) as file:
                return {**await _write(database, file, told), "path": str(path)}
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}.") from None
    raise ExportError("People took their consent back while it was written: ask for it again.")


async def _write(database: Database, file: TextIO, told: Told) -> dict[str, int]:
    """Write all of it; how much that is. Raises _Withdrawn when somebody in it has taken their consent back."""
    people, answers, feedback = set[Known](), 0, 0
    key = secrets.token_bytes(32)
    async with database.reading() as connection:  # one state of everything
        total = await learning.count(connection)
        async for page in learning.lessons(connection, AT_ONCE):
            for lesson in page:
                people.add(lesson.who)
                file.write(json.dumps(line(lesson, key), ensure_ascii=False) + "\n")
                feedback += len(lesson.feedback)
            answers += len(page)
            told("written", answers, total)
    async with database.reading() as connection:
        if not await learning.all_agree(connection, people):
            raise _Withdrawn
    return {"answers": answers, "feedback": feedback, "people": len(people)}


def line(lesson: Lesson, key: bytes) -> dict[str, Any]:
    """What of an answer is exported; times to the hour, who it was by `key`."""
    who = hmac.new(key, repr(lesson.who).encode(), hashlib.sha256).hexdigest()[:16]
    at = datetime.fromtimestamp(lesson.delivered_at, UTC).replace(minute=0, second=0, microsecond=0)
    body, trace = lesson.body, lesson.body.get("trace", {})
    request = body.get("request", {})
    picks = {pick.get("id"): pick for pick in body.get("picks", ())}
    propensity = dict(enumerate(trace.get("propensity", ()), 1))
    return {
        "who": who,
        "at": at.isoformat(),
        "domain": lesson.domain,
        "request": {name: request[name] for name in WISHES if name in request},
        "policy": trace.get("policy"),
        "method": trace.get("method"),
        "index_version": trace.get("index_version"),
        "picks": [
            {
                "position": position,
                "item": item_id,
                "score": picks.get(item_id, {}).get("score"),
                "fit": picks.get(item_id, {}).get("fit"),
                "propensity": propensity.get(position),
                "feedback": [kind for place, kind in lesson.feedback if place == position],
            }
            for position, item_id in enumerate(lesson.items, 1)
        ],
    }
