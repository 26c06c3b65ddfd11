"""EXAONE 3.x's forward pass in plain torch, written from the definitions over a checkpoint's own tensors.

RMSNorm, rotary positions with Llama 3's scaling, grouped-query attention, SwiGLU. Uses nothing of transformers.
"""

import math
from typing import Any

import torch


def forward(
    tensors: dict[str, torch.Tensor],
    config: dict[str, Any],
    ids: torch.Tensor,
    *,
    positions: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Logits for (rows, length) `ids`; `mask` is 1 where a token is real, `positions` default to counting the real ones."""
    weights = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    rows, length = ids.shape
    mask = torch.ones_like(ids) if mask is None else mask
    positions = (mask.cumsum(-1) - 1).clamp(min=0) if positions is None else positions.expand(rows, length)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    visible = causal[None] & mask[:, None, :].bool()
    visible = visible | torch.eye(
        length, dtype=torch.bool
    )  # a padding row sees itself, so that no row is empty
    angles = positions[..., None].to(dtype) * frequencies(config).to(dtype)
    turns = angles.cos(), angles.sin()
    state = weights["transformer.wte.weight"][ids]
    for number in range(config["num_layers"]):
        part = {
            name.removeprefix(f"transformer.h.{number}."): tensor
            for name, tensor in weights.items()
            if name.startswith(f"transformer.h.{number}.")
        }
        state = state + attention(normed(state, part["ln_1.weight"], config), part, config, turns, visible)
        inner = normed(state, part["ln_2.weight"], config)
        gate = inner @ part["mlp.c_fc_0.weight"].T
        state = (
            state
            + (gate * gate.sigmoid() * (inner @ part["mlp.c_fc_1.weight"].T)) @ part["mlp.c_proj.weight"].T
        )
    state = normed(state, weights["transformer.ln_f.weight"], config)
    tied = config["tie_word_embeddings"]
    return state @ weights["transformer.wte.weight" if tied else "lm_head.weight"].T


def normed(state: torch.Tensor, gain: torch.Tensor, config: dict[str, Any]) -> torch.Tensor:
    """Divided by the root of the mean square."""
    return gain * state / (state.square().mean(-1, keepdim=True) + config["layer_norm_epsilon"]).sqrt()


def frequencies(config: dict[str, Any]) -> torch.Tensor:
    """Radians a position for each pair of a head's numbers, slow ones slowed further as Llama 3 does."""
    scaling, head = config["rope_scaling"], config["head_dim"]
    found = []
    for pair in range(head // 2):
        frequency = config["rope_theta"] ** (-2 * pair / head)
        waves = (
            scaling["original_max_position_embeddings"] * frequency / (2 * math.pi)
        )  # in the original context
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        kept = min(1.0, max(0.0, (waves - low) / (high - low)))
        found.append(kept * frequency + (1 - kept) * frequency / scaling["factor"])
    return torch.tensor(found, dtype=torch.float64)


def attention(
    state: torch.Tensor,
    part: dict[str, torch.Tensor],
    config: dict[str, Any],
    turns: tuple[torch.Tensor, torch.Tensor],
    visible: torch.Tensor,
) -> torch.Tensor:
    """Grouped-query attention: each key-value head serves several query heads that stand side by side."""
    rows, length, _ = state.shape
    head = config["head_dim"]
    query, key, value = (
        (state @ part[f"attn.attention.{name}_proj.weight"].T).view(rows, length, -1, head).transpose(1, 2)
        for name in "qkv"
    )
    query, key = rotated(query, turns), rotated(key, turns)
    together = config["num_attention_heads"] // config["num_key_value_heads"]
    mixed = []
    for number in range(config["num_attention_heads"]):
        served = number // together
        scores = query[:, number] @ key[:, served].transpose(-1, -2) / math.sqrt(head)
        shares = scores.masked_fill(~visible, -math.inf).softmax(-1)
        mixed.append(shares @ value[:, served])
    return torch.cat(mixed, -1) @ part["attn.attention.out_proj.weight"].T


def rotated(heads: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Each pair, one number from the first half of the head and one from the second, turned by its angle."""
    cos, sin = (turn[:, None] for turn in turns)
    first, second = heads.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
