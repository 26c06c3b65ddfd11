"""From a step's logits to one token a row.

Each row is drawn by its own request's random numbers, one a token, so that a seed gives the same text whoever else is
in the batch. Knows no text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

GREEDY_BELOW = 1e-4
"""A temperature so low only makes numbers overflow."""
NUCLEUS = 512
"""Most likely tokens among which top_p is sought before all are sorted."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How one row's token is chosen."""

    temperature: float
    top_p: float
    luck: float
    """A random number from 0 to below 1, the request's own for this token."""
    logprobs: int | None = None
    """As in Sampling."""
    allowed: torch.Tensor | None = None
    """True for tokens that a grammar takes."""


@dataclass(frozen=True, slots=True)
class Pick:
    """The token chosen for one row."""

    token: int
    """-1 where the logits were no numbers."""
    logprob: float = 0.0
    top: tuple[tuple[int, float], ...] = ()


def choose(logits: torch.Tensor, wishes: Sequence[Wish]) -> list[Pick]:
    """One token a row from float32 `logits` (rows, vocabulary), which are changed."""
    likely = _log_probabilities(logits, wishes)
    for row, wish in enumerate(wishes):
        if wish.allowed is not None:
            logits[row].masked_fill_(~wish.allowed.to(logits.device), float("-inf"))
    best, tokens = logits.max(dim=-1)
    drawn = [row for row, wish in enumerate(wishes) if wish.temperature >= GREEDY_BELOW]
    if drawn:
        tokens[drawn] = _draw(logits[drawn], [wishes[row] for row in drawn])
    tokens = torch.where(best.isfinite(), tokens, -1)
    told: dict[int, tuple[float, tuple[tuple[int, float], ...]]] = {}
    if likely is not None:
        told = _told(*likely, tokens, wishes)
    return [Pick(token, *told.get(row, ())) for row, token in enumerate(tokens.tolist())]


def _log_probabilities(logits: torch.Tensor, wishes: Sequence[Wish]) -> tuple[list[int], torch.Tensor] | None:
    """By the model alone, for the rows that want them."""
    rows = [row for row, wish in enumerate(wishes) if wish.logprobs is not None]
    return (rows, logits[rows].log_softmax(dim=-1)) if rows else None


def _told(
    rows: list[int], likely: torch.Tensor, tokens: torch.Tensor, wishes: Sequence[Wish]
) -> dict[int, tuple[float, tuple[tuple[int, float], ...]]]:
    chosen = likely.gather(1, tokens[rows].clamp(min=0).unsqueeze(1)).squeeze(1).tolist()
    counts = [wishes[row].logprobs or 0 for row in rows]
    values, indices = likely.topk(min(max(counts), likely.shape[1]), dim=-1)
    return {
        row: (logprob, tuple(zip(index[:count], value[:count], strict=True)))
        for row, logprob, count, index, value in zip(
            rows, chosen, counts, indices.tolist(), values.tolist(), strict=True
        )
    }


def _draw(logits: torch.Tensor, wishes: Sequence[Wish]) -> torch.Tensor:
    device = logits.device
    heat = torch.tensor([wish.temperature for wish in wishes], device=device)
    chances = (logits / heat.unsqueeze(1)).softmax(dim=-1)
    luck = torch.tensor([wish.luck for wish in wishes], dtype=torch.float64, device=device)
    whole = [place for place, wish in enumerate(wishes) if wish.top_p >= 1]
    part = [place for place, wish in enumerate(wishes) if wish.top_p < 1]
    tokens = torch.empty(len(wishes), dtype=torch.long, device=device)
    if whole:
        tokens[whole] = _inverse(chances[whole], luck[whole])
    if part:
        shares = torch.tensor([wishes[place].top_p for place in part], device=device)
        tokens[part] = _nucleus(chances[part], luck[part], shares)
    return tokens


def _nucleus(chances: torch.Tensor, luck: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Drawn among the most likely tokens that together have the share."""
    size = chances.shape[1]
    values, indices = chances.topk(min(NUCLEUS, size), dim=-1)
    tokens = indices.gather(1, _inverse(_cut(values, shares), luck).unsqueeze(1)).squeeze(1)
    if size > NUCLEUS:
        for row in (values.sum(dim=-1) < shares).nonzero().flatten().tolist():
            one = slice(row, row + 1)
            values, indices = chances[one].sort(dim=-1, descending=True)
            tokens[one] = indices.gather(
                1, _inverse(_cut(values, shares[one]), luck[one]).unsqueeze(1)
            ).squeeze(1)
    return tokens


def _cut(values: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Sorted chances with those beyond the share at nought; the first stays."""
    before = values.cumsum(dim=-1) - values
    return values * (before < shares.unsqueeze(1))


def _inverse(chances: torch.Tensor, luck: torch.Tensor) -> torch.Tensor:
    """For each row the place where its chances, added up, pass its luck (0 to below 1) of their sum."""
    ladder = chances.double().cumsum(dim=-1)
    whole = ladder[:, -1]
    # A product that rounds up to the sum would pick what comes after everything.
    height = torch.minimum(luck * whole, torch.nextafter(whole, torch.zeros_like(whole)))
    return (
        torch.searchsorted(ladder, height.unsqueeze(1), right=True).squeeze(1).clamp(max=chances.shape[1] - 1)
    )
