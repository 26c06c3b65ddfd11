"""Answers held to a JSON schema, of a model that writes at random."""

import asyncio
import json
from typing import Any

import pytest

from engine.worker.batcher import BadSchema
from engine.worker.sequence import Sampling
from tests import tiny
from tests.tiny import ADAPTERS, Tiny, answer, ids, serving, text

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "domain": {"enum": ["책", "영화", "음식"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 99},
        "moods": {"type": "array", "items": {"enum": ["tired", "calm"]}, "maxItems": 3},
        "spicy": {"type": ["boolean", "null"]},
    },
    "required": ["domain", "count", "moods", "spicy"],
    "additionalProperties": False,
}


@pytest.fixture
def exaone() -> Tiny:
    return tiny.shared()


async def test_answers_follow_the_schema_whatever_the_model_likes(exaone: Tiny) -> None:
    async with serving(exaone) as batcher:
        asked = [
            answer(
                batcher,
                [70 + place],
                name,
                max_tokens=200,
                temperature=place % 3,
                seed=place,
                schema=json.dumps(SCHEMA),
            )
            for place, name in enumerate((None, *ADAPTERS) * 2)
        ]
        *held, free = await asyncio.gather(*asked, answer(batcher, [9, 10, 11], "rank", max_tokens=30))
    for pieces in held:
        told = json.loads(text(pieces))
        assert pieces[-1].finish == "stop"
        assert set(told) == set(SCHEMA["required"])
        assert told["domain"] in ("책", "영화", "음식")
        assert 1 <= told["count"] <= 99
        assert set(told["moods"]) <= {"tired", "calm"}
        assert told["spicy"] in (True, False, None)
    assert ids(free) == exaone.generated([9, 10, 11], 30, "rank"), "who has no schema is not held to one"


async def test_an_answer_that_cannot_go_on_ends_at_once(exaone: Tiny) -> None:
    """No token is spent on saying that it is over."""
    async with serving(exaone) as batcher:
        pieces = await answer(batcher, [9], max_tokens=50, schema='{"const": "ok"}')
    assert text(pieces) == '"ok"'
    assert pieces[-1].finish == "stop"
    assert not set(ids(pieces)) & set(exaone.ends)


async def test_an_answer_cut_by_its_length_says_so(exaone: Tiny) -> None:
    async with serving(exaone) as batcher:
        pieces = await answer(batcher, [9], max_tokens=3, schema=json.dumps(SCHEMA))
    assert pieces[-1].finish == "length"
    assert len(ids(pieces)) == 3


@pytest.mark.parametrize(
    "schema",
    [
        "{",
        "[]",
        '{"type": "nonsense"}',
        '{"$ref": "http://x/y"}',
        '{"type": "string", "pattern": "(?<=a)b"}',
        " " * 200_000,
    ],
)
async def test_a_schema_that_cannot_be_followed_is_refused_at_once(exaone: Tiny, schema: str) -> None:
    async with serving(exaone) as batcher:
        with pytest.raises(BadSchema, match="JSON schema"):
            batcher.submit([9], Sampling(max_tokens=9, schema=schema), None)
        assert ids(await answer(batcher, [9])) == exaone.generated([9], 8, None)


async def test_a_schema_used_again_begins_again(exaone: Tiny) -> None:
    async with serving(exaone) as batcher:
        first, second = [
            await answer(batcher, [9], max_tokens=100, temperature=1.0, seed=1, schema=json.dumps(SCHEMA))
            for _ in range(2)
        ]
    assert ids(first) == ids(second)
