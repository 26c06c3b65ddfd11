"""One LoRA adapter in PEFT's layout, read from its folder and checked against the model that it is for.

Changes nothing in the model. What it cannot apply exactly as PEFT would, it refuses.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel

from engine.worker import checkpoint
from engine.worker.errors import WorkerError

TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
EXAONE_LAYOUT = re.compile(r"\btransformer\.h\.\d+\.")

# Options of PEFT's that say nothing about the forward pass, or that are followed below.
UNDERSTOOD = frozenset(
    {
        *("peft_type", "peft_version", "task_type", "base_model_name_or_path", "revision", "inference_mode"),
        *("auto_mapping", "r", "rank_pattern", "lora_alpha", "alpha_pattern", "use_rslora", "lora_dropout"),
        *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),
        *(
            "init_lora_weights",
            "loftq_config",
            "eva_config",
            "corda_config",
            "lora_ga_config",
            "qalora_group_size",
        ),
    }
)
# Ways to begin training that leave the base model's weights alone; the others need their own changed base.
PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True, slots=True)
class Part:
    """What an adapter adds to one module's output: `up @ (down @ input)`, the adapter's scale already in `up`."""

    down: torch.Tensor
    up: torch.Tensor


def read(path: str, model: PreTrainedModel) -> dict[str, Part]:
    """The adapter in the folder `path`, by the names of the modules of `model` that it changes.

    Its tensors lie where the model's do, in the dtype that the model computes in. Raises WorkerError where it is
    damaged, made for another model, or does more than plain LoRA on linear layers.
    """
    try:
        folder = Path(path).expanduser()
        (folder / "adapter_config.json").is_file()
    except (OSError, RuntimeError) as error:  # a name too long, a stranger's home, no permission
        raise WorkerError(f"{path[:200]} cannot be read.") from error
    config = _config(folder)
    tensors = _tensors(folder)
    modules = dict(model.named_modules())
    _refuse_names(path, tensors, modules)
    dtype = model.get_input_embeddings().weight.dtype
    parts: dict[str, Part] = {}
    for name in sorted({_module(tensor) for tensor in tensors}):
        down, up = (tensors.get(f"base_model.model.{name}.lora_{side}.weight") for side in "AB")
        if down is None or up is None:
            raise WorkerError(f"The adapter {path} is not whole: {name} has one of its two matrices only.")
        linear = modules[name]
        _refuse_shapes(path, name, down, up, linear, config)
        scale = _scale(config, name)
        device = linear.weight.device
        part = Part(down.to(device, dtype), (up.float() * scale).to(device, dtype))
        if not (part.down.isfinite().all() and part.up.isfinite().all()):
            raise WorkerError(f"The adapter {path} is damaged: {name} holds numbers that are none.")
        parts[name] = part
    _refuse_gaps(path, config, parts, modules, model)
    return parts


def _config(folder: Path) -> LoraConfig:
    if not (folder / "adapter_config.json").is_file():
        raise WorkerError(f"{folder} is no adapter: it has no adapter_config.json.")
    raw = checkpoint.read_json(folder / "adapter_config.json")
    if raw.get("peft_type") != "LORA":
        raise WorkerError(
            f"The adapter {folder} is of the type {raw.get('peft_type')!r}; only LORA is served."
        )
    usual = {field.name: _default(field) for field in fields(LoraConfig)}
    for option, value in raw.items():
        if option not in UNDERSTOOD and value and value != usual.get(option):
            raise WorkerError(f"The adapter {folder} uses {option}, which the worker does not serve.")
    if raw.get("init_lora_weights", True) not in PLAIN_STARTS:
        raise WorkerError(
            f"The adapter {folder} was begun by {raw['init_lora_weights']!r}, which changes the base model as well; "
            "save it converted to plain LoRA (PEFT: path_initial_model_for_weight_conversion)."
        )
    try:
        return LoraConfig(**{option: value for option, value in raw.items() if option in usual})
    except Exception as error:
        raise WorkerError(f"{folder / 'adapter_config.json'} is damaged: PEFT cannot read it.") from error


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    file = folder / "adapter_model.safetensors"
    if not checkpoint.tensor_names(file):
        raise WorkerError(f"{file} holds no tensors.")
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise WorkerError(f"{file} is damaged or cut short; fetch or write it again.") from error


def _module(tensor: str) -> str:
    match = TENSOR.fullmatch(tensor)
    assert match is not None, "names are checked before they are taken apart"
    return match["module"]


def _refuse_names(path: str, tensors: Mapping[str, torch.Tensor], modules: Mapping[str, nn.Module]) -> None:
    for tensor in sorted(tensors):
        match = TENSOR.fullmatch(tensor)
        module = modules.get(match["module"]) if match is not None else None
        if module is None and EXAONE_LAYOUT.search(tensor):
            raise WorkerError(
                f"The adapter {path} was trained on EXAONE's own layout ({tensor}), where modules have other names "
                "than in Llama's, which is served here and in vLLM: it would silently change nothing. Train it on "
                "the model as `oneulmwo train` or `oneulmwo worker export` gives it."
            )
        if match is None:
            raise WorkerError(f"The adapter {path} holds {tensor}, which is no part of a plain LoRA adapter.")
        if module is None:
            raise WorkerError(f"The adapter {path} is for another model: this one has no {match['module']}.")
        if not isinstance(module, nn.Linear):
            raise WorkerError(f"The adapter {path} changes {match['module']}, which is no linear layer.")


def _refuse_shapes(
    path: str, name: str, down: torch.Tensor, up: torch.Tensor, linear: nn.Linear, config: LoraConfig
) -> None:
    rank = _pattern(config.rank_pattern, name, config.r)
    wanted = (rank, linear.in_features), (linear.out_features, rank)
    if (tuple(down.shape), tuple(up.shape)) != wanted:
        raise WorkerError(
            f"The adapter {path} is for another model: {name} has matrices of {tuple(down.shape)} and "
            f"{tuple(up.shape)}, wanted are {wanted[0]} and {wanted[1]}."
        )
    if not (down.is_floating_point() and up.is_floating_point()):
        raise WorkerError(
            f"The adapter {path} is damaged: {name} has matrices of {down.dtype} and {up.dtype}."
        )


def _refuse_gaps(
    path: str,
    config: LoraConfig,
    parts: Mapping[str, Part],
    modules: Mapping[str, nn.Module],
    model: PreTrainedModel,
) -> None:
    """Refuses an adapter that says it changes more modules than it has tensors for."""
    head = model.get_output_embeddings()
    for name, module in modules.items():
        if not isinstance(module, nn.Linear) or name in parts:
            continue
        if config.target_modules == "all-linear":
            wanted = module is not head
        else:
            # Excluded modules come back as an object that says so and counts as false.
            wanted = bool(check_target_module_exists(config, name))
        if wanted:
            raise WorkerError(f"The adapter {path} is not whole: it names {name} and has no matrices for it.")


def _scale(config: LoraConfig, module: str) -> float:
    rank = _pattern(config.rank_pattern, module, config.r)
    alpha = _pattern(config.alpha_pattern, module, config.lora_alpha)
    return float(alpha / rank**0.5 if config.use_rslora else alpha / rank)


def _pattern(patterns: Mapping[str, int] | None, module: str, usual: int) -> int:
    patterns = patterns or {}
    return patterns.get(get_pattern_key(list(patterns), module), usual)
