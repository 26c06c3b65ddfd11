"""Adapters beside one model: each row its own, nothing left behind, whatever does not fit refused."""

import gc
import json
import shutil
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import DynamicCache, PreTrainedModel

from engine.worker.adapters import Adapters
from engine.worker.errors import WorkerError
from engine.worker.model import load_model
from tests import checkpoints

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = ["reply", None, "rank", "question", "reply", "rank"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, `model`, and three adapters of different ranks for it."""
    folder = tmp_path_factory.mktemp("adapters")
    model = checkpoints.exaone(folder / "model")
    checkpoints.adapter(folder / "reply", model, 1, rank=8)
    checkpoints.adapter(folder / "rank", model, 2, rank=4, use_rslora=True)
    checkpoints.adapter(folder / "question", model, 3, rank=16, targets=("q_proj", "v_proj"))
    return folder


@pytest.fixture(params=[False, True], ids=["float32", "nf4"])
def model(request: pytest.FixtureRequest, made: Path) -> PreTrainedModel:
    return load_model(str(made / "model"), nf4=request.param, device="cpu", dtype=torch.float32)


@pytest.fixture
def adapters(model: PreTrainedModel, made: Path) -> Adapters:
    loaded = Adapters(model)
    for name in ("reply", "rank", "question"):
        loaded.load(name, str(made / name))
    return loaded


def some_ids(rows: int = 6, length: int = 12) -> torch.Tensor:
    return torch.randint(8, 600, (rows, length), generator=torch.Generator().manual_seed(5))


def logits(adapters: Adapters, ids: torch.Tensor, rows: Sequence[str | None]) -> torch.Tensor:
    with adapters.rows(rows):
        given: torch.Tensor = adapters.model(ids).logits
    return given


def state(model: PreTrainedModel) -> tuple[Any, ...]:
    """All that an adapter could leave in a model: modules, tensors, hooks."""
    return (
        [(name, type(module)) for name, module in model.named_modules()],
        [(name, tensor.data_ptr()) for name, tensor in [*model.named_parameters(), *model.named_buffers()]],
        [
            name
            for name, module in model.named_modules()
            if module._forward_hooks or module._forward_pre_hooks
        ],
    )


# What a batch gets


def test_a_mixed_batch_is_each_row_alone(adapters: Adapters) -> None:
    """A neighbour's adapter in one's own answer is the bug that batching adapters invites."""
    ids = some_ids()
    mixed = logits(adapters, ids, ROWS)
    alone = torch.cat([logits(adapters, ids[at : at + 1], [name]) for at, name in enumerate(ROWS)])
    torch.testing.assert_close(mixed, alone, atol=2e-5, rtol=0)
    plain = adapters.model(ids).logits
    changed = (mixed - plain).abs().amax((1, 2))
    assert changed[1] < 2e-5
    assert all(changed[at] > 0.5 for at in (0, 2, 3, 4, 5))
    assert (logits(adapters, ids, ["reply"] * 6) - logits(adapters, ids, ["rank"] * 6)).abs().max() > 0.5


def test_logits_are_those_of_peft(
    adapters: Adapters, model: PreTrainedModel, made: Path, request: Any
) -> None:
    """Adapters are trained with PEFT: scale, rank-stabilized scale and targets must mean here what they mean there."""
    nf4 = "nf4" in request.node.callspec.id
    base = load_model(str(made / "model"), nf4=nf4, device="cpu", dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, made / "reply", adapter_name="reply")
    for name in ("rank", "question"):
        theirs.load_adapter(made / name, adapter_name=name)
    theirs.eval()
    ids = some_ids()
    wanted = theirs(ids, adapter_names=[name or "__base__" for name in ROWS]).logits
    torch.testing.assert_close(logits(adapters, ids, ROWS), wanted, atol=5e-5, rtol=0)


def test_patterns_of_rank_and_alpha(made: Path, tmp_path: Path) -> None:
    """rank_pattern and alpha_pattern change single modules; read wrongly they scale an adapter by two unseen."""
    source = checkpoints.adapter(tmp_path / "patterned", made / "model", 9, rank=4)
    tensors = checkpoints.read_tensors(source)
    for name in [name for name in tensors if "layers.1.mlp.up_proj" in name]:
        tensors[name] = torch.cat([tensors[name]] * 2, dim=0 if "lora_A" in name else 1)
    save_file(tensors, source / "adapter_model.safetensors")
    checkpoints.change_json(
        source / "adapter_config.json",
        rank_pattern={"layers.1.mlp.up_proj": 8},
        alpha_pattern={r".*\.self_attn\.q_proj": 40},
    )
    base = load_model(str(made / "model"), nf4=False, device="cpu")
    wanted = PeftModel.from_pretrained(base, source).eval()(some_ids()).logits
    loaded = Adapters(load_model(str(made / "model"), nf4=False, device="cpu"))
    loaded.load("patterned", str(source))
    torch.testing.assert_close(logits(loaded, some_ids(), ["patterned"] * 6), wanted, atol=5e-5, rtol=0)


def test_steps_with_a_cache(adapters: Adapters) -> None:
    """Decoding: rows keep their adapters over steps, and a row may leave between two."""
    ids, cache = some_ids(3, 9), DynamicCache(config=adapters.model.config)
    names = ["rank", None, "reply"]
    with torch.inference_mode(), adapters.rows(names):
        steps = [adapters.model(ids[:, :4], past_key_values=cache, use_cache=True).logits]
        for at in range(4, 9):
            steps.append(adapters.model(ids[:, at : at + 1], past_key_values=cache, use_cache=True).logits)
    torch.testing.assert_close(torch.cat(steps, 1), logits(adapters, ids, names), atol=5e-5, rtol=0)


def test_generate_with_adapters(adapters: Adapters) -> None:
    """transformers' own generate is the measure in the benchmark; it must see the rows' adapters as well."""
    ids = some_ids(2, 6)
    with adapters.rows(["reply", "rank"]):
        both = adapters.model.generate(ids, max_new_tokens=8, min_new_tokens=8, do_sample=False)
    for at, name in enumerate(("reply", "rank")):
        with adapters.rows([name]):
            alone = adapters.model.generate(
                ids[at : at + 1], max_new_tokens=8, min_new_tokens=8, do_sample=False
            )
        assert both[at].tolist() == alone[0].tolist()


def test_outside_of_rows_the_base_answers(adapters: Adapters) -> None:
    ids = some_ids()
    before = adapters.model(ids).logits
    logits(adapters, ids, ROWS)
    assert torch.equal(adapters.model(ids).logits, before)
    with pytest.raises(RuntimeError, match="in the middle"), adapters.rows(ROWS):
        raise RuntimeError("in the middle")
    assert torch.equal(adapters.model(ids).logits, before)
    assert torch.equal(logits(adapters, ids, [None] * 6), before)


def test_rows_that_do_not_match(adapters: Adapters) -> None:
    with pytest.raises(WorkerError, match="No adapter is called writer"), adapters.rows(["reply", "writer"]):
        pass
    with pytest.raises(ValueError, match="2 rows have adapters, the batch has 6"):
        logits(adapters, some_ids(), ["reply", "rank"])


def test_an_overflowing_adapter_harms_its_own_rows_only(
    adapters: Adapters, made: Path, tmp_path: Path
) -> None:
    """Zero times infinity is no number: masking by multiplication would spoil the neighbours."""
    wild = checkpoints.adapter(tmp_path / "wild", made / "model", 7, rank=2)
    tensors = checkpoints.read_tensors(wild)
    tensors = {
        name: (tensor * 5e38).clamp(-3e38, 3e38) if "lora_A" in name else tensor
        for name, tensor in tensors.items()
    }
    save_file(tensors, wild / "adapter_model.safetensors")
    adapters.load("wild", str(wild))
    ids = some_ids(3)
    given = logits(adapters, ids, ["reply", "wild", None])
    assert not given[1].isfinite().all()
    torch.testing.assert_close(given[[0]], logits(adapters, ids[:1], ["reply"]), atol=2e-5, rtol=0)
    torch.testing.assert_close(given[[2]], adapters.model(ids[2:]).logits, atol=2e-5, rtol=0)


# Loading and unloading


def test_every_tensor_of_the_file_is_in_place(adapters: Adapters, made: Path) -> None:
    """PEFT leaves out what matches nothing and says so in a warning at most."""
    for name in ("reply", "rank", "question"):
        config = json.loads((made / name / "adapter_config.json").read_text())
        scale = config["lora_alpha"] / (config["r"] ** 0.5 if config["use_rslora"] else config["r"])
        tensors = checkpoints.read_tensors(made / name)
        assert len(tensors) == len(config["target_modules"]) * 2 * 2
        for tensor, values in tensors.items():
            module, _, side = tensor.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
            part = adapters._blends[module].part(name)
            assert part is not None
            assert torch.equal(*((part.down, values) if side == "lora_A" else (part.up, values * scale)))


def test_loading_and_unloading_disturb_nobody(model: PreTrainedModel, made: Path) -> None:
    """Adapters come and go while others serve; their logits keep every bit. The first forward may repack weights."""
    ids, loaded = some_ids(3), Adapters(model)
    untouched = state(model)
    loaded.load("reply", str(made / "reply"))
    base, alone, mixed = (
        model(ids).logits,
        logits(loaded, ids, ["reply"] * 3),
        logits(loaded, ids, ["reply", None, None]),
    )
    loaded.load("rank", str(made / "rank"))
    loaded.load("question", str(made / "question"))

    def same() -> bool:
        return (
            torch.equal(logits(loaded, ids, ["reply"] * 3), alone)
            and torch.equal(model(ids).logits, base)
            and torch.allclose(logits(loaded, ids, ["reply", None, None]), mixed, atol=2e-5, rtol=0)
        )

    assert same()
    loaded.unload("rank")
    assert loaded.names == ("reply", "question")
    assert same()
    loaded.unload("question")
    assert same()
    assert torch.equal(logits(loaded, ids, ["reply", None, None]), mixed)
    loaded.unload("reply")
    assert state(model) == untouched
    assert not loaded.names
    assert loaded.memory == 0
    with pytest.raises(WorkerError, match="No adapter is called reply"):
        loaded.unload("reply")


def test_twenty_times_leaks_nothing(adapters: Adapters, made: Path) -> None:
    """A worker is up for weeks while adapters are trained anew each night."""
    ids = some_ids(2)
    wanted, memory, before = logits(adapters, ids, ["rank", "reply"]), adapters.memory, state(adapters.model)

    def tensors_since() -> int:
        for _ in range(10):
            adapters.load("again", str(made / "rank"))
            logits(adapters, ids, ["again", "reply"])
            adapters.unload("again")
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    gc.collect()
    gc.freeze()  # what stands already is not counted
    try:
        first = tensors_since()
        assert 0 < first < 200
        assert tensors_since() == first
    finally:
        gc.unfreeze()
    assert (adapters.memory, state(adapters.model)) == (memory, before)
    torch.testing.assert_close(logits(adapters, ids, ["rank", "reply"]), wanted, atol=0, rtol=0)


def test_memory_is_that_of_the_matrices(adapters: Adapters, made: Path) -> None:
    files = [checkpoints.read_tensors(made / name).values() for name in ("reply", "rank", "question")]
    assert adapters.memory == sum(tensor.nbytes for tensors in files for tensor in tensors)


def test_adapters_are_kept_in_the_compute_dtype(made: Path) -> None:
    model = load_model(str(made / "model"), nf4=True, device="cpu")
    loaded = Adapters(model)
    loaded.load("reply", str(made / "reply"))
    assert {blend.down.dtype for blend in loaded._blends.values()} == {torch.bfloat16}
    assert logits(loaded, some_ids(2), ["reply", None]).isfinite().all()


# What is refused


def other_model(source: Path, made: Path) -> None:
    wider = checkpoints.exaone(source.parent / "wider", hidden=128)
    checkpoints.adapter(source, wider, 1)


def deeper_model(source: Path, made: Path) -> None:
    deeper = checkpoints.exaone(source.parent / "deeper", layers=3)
    checkpoints.adapter(source, deeper, 1)


def renamed(change: Callable[[str], str]) -> Callable[[Path, Path], None]:
    def spoil(source: Path, made: Path) -> None:
        tensors = {change(name): tensor for name, tensor in checkpoints.read_tensors(source).items()}
        save_file(tensors, source / "adapter_model.safetensors")

    return spoil


def exaones_own(name: str) -> str:
    for llama, exaone in {"model.model.layers": "model.transformer.h", "self_attn": "attn.attention"}.items():
        name = name.replace(llama, exaone)
    return name


def without(part: str) -> Callable[[Path, Path], None]:
    def spoil(source: Path, made: Path) -> None:
        tensors = {
            name: tensor for name, tensor in checkpoints.read_tensors(source).items() if part not in name
        }
        save_file(tensors, source / "adapter_model.safetensors")

    return spoil


def with_tensor(name: str, tensor: torch.Tensor) -> Callable[[Path, Path], None]:
    def spoil(source: Path, made: Path) -> None:
        save_file(checkpoints.read_tensors(source) | {name: tensor}, source / "adapter_model.safetensors")

    return spoil


def configured(**changes: Any) -> Callable[[Path, Path], None]:
    def spoil(source: Path, made: Path) -> None:
        checkpoints.change_json(source / "adapter_config.json", **changes)

    return spoil


def cut_short(source: Path, made: Path) -> None:
    file = source / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def as_pickle(source: Path, made: Path) -> None:
    torch.save(checkpoints.read_tensors(source), source / "adapter_model.bin")
    (source / "adapter_model.safetensors").unlink()


def broken_config(source: Path, made: Path) -> None:
    (source / "adapter_config.json").write_text("{")


def no_config(source: Path, made: Path) -> None:
    (source / "adapter_config.json").unlink()


LAYER = "base_model.model.model.layers.0."
REFUSED: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "another width": (other_model, "for another model"),
    "more layers": (deeper_model, r"for another model: this one has no model\.layers\.2"),
    "EXAONE's own layout": (renamed(exaones_own), "EXAONE's own layout"),
    "EXAONE's own MLP": (
        renamed(
            lambda name: name.replace("model.model.layers", "model.transformer.h").replace(
                "gate_proj", "c_fc_0"
            )
        ),
        "EXAONE's own layout",
    ),
    "no module of ours": (
        renamed(lambda name: name.replace("q_proj", "query")),
        "has no model.layers.0.self_attn.query",
    ),
    "not PEFT's names": (
        renamed(lambda name: name.removeprefix("base_model.")),
        "no part of a plain LoRA adapter",
    ),
    "an embedding": (
        with_tensor("base_model.model.model.embed_tokens.lora_embedding_A", torch.zeros(8, 639)),
        "no part of a plain LoRA adapter",
    ),
    "a norm": (with_tensor(f"{LAYER}input_layernorm.lora_A.weight", torch.zeros(8, 64)), "no linear layer"),
    "a whole module": (
        with_tensor("base_model.model.lm_head.weight", torch.zeros(639, 64)),
        "no part of a plain",
    ),
    "half a pair": (without("layers.1.mlp.up_proj.lora_B"), "one of its two matrices"),
    "a pair short": (without("layers.1.mlp.up_proj"), r"not whole: it names model\.layers\.1\.mlp\.up_proj"),
    "nothing": (without("layers"), "holds no tensors"),
    "another rank": (configured(r=4), "wanted are"),
    "not a number": (
        with_tensor(f"{LAYER}mlp.up_proj.lora_B.weight", torch.full((128, 8), torch.nan)),
        "numbers that are none",
    ),
    "integers": (
        with_tensor(f"{LAYER}mlp.up_proj.lora_B.weight", torch.ones(128, 8, dtype=torch.int8)),
        "int8",
    ),
    "cut short": (cut_short, "damaged or cut short"),
    "a pickle": (as_pickle, "adapter_model.safetensors is missing"),
    "no configuration": (no_config, "no adapter_config.json"),
    "a broken configuration": (broken_config, "damaged"),
    "nonsense for a rank": (configured(r="many"), "damaged|wanted"),
    "rank zero": (configured(r=0), "damaged|wanted"),
    "prompt tuning": (configured(peft_type="PROMPT_TUNING"), "only LORA"),
    "no type": (configured(peft_type=None), "only LORA"),
    "DoRA": (configured(use_dora=True), "use_dora"),
    "biases": (configured(bias="all"), "bias"),
    "whole modules": (configured(modules_to_save=["lm_head"]), "modules_to_save"),
    "transposed": (configured(fan_in_fan_out=True), "fan_in_fan_out"),
    "PiSSA": (configured(init_lora_weights="pissa"), "changes the base model"),
    "doubled layers": (configured(layer_replication=[[0, 2]]), "layer_replication"),
    "what comes next": (configured(use_wonder=True), "use_wonder"),
}


@pytest.fixture(scope="module")
def serving(made: Path) -> Adapters:
    loaded = Adapters(load_model(str(made / "model"), nf4=False, device="cpu"), reserved=("exaone-3.5-2.4b",))
    loaded.load("reply", str(made / "reply"))
    return loaded


@pytest.mark.parametrize("fault", REFUSED)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    serving: Adapters, made: Path, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEFT injects first and looks later: what it refuses half-way stays in the model."""
    spoil, said = REFUSED[fault]
    read: list[weakref.ref[torch.Tensor]] = []

    def recorded(file: Path) -> dict[str, torch.Tensor]:
        tensors = load_file(file)
        read.extend(map(weakref.ref, tensors.values()))
        return tensors

    monkeypatch.setattr("engine.worker.lora.load_file", recorded)
    source = Path(shutil.copytree(made / "reply", tmp_path / "spoiled"))
    spoil(source, made)
    ids = some_ids(2)
    before, wanted, memory = state(serving.model), logits(serving, ids, ["reply", None]), serving.memory
    with pytest.raises(WorkerError, match=said) as caught:
        serving.load("new", str(source))
    assert "\n" not in str(caught.value)
    del caught
    assert (state(serving.model), serving.names, serving.memory) == (before, ("reply",), memory)
    assert not any(tensor() is not None for tensor in read)
    assert torch.equal(logits(serving, ids, ["reply", None]), wanted)


@pytest.mark.parametrize(
    ("name", "said"),
    [("reply", "already"), ("exaone-3.5-2.4b", "base model"), ("__base__", "base model"), (" ", "name")],
)
def test_names_that_cannot_be_taken(serving: Adapters, made: Path, name: str, said: str) -> None:
    with pytest.raises(WorkerError, match=said):
        serving.load(name, str(made / "rank"))
    assert serving.names == ("reply",)


def test_a_folder_that_is_not_there(serving: Adapters, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="no adapter_config"):
        serving.load("new", str(tmp_path / "nowhere"))


def test_no_memory_left_changes_nothing(
    serving: Adapters, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of GPU memory in the middle of the layers: none of them may keep the new adapter."""
    calls = 0
    whole = torch.cat

    def failing(*args: Any, **options: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls > 9:
            raise torch.OutOfMemoryError
        return whole(*args, **options)

    before, ids = state(serving.model), some_ids(2)
    wanted = logits(serving, ids, ["reply", None])
    monkeypatch.setattr(torch, "cat", failing)
    with pytest.raises(WorkerError, match="no memory left"):
        serving.load("rank", str(made / "rank"))
    monkeypatch.undo()
    assert (state(serving.model), serving.names) == (before, ("reply",))
    assert torch.equal(logits(serving, ids, ["reply", None]), wanted)


def test_only_linear_layers_carry_hooks(serving: Adapters) -> None:
    hooked = [module for module in serving.model.modules() if module._forward_hooks]
    assert len(hooked) == 14
    assert all(isinstance(module, nn.Linear) and len(module._forward_hooks) == 1 for module in hooked)


@pytest.mark.parametrize("path", ["a" * 3_000, "~nobody-of-that-name/x", "/proc/1/root/x"])
def test_a_path_that_cannot_be_read_is_said_so(serving: Adapters, path: str) -> None:
    """Such paths come over HTTP."""
    with pytest.raises(WorkerError):
        serving.load("guest", path)
