"""Tiny random models of several families with three adapters each, and plain `generate` as what batching must equal."""

import asyncio
import random
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.worker.adapters import Adapters
from engine.worker.batcher import Batcher, Limits
from engine.worker.model import load_model, load_tokenizer
from engine.worker.observer import Observer, silent
from engine.worker.sequence import Piece, Sampling
from engine.worker.vocabulary import Vocabulary
from tests import checkpoints

ADAPTERS = ("reply", "rank", "question")
WINDOW = 16  # of the families with sliding attention: far smaller than the texts of the tests

SHAPE: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "initializer_range": 0.3,
    "max_position_embeddings": 4096,
    "bos_token_id": 1,
    "pad_token_id": 0,
    "tie_word_embeddings": False,  # tied random weights repeat one token for ever
}
SLIDING: dict[str, Any] = {
    "num_hidden_layers": 3,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"num_hidden_layers": 2}),
    "qwen3": ("Qwen3", {"num_hidden_layers": 2}),
    "mistral": ("Mistral", {"num_hidden_layers": 2, "sliding_window": WINDOW}),
    "gemma2": ("Gemma2", SLIDING),
    "gemma3": ("Gemma3", SLIDING),
    "exaone4": ("Exaone4", SLIDING),
}


@dataclass(eq=False)
class Tiny:
    """A model, and the folders of its adapters."""

    folder: Path
    adapters: dict[str, Path]

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(str(self.folder))

    def model(self) -> PreTrainedModel:
        """Loaded anew."""
        return load_model(str(self.folder), nf4=False, device="cpu", dtype=torch.float32)

    @cached_property
    def served(self) -> Adapters:
        """The model with its adapters, as the worker has them."""
        adapters = Adapters(self.model())
        for name, folder in self.adapters.items():
            adapters.load(name, str(folder))
        return adapters

    @cached_property
    def plain(self) -> PeftModel:
        """The same in PEFT's hands."""
        (first, folder), *rest = self.adapters.items()
        model = PeftModel.from_pretrained(self.model(), str(folder), adapter_name=first)
        for name, other in rest:
            model.load_adapter(str(other), adapter_name=name)
        return model.eval()

    @cached_property
    def ends(self) -> list[int]:
        return sorted(Vocabulary(self.tokenizer, self.served.model).ends)

    def generated(self, prompt: Sequence[int], count: int, adapter: str | None) -> list[int]:
        """What plain `generate` gives for one prompt alone, greedily."""
        with torch.no_grad():
            whole = self.plain.generate(
                input_ids=torch.tensor([list(prompt)]),
                attention_mask=torch.ones((1, len(prompt)), dtype=torch.long),
                adapter_names=[adapter or "__base__"],
                do_sample=False,
                max_new_tokens=count,
                eos_token_id=self.ends,
                pad_token_id=0,
            )
        return whole[0, len(prompt) :].tolist()


def exaone(folder: Path) -> Tiny:
    """EXAONE 3.x in its own layout."""
    model = checkpoints.exaone(folder / "model", hidden=48, intermediate=64, vocabulary=512)
    adapters = {name: checkpoints.adapter(folder / name, model, seed) for seed, name in enumerate(ADAPTERS)}
    return Tiny(model, adapters)


@cache
def shared() -> Tiny:
    """EXAONE, made once for all tests of a process; whoever loads other adapters unloads them again."""
    folder = tempfile.TemporaryDirectory()
    made = exaone(Path(folder.name))
    weakref.finalize(made, folder.cleanup)
    return made


def family(kind: str, folder: Path) -> Tiny:
    """One of FAMILIES, with EXAONE's tokenizer."""
    source = checkpoints.exaone(folder / "source", vocabulary=512)
    tokenizer = load_tokenizer(str(source))
    name, more = FAMILIES[kind]
    config_class = getattr(transformers, f"{name}TextConfig", None) or getattr(transformers, f"{name}Config")
    config = config_class(
        vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, dtype=torch.float32, **SHAPE, **more
    )
    torch.manual_seed(1)
    model = getattr(transformers, f"{name}ForCausalLM")(config)
    model.save_pretrained(folder / "model")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / "model" / file).write_text((source / file).read_text())
    adapters = {}
    for seed, adapter in enumerate(ADAPTERS):
        torch.manual_seed(100 + seed)
        lora = LoraConfig(
            r=4,
            target_modules=["q_proj", "v_proj", "o_proj", "down_proj"],
            init_lora_weights=False,
            task_type="CAUSAL_LM",
        )
        get_peft_model(load_model(str(folder / "model"), nf4=False, device="cpu"), lora).save_pretrained(
            folder / adapter
        )
        adapters[adapter] = folder / adapter
    return Tiny(folder / "model", adapters)


LIMITS: dict[str, Any] = {"context": 512, "cache_bytes": 1 << 24, "rows": 8, "queue": 64, "seconds": 60.0}


@asynccontextmanager
async def serving(model: Tiny, observe: Observer = silent, **limits: Any) -> AsyncIterator[Batcher]:
    """A batcher for the model, of LIMITS unless said otherwise."""
    batcher = Batcher(model.served, model.tokenizer, Limits(**LIMITS | limits), observe)
    await batcher.start()
    try:
        yield batcher
    finally:
        await batcher.close(0)


Asked = tuple[list[int], str | None, int]


def prompts(seed: int, count: int, longest: int = 60) -> list[Asked]:
    """Random prompts, each with an adapter and how many tokens are asked for."""
    chance = random.Random(seed)
    return [
        (
            [chance.randrange(8, 400) for _ in range(chance.randrange(1, longest))],
            chance.choice([None, *ADAPTERS]),
            chance.randrange(1, 25),
        )
        for _ in range(count)
    ]


async def answer(
    batcher: Batcher, prompt: Sequence[int], adapter: str | None = None, **sampling: Any
) -> list[Piece]:
    """All pieces; greedy unless said otherwise."""
    wish = Sampling(**{"max_tokens": 8, "temperature": 0.0} | sampling)
    return [piece async for piece in batcher.submit(prompt, wish, adapter)]


async def many(batcher: Batcher, *requests: tuple[Sequence[int], str | None, int]) -> list[list[int]]:
    """The tokens of several greedy answers at once: (prompt, adapter, how many)."""
    answers = await asyncio.gather(
        *(answer(batcher, prompt, adapter, max_tokens=count) for prompt, adapter, count in requests)
    )
    return [ids(pieces) for pieces in answers]


def ids(pieces: Sequence[Piece]) -> list[int]:
    return [token.id for piece in pieces for token in piece.tokens]


def text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


async def until(true: Callable[[], object]) -> None:
    """Waits, 20 seconds at most."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.002)
