"""A plan made real: the model, its tokenizer and adapters, the embeddings, and what the batcher may take.

Everything heavy is imported here, so that the server listens before torch has been read. Knows no HTTP and no loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from transformers import PreTrainedModel

from engine.worker.adapters import Adapters
from engine.worker.batcher import Batcher
from engine.worker.embeddings import Embeddings
from engine.worker.errors import WorkerError
from engine.worker.model import load_model, load_tokenizer
from engine.worker.observer import Observer
from engine.worker.plan import Plan
from engine.worker.stepper import Limits
from engine.worker.template import Template

GIB: Final = 1 << 30
CPU_CACHE_BYTES: Final = GIB
GPU_RESERVE: Final = 0.1
"""Share of a GPU's memory that stays free for what a step needs beside weights and cache."""
CONTEXT: Final = 8_192


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a plan names, in memory."""

    device: torch.device
    template: Template
    adapters: Adapters
    batcher: Batcher
    """Not started."""
    embeddings: Embeddings | None


def load(plan: Plan, observe: Observer, report: Callable[[float], None]) -> Loaded:
    """All of it, which takes seconds or minutes; `report` is called with the share that is done, 0 to 1.

    Raises:
        WorkerError: something of it cannot be loaded.
    """
    for name, path in plan.adapters.items():
        if not Path(path).is_dir():
            raise WorkerError(f"There is no folder {path} for the adapter {name}.")
    tokenizer = load_tokenizer(plan.model)
    model = load_model(plan.model, nf4=plan.nf4, device=plan.device, progress=report)
    adapters = Adapters(model, reserved=(plan.name,))
    for name, path in plan.adapters.items():
        adapters.load(name, path)
    embeddings = Embeddings(plan.embeddings, str(model.device)) if plan.embeddings is not None else None
    report(1.0)
    batcher = Batcher(adapters, tokenizer, _limits(plan, model), observe)
    return Loaded(model.device, Template(tokenizer), adapters, batcher, embeddings)


def _limits(plan: Plan, model: PreTrainedModel) -> Limits:
    positions = int(model.config.get_text_config().max_position_embeddings)
    if plan.context is not None and plan.context > positions:
        raise WorkerError(
            f"{plan.name} reads {positions:,} tokens at most: give --context {positions} or less."
        )
    return Limits(
        context=plan.context or min(CONTEXT, positions),
        cache_bytes=plan.cache_bytes or _spare_bytes(model.device),
        rows=plan.rows,
        queue=plan.queue,
        seconds=plan.seconds,
    )


def _spare_bytes(device: torch.device) -> int:
    """What the cache may have where nobody said."""
    if device.type != "cuda":
        return CPU_CACHE_BYTES
    torch.cuda.empty_cache()
    free, whole = torch.cuda.mem_get_info(device)
    spare = int(free - whole * GPU_RESERVE)
    if spare < GIB // 8:
        raise WorkerError(
            f"{free / GIB:.1f} GB of the GPU are free beside the model, too little for any request: "
            "free some, or give --nf4, a smaller model or --cache."
        )
    return spare
