"""Loads a causal language model and its tokenizer, running no code that comes with them.

EXAONE 3.x by `exaone.py`, all else by what transformers has. Knows no adapters, no batches and no server.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import EmptyTqdm, set_tqdm_hook

from engine.worker import checkpoint, exaone
from engine.worker.errors import WorkerError
from engine.worker.head import slice_head

log = logging.getLogger(__name__)

assert exaone.MODEL_TYPE  # importing it is what makes transformers know EXAONE

# Text on which a wrongly rebuilt tokenizer shows itself: Hangul composed and not, digits, spaces, marks, emoji.
PROBE = "오늘 뭐 먹지? \u1100\u1161\u11a8  1234년 12월,\n\n\tI'm tired… It's 3,500원! ①ﬁ café 🍜👩‍🍳"
NAMED = 5  # tensors that an error names at most


def load_model(
    path: str,
    *,
    nf4: bool,
    device: str,
    dtype: torch.dtype | None = None,
    progress: Callable[[float], None] | None = None,
) -> PreTrainedModel:
    """The model in the folder `path`, or of that name on the hub, ready to serve on `device` ("cpu", "cuda", "auto").

    `nf4` loads it straight to 4 bits with double quantization; `dtype` is then what it computes in (bfloat16 if not
    given). Without `nf4`, `dtype` defaults to float32 on a CPU and to the checkpoint's own on a GPU. `progress` is
    called with the part done, 0 to 1. Raises WorkerError for whatever is missing, damaged, unknown or does not fit.
    """
    place = _device(device)
    folder = checkpoint.find(path)
    config = _config(folder)
    checkpoint.shards(folder)
    loaded = {
        "config": config,
        "dtype": dtype or _default_dtype(nf4, place, config),
        "device_map": {"": place},
        "quantization_config": _quantization(nf4, dtype, folder, config),
        "use_safetensors": True,
        "trust_remote_code": False,
        # Names and shapes of what differs come back only so; they are refused below.
        "ignore_mismatched_sizes": True,
        "output_loading_info": True,
    }
    with _reported(progress):
        try:
            model, report = AutoModelForCausalLM.from_pretrained(folder, **loaded)
        except torch.OutOfMemoryError as error:
            raise WorkerError(
                f"{path} does not fit into the memory of {place}; load it in 4 bits."
            ) from error
        except Exception as error:
            log.exception("loading %s failed", path)
            raise WorkerError(f"{path} could not be loaded ({_first_line(error)}).") from error
    _refuse_differences(path, report)
    if nf4:
        _check_quantized(path, model)
    model.eval()
    model.requires_grad_(False)
    slice_head(model)
    return model


def load_tokenizer(path: str) -> PreTrainedTokenizerBase:
    """The tokenizer of the checkpoint `path`, exactly as its tokenizer.json says, with the chat template.

    Raises WorkerError where tokenizer.json or the chat template is missing, damaged, or read differently by
    transformers than by the tokenizers library itself.
    """
    folder = checkpoint.find(path)
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise WorkerError(f"{path} has no tokenizer.json.")
    try:
        exact = Tokenizer.from_file(str(file))
        # Not AutoTokenizer: a tokenizer_config that names GPT2Tokenizer makes it rebuild the tokenizer without
        # its normalizer and pre-tokenizer.
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        log.exception("loading the tokenizer of %s failed", path)
        raise WorkerError(f"The tokenizer of {path} could not be loaded ({_first_line(error)}).") from error
    probe = PROBE + "".join(tokenizer.all_special_tokens)
    # Bare, as a rendered chat template is read.
    if (
        tokenizer(probe, add_special_tokens=False)["input_ids"]
        != exact.encode(probe, add_special_tokens=False).ids
    ):
        raise WorkerError(
            f"The tokenizer of {path} is read differently by transformers than its tokenizer.json says."
        )
    if tokenizer.chat_template is None:
        raise WorkerError(
            f"{path} has no chat template: it is no chat model, or its tokenizer_config.json or chat_template.jinja "
            "is missing."
        )
    try:
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "?"}], tokenize=False, add_generation_prompt=True
        )
    except Exception as error:
        raise WorkerError(f"The chat template of {path} is damaged ({_first_line(error)}).") from error
    return tokenizer


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise WorkerError(f"There is no device {device!r}: cpu, cuda, cuda:1 and auto are known.") from error
    if place.type not in ("cpu", "cuda"):
        raise WorkerError(f"There is no device {device!r}: cpu, cuda, cuda:1 and auto are known.")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise WorkerError(
            f"There is no {place} here: PyTorch sees {torch.cuda.device_count()} GPUs. Name cpu or auto."
        )
    return place


def _config(folder: Path) -> PretrainedConfig:
    kind = checkpoint.config(folder).get("model_type")
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:
        log.exception("reading the configuration of %s failed", folder)
        raise WorkerError(
            f"{folder} is of the type {kind!r}, which transformers does not know without running the checkpoint's "
            f"own code, or its config.json is damaged ({_first_line(error)})."
        ) from error


def _default_dtype(nf4: bool, place: torch.device, config: PretrainedConfig) -> torch.dtype:
    if nf4:
        return torch.bfloat16
    if place.type == "cpu":
        return torch.float32
    return getattr(config, "dtype", None) or torch.bfloat16


def _quantization(
    nf4: bool, dtype: torch.dtype | None, folder: Path, config: PretrainedConfig
) -> BitsAndBytesConfig | None:
    already = getattr(config, "quantization_config", None)
    if already is not None:
        method = already.get("quant_method") if isinstance(already, dict) else type(already).__name__
        if nf4 and method != "bitsandbytes":
            raise WorkerError(
                f"{folder} is quantized already ({method}); name the full checkpoint, or load it as it is."
            )
        return None
    if not nf4:
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype or torch.bfloat16,
    )


def _check_quantized(path: str, model: PreTrainedModel) -> None:
    """What transformers leaves unsaid of four-bit layers.

    A tensor of the wrong shape is quantized and taken. And on a CPU with AVX512-BF16 each layer is repacked at its
    first forward, to compute in bfloat16: that fails for sizes that don't divide evenly, and it would quietly round
    a model that is to compute in float32.
    """
    from bitsandbytes.nn import Linear4bit  # here, since plain models do without it

    for name, module in model.named_modules():
        if not isinstance(module, Linear4bit):
            continue
        if tuple(module.weight.quant_state.shape) != (module.out_features, module.in_features):
            raise WorkerError(
                f"The weights in {path} do not fit its config.json (mismatched: {name}.weight)."
            )
        even = module.out_features % 32 == 0 and module.in_features % module.weight.blocksize == 0
        module.support_avx512bf16_for_cpu &= even and model.dtype == torch.bfloat16


@contextmanager
def _reported(progress: Callable[[float], None] | None) -> Iterator[None]:
    """Turns transformers' progress bar over the tensors into calls of `progress`; shows none."""

    class Counted(EmptyTqdm):
        def __iter__(self) -> Iterator[Any]:
            total = len(self._iterator)
            for done, thing in enumerate(self._iterator, 1):
                yield thing
                if progress is not None:
                    progress(done / total)

    def bar(_: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return Counted(*args) if options.get("desc") == "Loading weights" else EmptyTqdm(*args)

    if progress is not None:
        progress(0.0)
    before = set_tqdm_hook(bar)
    try:
        yield
    finally:
        set_tqdm_hook(before)
    if progress is not None:
        progress(1.0)


def _refuse_differences(path: str, report: dict[str, Any]) -> None:
    wrong = []
    for kind in ("missing", "unexpected", "mismatched"):
        names = sorted(
            entry if isinstance(entry, str) else entry[0] for entry in report.get(f"{kind}_keys", ())
        )
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            wrong.append(f"{kind}: {', '.join(names[:NAMED])}{more}")
    wrong += [str(message) for message in report.get("error_msgs", ())]
    if wrong:
        raise WorkerError(f"The weights in {path} do not fit its config.json ({'; '.join(wrong)}).")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
