"""EXAONE 3.x for transformers, which knows only its successors: a Llama whose parts have other names.

Importing this module registers the model with transformers' Auto classes. Knows nothing of files, quantization or adapters.
"""

from typing import Any, ClassVar

from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming

MODEL_TYPE = "exaone"

# Left: how EXAONE's checkpoints call it; right: how Llama does. Whole path segments, so that order doesn't matter.
TENSORS = {
    "transformer.wte.": "model.embed_tokens.",
    "transformer.ln_f.": "model.norm.",
    "transformer.h.": "model.layers.",
    ".attn.attention.q_proj.": ".self_attn.q_proj.",
    ".attn.attention.k_proj.": ".self_attn.k_proj.",
    ".attn.attention.v_proj.": ".self_attn.v_proj.",
    ".attn.attention.out_proj.": ".self_attn.o_proj.",
    ".ln_1.": ".input_layernorm.",
    ".ln_2.": ".post_attention_layernorm.",
    ".mlp.c_fc_0.": ".mlp.gate_proj.",
    ".mlp.c_fc_1.": ".mlp.up_proj.",
    ".mlp.c_proj.": ".mlp.down_proj.",
}
FIELDS = {
    "num_layers": "num_hidden_layers",
    "activation_function": "hidden_act",
    "layer_norm_epsilon": "rms_norm_eps",
}


class ExaoneConfig(LlamaConfig):
    """EXAONE's config.json read as Llama's; both spellings of a field name the same value."""

    model_type = MODEL_TYPE
    attribute_map: ClassVar[dict[str, str]] = FIELDS

    def __init__(self, **fields: Any) -> None:
        super().__init__(**{FIELDS.get(name, name): value for name, value in fields.items()})


class ExaoneForCausalLM(LlamaForCausalLM):
    """Llama's computation under EXAONE's model type."""

    config_class = ExaoneConfig
    config: ExaoneConfig


def llama_name(tensor: str) -> str:
    """The name in Llama's layout of a tensor of an EXAONE checkpoint; other names come back unchanged."""
    for exaone, llama in TENSORS.items():
        tensor = tensor.replace(exaone, llama)
    return tensor


AutoConfig.register(MODEL_TYPE, ExaoneConfig, exist_ok=True)
AutoModelForCausalLM.register(ExaoneConfig, ExaoneForCausalLM, exist_ok=True)
register_checkpoint_conversion_mapping(
    MODEL_TYPE,
    [
        WeightRenaming(source_patterns=exaone.replace(".", r"\."), target_patterns=llama)
        for exaone, llama in TENSORS.items()
    ],
    overwrite=True,
)
