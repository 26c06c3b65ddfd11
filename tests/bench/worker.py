"""The worker's throughput beside transformers' own, in one run: `python -m tests.bench.worker MODEL`.

    python -m tests.bench.gemma /tmp/gemma && python -m tests.bench.worker /tmp/gemma/gemma

Eight clients with three random adapters come at different times and want answers of different lengths, each its next
as soon as it has one. Beside it, the same prompts and lengths as static batches of eight in
`generate(adapter_names=…)`, which start when all are there and run to the longest; and the first of every other
client, one after another. Then: 20 candidates ranked by one forward pass, and by writing the ranking. Ratios of one run are what
to compare; the model is in NF4, on what `--device` says.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from engine.worker.adapters import Adapters
from engine.worker.batcher import Batcher, Limits
from engine.worker.model import load_model, load_tokenizer
from engine.worker.sequence import Piece, Sampling

CATALOG = Path(__file__).parents[2] / "data" / "catalog"
ADAPTERS = ("reply", "rank", "question")
RANK = 16
CLIENTS = 8
CANDIDATES = 20
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""On a busy machine the processor's time tells more, with one thread."""


@dataclass(frozen=True)
class Work:
    prompt: list[int]
    count: int
    adapter: str


def works(size: int, each: int, seed: int = 6) -> list[list[Work]]:
    """For each client its requests, of very different lengths; `size` is the vocabulary's."""
    chance = random.Random(seed)
    return [
        [
            Work(
                [chance.randrange(1_000, size - 1_000) for _ in range(chance.randrange(16, 65))],
                chance.randrange(48, 129),
                ADAPTERS[(client + turn) % len(ADAPTERS)],
            )
            for turn in range(each)
        ]
        for client in range(CLIENTS)
    ]


def write_adapter(folder: Path, model: PreTrainedModel, seed: int) -> Path:
    """A random LoRA adapter of all linear layers but the head, in PEFT's layout."""
    chance = torch.Generator().manual_seed(seed)
    tensors = {}
    kinds = set()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module is not model.get_output_embeddings():
            kinds.add(name.rpartition(".")[2])
            place = f"base_model.model.{name}.lora_"
            tensors[f"{place}A.weight"] = torch.randn(RANK, module.in_features, generator=chance) / math.sqrt(
                module.in_features
            )
            tensors[f"{place}B.weight"] = torch.randn(module.out_features, RANK, generator=chance) * 0.01
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": RANK,
        "target_modules": sorted(kinds),
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def static(model: PeftModel, batch: list[Work], clock: str) -> float:
    """Seconds of one batch in `generate`, to its longest answer."""
    width = max(len(work.prompt) for work in batch)
    ids = torch.tensor(
        [[0] * (width - len(work.prompt)) + work.prompt for work in batch], device=model.device
    )
    mask = torch.tensor(
        [[0] * (width - len(work.prompt)) + [1] * len(work.prompt) for work in batch], device=model.device
    )
    longest = max(work.count for work in batch)
    began = CLOCKS[clock]()
    with torch.inference_mode():
        model.generate(
            input_ids=ids,
            attention_mask=mask,
            adapter_names=[work.adapter for work in batch],
            do_sample=False,
            min_new_tokens=longest,
            max_new_tokens=longest,
            pad_token_id=0,
        )
    return CLOCKS[clock]() - began


async def read(batcher: Batcher, work: Work) -> list[Piece]:
    wish = Sampling(max_tokens=work.count, temperature=0.0)
    return [piece async for piece in batcher.submit(work.prompt, wish, work.adapter)]


async def served(batcher: Batcher, clients: list[list[Work]], spread: float, clock: str) -> float:
    """Seconds until all clients have all answers; they come within `spread` seconds."""

    async def client(place: int, wanted: list[Work]) -> None:
        await asyncio.sleep(spread * place / len(clients))
        for work in wanted:
            pieces = await read(batcher, work)
            assert sum(len(piece.tokens) for piece in pieces) == work.count

    began = CLOCKS[clock]()
    await asyncio.gather(*(client(place, wanted) for place, wanted in enumerate(clients)))
    return CLOCKS[clock]() - began


