"""A model's last layer on a CPU: a few rows times a large vocabulary, a slice of the vocabulary at a time.

The products are the same; MKL is slow where one side is a few rows and the other hundreds of megabytes (eight rows times
262,144 tokens of 640 numbers on one core: 177 ms whole, 104 in slices; `docs/log.md`).
"""

import torch
from torch import nn
from torch.nn.functional import linear
from transformers import PreTrainedModel

SLICE = 512
"""Tokens of the vocabulary at a time."""
LARGE = 32_768
"""From how many tokens on."""


def slice_head(model: PreTrainedModel) -> None:
    """Lets a model on the CPU compute its last layer in slices, where that is a plain one and large."""
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head.out_features < LARGE or head.weight.device.type != "cpu":
        return
    parts = head.weight.detach().split(SLICE)
    bias = head.bias

    def forward(given: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() or given.numel() == given.shape[-1]:
            return linear(given, head.weight, bias)
        whole = torch.cat([linear(given, part) for part in parts], dim=-1)
        return whole if bias is None else whole + bias

    head.forward = forward
