"""What a server must know of a loaded model to plan for it: how long, how much memory a token, where a turn ends."""

import re
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

# A text that no template ends in by itself, to find what the template puts after an assistant's words.
ANSWER = "네"
PROJECTION = re.compile(r"\blayers\.(?P<layer>\d+)\.self_attn\.(?P<side>[kv])_proj$")


@dataclass(frozen=True, slots=True)
class CacheLayer:
    """One layer's share of the KV cache: `bytes` a token, of at most `window` tokens (None: of all)."""

    bytes: int
    window: int | None


def context_length(model: PreTrainedModel) -> int:
    """The tokens of prompt and answer together that the model can hold apart by position."""
    return int(model.config.get_text_config().max_position_embeddings)


def cache_layers(model: PreTrainedModel) -> tuple[CacheLayer, ...]:
    """The KV cache of each layer: 2 × KV heads × head dimension × bytes of the dtype, a token.

    Where layers differ, as Gemma's local and global ones do, or keep nothing because they share another's cache, each
    is said for itself.
    """
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    widths = _widths(model)
    return tuple(
        CacheLayer(
            widths.get(number, 0) * model.dtype.itemsize,
            config.sliding_window if kind == "sliding_attention" else None,
        )
        for number, kind in enumerate(kinds)
    )


def _widths(model: PreTrainedModel) -> dict[int, int]:
    """Numbers that each layer keeps a token, read from its key and value projections, from the config if it has none."""
    found: dict[int, dict[str, int]] = {}
    for name, module in model.named_modules():
        if match := PROJECTION.search(name):
            found.setdefault(int(match["layer"]), {})[match["side"]] = module.out_features
    if found:  # a layer without values keeps its keys for both
        return {
            layer: sides["k"] + sides.get("v", sides["k"]) for layer, sides in found.items() if "k" in sides
        }
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return dict.fromkeys(range(config.num_hidden_layers), 2 * heads * head)


def cache_bytes_per_token(model: PreTrainedModel) -> int:
    """Bytes of KV cache that one more token of one sequence takes at most."""
    return sum(layer.bytes for layer in cache_layers(model))


def cache_bytes(model: PreTrainedModel, tokens: int) -> int:
    """Bytes of KV cache of one sequence of `tokens`, layers with a sliding window keeping no more than that."""
    return sum(layer.bytes * min(tokens, layer.window or tokens) for layer in cache_layers(model))


def ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids of the tokens that end a turn: those the checkpoint names, and what its chat template puts after an answer."""
    found: set[int] = set()
    for named in (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id):
        found.update(named if isinstance(named, list) else [] if named is None else [named])
    after = _after_an_answer(tokenizer)
    if after is not None:
        found.add(after)
    return frozenset(found)


def _after_an_answer(tokenizer: PreTrainedTokenizerBase) -> int | None:
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "content": ANSWER}]
    rendered = str(tokenizer.apply_chat_template(talk, tokenize=False))
    rest = rendered.rpartition(ANSWER)[2].lstrip()
    ids = tokenizer(rest, add_special_tokens=False)["input_ids"]
    special = tokenizer.added_tokens_decoder
    return ids[0] if ids and ids[0] in special and special[ids[0]].special else None
