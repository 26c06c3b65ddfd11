"""The last layer in slices: what it says is what the whole says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from engine.worker.head import LARGE, slice_head

pytestmark = pytest.mark.usefixtures("one_thread")


def model_of(head: nn.Module) -> Any:
    return SimpleNamespace(get_output_embeddings=lambda: head)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (8, 1), (3, 5)])
def test_slices_say_what_the_whole_says(bias: bool, shape: tuple[int, int]) -> None:
    """A slice left out, or put in another's place, would name other tokens. The last slice is not full."""
    head = nn.Linear(16, LARGE + 7, bias=bias)
    given = torch.randn(*shape, 16)
    with torch.inference_mode():
        whole = head(given)
        slice_head(model_of(head))
        assert head(given).shape == whole.shape
        assert torch.allclose(head(given), whole, atol=1e-5)


def test_training_sees_the_plain_layer() -> None:
    """Gradients go through the layer's own weight."""
    head = nn.Linear(4, LARGE, bias=False)
    slice_head(model_of(head))
    head(torch.randn(2, 1, 4)).sum().backward()
    assert head.weight.grad is not None


def test_a_small_layer_or_none_is_left_alone() -> None:
    """There it would only cost."""
    head = nn.Linear(4, 100)
    slice_head(model_of(head))
    assert "forward" not in vars(head)
    slice_head(model_of(None))
