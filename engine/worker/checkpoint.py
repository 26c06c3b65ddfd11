"""The files of a checkpoint: where they lie and whether they are whole. Builds no model."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError, safe_open

from engine.worker.errors import WorkerError

INDEX = "model.safetensors.index.json"
# What is fetched from the hub: never a program, never a pickle.
WANTED = ("*.json", "*.safetensors", "*.jinja", "LICENSE*")
DOUBLED = ("consolidated*", "*/*")  # the same weights again in a layout of their maker's


def find(path: str) -> Path:
    """The folder of the checkpoint that `path` names: a folder, or a model of the Hugging Face hub, which is fetched.

    Raises WorkerError where it is neither.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise WorkerError(f"{path} is a file; a model is named by its folder or by its name on the hub.")
    if folder.is_absolute() or path.startswith((".", "~")) or path.count("/") > 1:
        raise WorkerError(f"There is no folder {path}.")
    try:
        return Path(snapshot_download(path, allow_patterns=list(WANTED), ignore_patterns=list(DOUBLED)))
    except (OSError, HFValidationError, ValueError, RuntimeError) as error:
        raise WorkerError(
            f"There is no folder {path}, and the Hugging Face hub gave no model of that name "
            f"({type(error).__name__}). Check the name, the network and, for a closed model, HF_TOKEN, "
            "or fetch it elsewhere and name its folder."
        ) from error


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in `file`. Raises WorkerError where it cannot be read or is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkerError(f"{file} cannot be read: it is missing or damaged.") from error
    if not isinstance(content, dict):
        raise WorkerError(f"{file} is damaged: it holds no JSON object.")
    return content


def config(folder: Path) -> dict[str, Any]:
    """config.json of a checkpoint. Raises WorkerError where `folder` is no checkpoint."""
    if not (folder / "config.json").is_file():
        raise WorkerError(f"{folder} is no model: it has no config.json.")
    return read_json(folder / "config.json")


def shards(folder: Path) -> tuple[Path, ...]:
    """The safetensors files with the weights, each whole: its header read, its length what the header says.

    Raises WorkerError for a missing, truncated or damaged file.
    """
    if (folder / "model.safetensors").is_file():  # transformers too reads this one first
        files = [folder / "model.safetensors"]
    elif (folder / INDEX).is_file():
        places = read_json(folder / INDEX).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise WorkerError(f"{folder / INDEX} is damaged: it lists no tensors.")
        files = [folder / Path(str(name)).name for name in sorted(set(places.values()))]
    else:
        raise WorkerError(f"{folder} has no model.safetensors: only safetensors weights are read.")
    for file in files:
        tensor_names(file)
    return tuple(files)


def tensor_names(file: Path) -> tuple[str, ...]:
    """The names of the tensors in a safetensors file. Raises WorkerError where the file is missing or not whole."""
    if not file.is_file():
        raise WorkerError(f"{file} is missing.")
    try:
        with safe_open(file, "pt") as tensors:
            return tuple(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise WorkerError(f"{file} is damaged or cut short; fetch or write it again.") from error
