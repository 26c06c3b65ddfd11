"""Small random checkpoints of a model in EXAONE 3.x's own layout, and LoRA adapters for them.

Everything is made here from definitions: nothing is downloaded, nothing of the worker is used to make it.
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL = ("[PAD]", "[BOS]", "[EOS]", "[UNK]", "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]")

# Renders as EXAONE 3.5's does: an empty system turn where the talk has none, no end mark after the user's turns.
CHAT_TEMPLATE = (
    "{%- if messages[0]['role'] != 'system' -%}{{ '[|system|][|endofturn|]\\n' }}{%- endif -%}"
    "{%- for turn in messages -%}"
    "{{ '[|' ~ turn['role'] ~ '|]' ~ turn['content'] ~ ('' if turn['role'] == 'user' else '[|endofturn|]') ~ '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '[|assistant|]' }}{%- endif -%}"
)

TEXT = """
오늘 뭐 읽지? 오늘 뭐 보지? 오늘 뭐 먹지? 비 오는 날에는 따뜻한 국물이 좋아요. 김치찌개와 된장찌개는 속을 데워 줘요.
지친 하루 끝에 조용히 읽기 좋은 소설이에요. 주말에 가족과 함께 보기 좋은 영화를 추천해 주세요. 매운 음식은 빼 주세요.
그는 왜 그랬을까요? 이 책은 위로가 필요한 당신에게 어울려요. 2019년 영화이고, 상영 시간은 132분이에요.
What shall I read, watch or eat today? A quiet novel for a rainy evening, a warm soup for a tired day.
It is a story about two friends who travel together and find what they had lost. The answer is a letter: A, B, C, D.
{"title": "기생충", "year": 2019, "fit": 9, "moods": ["tired", "calm"], "count": 3, "spicy": null, "ok": true}
""".strip()


def exaone(
    folder: Path,
    *,
    tied: bool = True,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    intermediate: int = 128,
    vocabulary: int = 640,
    positions: int = 32_768,
    seed: int = 0,
    shards: int = 1,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Writes a random checkpoint as LG AI Research lays out EXAONE 3.5, tokenizer included, and returns its folder.

    Its weights are larger than an untrained model's, so that greedy text varies and every part shows in the logits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokens = tokenizer(vocabulary)
    tokens.save(str(folder / "tokenizer.json"))
    end = tokens.token_to_id("[|endofturn|]")
    config = {
        "activation_function": "silu",
        "architectures": ["ExaoneForCausalLM"],
        "attention_dropout": 0.0,
        "auto_map": {
            "AutoConfig": "configuration_exaone.ExaoneConfig",
            "AutoModelForCausalLM": "modeling_exaone.ExaoneForCausalLM",
        },
        "bos_token_id": tokens.token_to_id("[BOS]"),
        "embed_dropout": 0.0,
        "eos_token_id": end,
        "head_dim": hidden // heads,
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": intermediate,
        "layer_norm_epsilon": 1e-05,
        "max_position_embeddings": positions,
        "model_type": "exaone",
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "num_layers": layers,
        "pad_token_id": tokens.token_to_id("[PAD]"),
        "rope_scaling": {
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 1_000_000,
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.43.0",
        "use_cache": True,
        "vocab_size": tokens.get_vocab_size(),
    }
    write_json(folder / "config.json", config)
    write_json(
        folder / "generation_config.json",
        {"bos_token_id": config["bos_token_id"], "eos_token_id": end, "pad_token_id": config["pad_token_id"]},
    )
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(tokens.token_to_id(name)): {"content": name, "special": True} for name in SPECIAL
            },
            "bos_token": "[BOS]",
            "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "[|endofturn|]",
            "model_max_length": 1000000000000000019884624838656,
            "pad_token": "[PAD]",
            "tokenizer_class": "GPT2Tokenizer",
            "unk_token": "[UNK]",
        },
    )
    write_tensors(folder, weights(config, seed, dtype), shards)
    return folder


def weights(config: dict[str, Any], seed: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Random tensors under EXAONE's names, of the shapes that `config` asks for."""
    chance = torch.Generator().manual_seed(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return (torch.randn(rows, columns, generator=chance) * (1.5 / math.sqrt(columns))).to(dtype)

    def gain() -> torch.Tensor:
        return (1 + 0.2 * torch.randn(hidden, generator=chance)).to(dtype)

    tensors = {
        "transformer.wte.weight": matrix(config["vocab_size"], hidden),
        "transformer.ln_f.weight": gain(),
    }
    for number in range(config["num_layers"]):
        layer = f"transformer.h.{number}."
        tensors |= {
            f"{layer}ln_1.weight": gain(),
            f"{layer}attn.attention.q_proj.weight": matrix(queries, hidden),
            f"{layer}attn.attention.k_proj.weight": matrix(keys, hidden),
            f"{layer}attn.attention.v_proj.weight": matrix(keys, hidden),
            f"{layer}attn.attention.out_proj.weight": matrix(hidden, queries),
            f"{layer}ln_2.weight": gain(),
            f"{layer}mlp.c_fc_0.weight": matrix(inner, hidden),
            f"{layer}mlp.c_fc_1.weight": matrix(inner, hidden),
            f"{layer}mlp.c_proj.weight": matrix(hidden, inner),
        }
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = matrix(config["vocab_size"], hidden)
    return tensors


def tokenizer(vocabulary: int) -> Tokenizer:
    """A byte-level BPE of at most `vocabulary` tokens with EXAONE's special tokens, a normalizer and a pre-tokenizer."""
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d| ?[\p{L}\p{M}]+| ?[^\s\p{L}\p{M}\d]+|\s+"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        TEXT.splitlines(),
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[AddedToken(name, special=True, normalized=False) for name in SPECIAL],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return made


def adapter(
    folder: Path,
    model_path: Path,
    seed: int,
    *,
    rank: int = 8,
    alpha: int = 16,
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    strength: float = 0.3,
    dtype: torch.dtype = torch.float32,
    **config: Any,
) -> Path:
    """Writes a random LoRA adapter for the EXAONE-layout checkpoint `model_path`, as PEFT saves one trained on our layout.

    `strength` is the size of what it adds relative to its input; `config` goes into adapter_config.json as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = json.loads((model_path / "config.json").read_text())
    chance = torch.Generator().manual_seed(1000 + seed)
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    queries = shape["num_attention_heads"] * shape["head_dim"]
    keys = shape["num_key_value_heads"] * shape["head_dim"]
    sizes = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    tensors = {}
    for number in range(shape["num_layers"]):
        for module, (outward, inward) in sizes.items():
            if module.partition(".")[2] not in targets:
                continue
            place = f"base_model.model.model.layers.{number}.{module}"
            down = torch.randn(rank, inward, generator=chance) / math.sqrt(inward)
            up = torch.randn(outward, rank, generator=chance) * (strength * rank / alpha / math.sqrt(rank))
            tensors[f"{place}.lora_A.weight"] = down.to(dtype)
            tensors[f"{place}.lora_B.weight"] = up.to(dtype)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    write_json(
        folder / "adapter_config.json",
        {
            "base_model_name_or_path": str(model_path),
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "init_lora_weights": True,
            "lora_alpha": alpha,
            "lora_dropout": 0.0,
            "peft_type": "LORA",
            "r": rank,
            "target_modules": list(targets),
            "task_type": "CAUSAL_LM",
            "use_dora": False,
            "use_rslora": False,
            **config,
        },
    )
    return folder


def write_tensors(folder: Path, tensors: dict[str, torch.Tensor], shards: int = 1) -> None:
    """Writes the weights of a checkpoint, cut into `shards` files with an index where there is more than one."""
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    places = {name: f"model-{1 + at % shards:05}-of-{shards:05}.safetensors" for at, name in enumerate(names)}
    for file in sorted(set(places.values())):
        part = {name: tensors[name] for name in names if places[name] == file}
        save_file(part, folder / file, metadata={"format": "pt"})
    size = sum(tensor.nbytes for tensor in tensors.values())
    write_json(
        folder / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": places}
    )


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint or an adapter, by their own names."""
    return {
        name: tensor
        for file in sorted(folder.glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Writes `content` as the files of a checkpoint are written."""
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")


def change_json(file: Path, **changes: Any) -> None:
    """Changes fields of a JSON file; `None` takes a field away."""
    content = json.loads(file.read_text(encoding="utf-8")) | changes
    write_json(file, {name: value for name, value in content.items() if value is not None})
