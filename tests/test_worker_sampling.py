"""Tokens chosen from logits: greedy, by chance with a seed, among the most likely, with their probabilities."""

import asyncio
import math
import random
from collections import Counter

import pytest
import torch

from engine.worker.sampling import NUCLEUS, Wish, choose
from engine.worker.sequence import Sampling, Token
from tests import tiny
from tests.tiny import ADAPTERS, Tiny, answer, ids, prompts, serving

CHANCES = [0.4, 0.3, 0.15, 0.1, 0.05]


@pytest.fixture
def exaone() -> Tiny:
    return tiny.shared()


def drawn(chances: list[float], times: int = 4_000, **wish: float) -> Counter[int]:
    chance = random.Random(5)
    logits = torch.tensor(chances).log().repeat(times, 1)
    wishes = [
        Wish(wish.get("temperature", 1.0), wish.get("top_p", 1.0), chance.random()) for _ in range(times)
    ]
    return Counter(pick.token for pick in choose(logits, wishes))


def test_tokens_come_as_often_as_they_are_likely() -> None:
    told = drawn(CHANCES)
    assert all(abs(told[token] / 4_000 - chance) < 0.03 for token, chance in enumerate(CHANCES))


def test_a_low_temperature_sharpens() -> None:
    told = drawn(CHANCES, temperature=0.5)
    squares = [chance**2 for chance in CHANCES]
    assert all(
        abs(told[token] / 4_000 - square / sum(squares)) < 0.03 for token, square in enumerate(squares)
    )
    assert set(drawn(CHANCES, 50, temperature=0.0)) == {0}


def test_top_p_leaves_the_most_likely_that_reach_it_and_at_least_one() -> None:
    assert set(drawn(CHANCES, top_p=0.75)) == {0, 1, 2}
    assert set(drawn(CHANCES, top_p=0.7)) <= {0, 1, 2}
    assert set(drawn(CHANCES, top_p=0.01)) == {0}


def test_top_p_over_a_flat_vocabulary_reaches_beyond_the_first_tokens_sorted() -> None:
    size = 4 * NUCLEUS
    told = drawn([1 / size] * size, 1_500, top_p=0.5)
    assert len(told) > NUCLEUS
    assert len(told) <= size // 2 + 1


@pytest.mark.parametrize("luck", [0.0, 0.5, 1 - 2**-53])
@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_what_a_grammar_forbids_is_never_drawn(luck: float, top_p: float) -> None:
    """The last luck of all times a sum that is rounded must not fall behind the last possible token."""
    size = 3_000
    allowed = torch.zeros(size, dtype=torch.bool)
    allowed[1_000:1_007] = True
    (pick,) = choose(torch.randn(1, size), [Wish(1.0, top_p, luck, allowed=allowed)])
    assert allowed[pick.token]


def test_log_probabilities_are_the_models_own_whatever_is_done_to_choose() -> None:
    logits = torch.randn(3, 50)
    raw = logits.log_softmax(dim=-1)
    allowed = torch.zeros(50, dtype=torch.bool)
    allowed[7] = True
    wishes = [Wish(0.3, 0.5, 0.2, 4, allowed), Wish(0.0, 1.0, 0.0), Wish(0.0, 1.0, 0.0, 0)]
    first, second, third = choose(logits.clone(), wishes)
    assert first.token == 7
    assert first.logprob == pytest.approx(raw[0, 7].item())
    values, indices = raw[0].topk(4)
    assert [token for token, _ in first.top] == indices.tolist()
    assert [logprob for _, logprob in first.top] == pytest.approx(values.tolist())
    assert (second.logprob, second.top) == (0.0, ())
    assert third.logprob == pytest.approx(raw[2].max().item())
    assert third.top == ()


def test_logits_that_are_no_numbers_choose_nothing() -> None:
    logits = torch.tensor([[0.0, math.nan], [0.0, 1.0], [-math.inf, -math.inf]])
    assert [pick.token for pick in choose(logits, [Wish(0.0, 1.0, 0.0)] * 3)] == [-1, 1, -1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0},
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"logprobs": 21},
        {"stop": ("",)},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**{"max_tokens": 1} | wrong)  # type: ignore[arg-type]


async def test_a_seed_gives_its_text_whoever_else_is_in_the_batch(exaone: Tiny) -> None:
    prompt = [40, 41, 42, 43]
    wish = {"max_tokens": 24, "temperature": 1.1, "top_p": 0.95, "seed": 11}
    async with serving(exaone, rows=6) as batcher:
        alone = ids(await answer(batcher, prompt, "reply", **wish))

        others = [
            asyncio.create_task(answer(batcher, other, name, max_tokens=30, temperature=1.3))
            for other, name, _ in prompts(3, 9)
        ]
        await asyncio.sleep(0.01)
        together = ids(await answer(batcher, prompt, "reply", **wish))
        await asyncio.gather(*others)
        another = ids(await answer(batcher, prompt, "reply", **wish | {"seed": 12}))
        unseeded = [ids(await answer(batcher, prompt, "reply", **wish | {"seed": None})) for _ in range(3)]
    assert together == alone
    assert another != alone
    assert len(set(map(tuple, unseeded))) > 1


@pytest.mark.parametrize("adapter", [None, *ADAPTERS])
async def test_a_ranking_tells_the_log_probabilities_of_letters(exaone: Tiny, adapter: str | None) -> None:
    prompt = [50, 51, 52]
    async with serving(exaone) as batcher:
        (piece,) = await answer(batcher, prompt, adapter, max_tokens=1, logprobs=20)
    with torch.no_grad():
        logits = exaone.plain(input_ids=torch.tensor([prompt]), adapter_names=[adapter or "__base__"]).logits[
            0, -1
        ]
    values, indices = logits.log_softmax(dim=-1).topk(20)
    (token,) = piece.tokens
    assert [each[0] for each in token.top] == indices.tolist()
    assert [each[3] for each in token.top] == pytest.approx(values.tolist(), abs=1e-4)
    assert token.logprob == token.top[0][3]
    assert all(told(token, exaone) for token in piece.tokens)


def told(token: Token, model: Tiny) -> bool:
    """Whether its bytes are the tokenizer's."""
    return token.text == model.tokenizer.decode([token.id]) and token.text == token.bytes.decode(
        errors="replace"
    )


def test_a_row_without_numbers_spoils_no_other() -> None:
    """Its place was one behind the last, and the whole step failed."""
    logits = torch.tensor([CHANCES, [float("nan")] * 5, [float("-inf")] * 5]).log()
    picks = choose(logits, [Wish(1.0, 0.9, 0.999) for _ in range(3)])
    assert 0 <= picks[0].token < 5
    assert len(picks) == 3
