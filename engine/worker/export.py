"""Writes an EXAONE 3.x checkpoint in Llama's own layout, so that vLLM and others serve it with the same adapters.

In EXAONE's layout modules have other names, and adapters trained on Llama's would silently not apply. Tensors are
renamed, never changed; no model is built.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from engine.worker import checkpoint
from engine.worker.errors import WorkerError
from engine.worker.exaone import FIELDS, MODEL_TYPE, llama_name
from engine.worker.model import load_tokenizer

# Files that say the same in both layouts. The licence goes along, as EXAONE's asks.
COPIED = (
    "tokenizer.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "LICENSE*",
)
# Fields of EXAONE's config.json that lead to its own code or that Llama has no use for.
DROPPED = ("auto_map", "embed_dropout", "architectures", "model_type")


def export(path: str, folder: str, progress: Callable[[float], None] | None = None) -> None:
    """Writes the EXAONE checkpoint `path` as a Llama checkpoint into the new folder `folder`, whole or not at all.

    One file of weights is in memory at a time. `progress` is called with the part done, 0 to 1. Raises WorkerError
    where the checkpoint is no EXAONE 3.x, damaged or incomplete, where `folder` exists, or where it cannot be written.
    """
    source, target = checkpoint.find(path), Path(folder).expanduser()
    if target.exists():
        raise WorkerError(f"{folder} exists; name a new folder.")
    config = _llama(source, checkpoint.config(source))
    files = checkpoint.shards(source)
    _refuse_differences(path, config, files)
    load_tokenizer(str(source))  # refuses one that could not be served afterwards
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as unfinished:
            whole = Path(unfinished) / target.name
            whole.mkdir()
            for done in _weights(files, whole, tied=config["tie_word_embeddings"]):
                if progress is not None:
                    progress(done / len(files))
            _write(whole / "config.json", config)
            _write(whole / "tokenizer_config.json", _tokenizer_config(source))
            for pattern in COPIED:
                for file in source.glob(pattern):
                    shutil.copyfile(file, whole / file.name)
            whole.rename(target)
    except OSError as error:
        raise WorkerError(f"{folder} cannot be written: {error.strerror or error}.") from error


def _llama(source: Path, exaone: dict[str, Any]) -> dict[str, Any]:
    if exaone.get("model_type") != MODEL_TYPE:
        raise WorkerError(
            f"{source} is of the type {exaone.get('model_type')!r}, not EXAONE 3.x; others serve it as it is."
        )
    if exaone.get("quantization_config"):
        raise WorkerError(f"{source} is quantized; export the full checkpoint.")
    fields = {FIELDS.get(name, name): value for name, value in exaone.items() if name not in DROPPED}
    try:
        filled = LlamaConfig(**deepcopy(fields))
    except Exception as error:
        raise WorkerError(f"{source / 'config.json'} is damaged ({type(error).__name__}).") from error
    rope = dict(filled.rope_parameters)
    # Newer transformers read rope_parameters; older ones, and vLLM with them, rope_theta and rope_scaling.
    return {
        **filled.to_diff_dict(),
        "architectures": ["LlamaForCausalLM"],
        "head_dim": filled.head_dim,
        "tie_word_embeddings": filled.tie_word_embeddings,
        "torch_dtype": exaone.get("torch_dtype") or exaone.get("dtype"),
        "rope_parameters": dict(rope),
        "rope_theta": rope.pop("rope_theta"),
        "rope_scaling": rope if rope["rope_type"] != "default" else None,
    }


def _refuse_differences(path: str, config: dict[str, Any], files: tuple[Path, ...]) -> None:
    with torch.device("meta"):
        wanted = {
            name: tuple(tensor.shape)
            for name, tensor in LlamaForCausalLM(LlamaConfig(**deepcopy(config))).state_dict().items()
        }
    if config["tie_word_embeddings"]:
        wanted.pop("lm_head.weight", None)
    found: dict[str, tuple[int, ...]] = {}
    for file in files:
        with safe_open(file, "pt") as tensors:
            for name in _kept(tensors.keys(), tied=config["tie_word_embeddings"]):
                found[llama_name(name)] = tuple(tensors.get_slice(name).get_shape())
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        raise WorkerError(
            f"The weights in {path} do not fit its config.json (first of {len(wrong)}: {wrong[0]})."
        )


def _kept(names: list[str], *, tied: bool) -> list[str]:
    """A tied model's head is its embedding, even where a file holds it twice."""
    return [name for name in names if not (tied and name == "lm_head.weight")]


def _weights(files: tuple[Path, ...], folder: Path, *, tied: bool) -> Iterator[int]:
    """Writes the weights file by file under Llama's names, yielding how many files are done."""
    places: dict[str, str] = {}
    size = 0
    for number, file in enumerate(files, 1):
        name = f"model-{number:05}-of-{len(files):05}.safetensors" if len(files) > 1 else "model.safetensors"
        with safe_open(file, "pt") as tensors:
            renamed = {llama_name(key): tensors.get_tensor(key) for key in _kept(tensors.keys(), tied=tied)}
        save_file(renamed, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(renamed, name)
        size += sum(tensor.nbytes for tensor in renamed.values())
        yield number
    if len(files) > 1:
        _write(folder / checkpoint.INDEX, {"metadata": {"total_size": size}, "weight_map": places})


def _tokenizer_config(source: Path) -> dict[str, Any]:
    """tokenizer_config.json with a class that takes tokenizer.json as it is."""
    file = source / "tokenizer_config.json"
    config = checkpoint.read_json(file) if file.is_file() else {}
    config.pop("auto_map", None)
    return {**config, "tokenizer_class": "PreTrainedTokenizerFast"}


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