def candidates() -> list[str]:
    """Titles from the catalog."""
    with (CATALOG / "movies.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line)["title"] for line in itertools.islice(lines, CANDIDATES)]


async def ranking(batcher: Batcher, tokenizer: Any, repeats: int, clock: str) -> dict[str, Any]:
    """One forward pass that ranks 20 candidates, and the same written out as a list of titles, and of letters."""
    titles = candidates()
    listed = "\n".join(f"{chr(65 + place)}. {title}" for place, title in enumerate(titles))
    prompt = tokenizer.encode(f"지친 하루 끝에 보기 좋은 것을 골라 주세요.\n{listed}\n가장 어울리는 것: ")
    written = tokenizer.encode("\n".join(f"{place}. {title}" for place, title in enumerate(titles, 1)))
    letters = tokenizer.encode(", ".join(chr(65 + place) for place in range(CANDIDATES)))
    spent: dict[str, list[float]] = {"forward": [], "titles": [], "letters": []}
    for _ in range(repeats):
        for name, count in (("forward", 1), ("letters", len(letters)), ("titles", len(written))):
            batcher._stepper.prefixes.clear()  # type: ignore[union-attr]
            wish = Sampling(max_tokens=count, temperature=0.0, logprobs=20 if count == 1 else None)
            began = CLOCKS[clock]()
            async for _ in batcher.submit(prompt, wish, "rank"):
                pass
            spent[name].append(CLOCKS[clock]() - began)
    return {
        "prompt tokens": len(prompt),
        "tokens of the titles": len(written),
        "tokens of the letters": len(letters),
        "one forward, s": statistics.median(spent["forward"]),
        "titles / forward": _ratio(spent["titles"], spent["forward"]),
        "letters / forward": _ratio(spent["letters"], spent["forward"]),
    }


def _ratio(ones: list[float], others: list[float]) -> float:
    """The median of ratios taken run by run, as a busy machine is slow for both of one run."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


async def measure(options: argparse.Namespace) -> None:
    dtype, clock = getattr(torch, options.dtype), options.clock
    tokenizer = load_tokenizer(options.model)
    model, plain = (load_model(options.model, nf4=True, device=options.device, dtype=dtype) for _ in range(2))
    adapters = Adapters(model)
    with tempfile.TemporaryDirectory() as folder:
        folders = [write_adapter(Path(folder) / name, model, seed) for seed, name in enumerate(ADAPTERS)]
        peft = PeftModel.from_pretrained(plain, str(folders[0]), adapter_name=ADAPTERS[0])
        for name, place in zip(ADAPTERS, folders, strict=True):
            adapters.load(name, str(place))
            if name != ADAPTERS[0]:
                peft.load_adapter(str(place), adapter_name=name)
    peft.eval()
    batcher = Batcher(adapters, tokenizer, Limits(2_048, 1 << 30, CLIENTS, 64, 3_600.0))
    batcher._vocabulary.ends = frozenset()  # answers have the lengths that are asked for
    await batcher.start()
    clients = works(model.config.get_text_config().vocab_size, options.each)
    batches = [[wanted[turn] for wanted in clients] for turn in range(options.each)]
    total = sum(work.count for wanted in clients for work in wanted)
    first = [wanted[:1] for wanted in clients]
    alone = first[::2]
    some = sum(work.count for (work,) in alone)
    await served(batcher, [[Work(work.prompt, 2, work.adapter)] for (work,) in first], 0, clock)
    static(peft, [Work(work.prompt, 2, work.adapter) for (work,) in first], clock)
    rates: dict[str, list[float]] = {"static": [], "served": [], "one": []}
    for _ in range(options.repeats):
        rates["static"].append(total / sum(static(peft, batch, clock) for batch in batches))
        rates["served"].append(total / await served(batcher, clients, options.spread, clock))
        rates["one"].append(some / sum([await served(batcher, [wanted], 0, clock) for wanted in alone]))
    print(f"{total} tokens for {CLIENTS} clients, {torch.get_num_threads()} threads, {dtype}")
    for name, values in rates.items():
        print(
            f"{name:>8}: {statistics.median(values):7.1f} tokens/s  ({', '.join(f'{each:.1f}' for each in values)})"
        )
    print(f"served / static: {_ratio(rates['served'], rates['static']):.2f}")
    print(f"served / one after another: {_ratio(rates['served'], rates['one']):.2f}")
    for name, value in (await ranking(batcher, tokenizer, options.repeats, clock)).items():
        print(f"ranking, {name}: {value:.2f}" if isinstance(value, float) else f"ranking, {name}: {value}")
    await batcher.close(0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--dtype", default="float32", help="what is computed in; a CPU without AVX-512 is slow in bfloat16"
    )
    parser.add_argument("--each", type=int, default=3, help="requests a client")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--spread", type=float, default=2.0, help="seconds within which clients come")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    asyncio.run(measure(options))


if __name__ == "__main__":
    main()
