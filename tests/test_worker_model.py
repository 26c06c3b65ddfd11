"""The worker's models: EXAONE 3.x computed exactly, others loaded, whatever is wrong refused in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from bitsandbytes.nn import Linear4bit
from tokenizers import Tokenizer
from transformers import AutoTokenizer, DynamicCache, PretrainedConfig, PreTrainedModel

from engine.worker.cache import KeyValues, shapes
from engine.worker.errors import WorkerError
from engine.worker.model import load_model, load_tokenizer
from engine.worker.vocabulary import Vocabulary
from tests import checkpoints
from tests.exaone_forward import forward

pytestmark = pytest.mark.usefixtures("one_thread")

TALK = [
    {"role": "user", "content": "비 오는 날 뭐 먹지?"},
    {"role": "assistant", "content": "김치전 어때요?"},
    {"role": "user", "content": "좋아"},
]


@pytest.fixture(scope="module")
def one_thread() -> Any:
    """Tiny products are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.exaone(tmp_path_factory.mktemp("models") / "exaone")


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreTrainedModel, Callable[..., torch.Tensor]]:
    """A loaded model, and the plain forward over the same checkpoint."""
    folder = checkpoints.exaone(
        tmp_path_factory.mktemp("pair") / "exaone", tied=request.param, shards=2, seed=3
    )
    tensors = checkpoints.read_tensors(folder)
    config = json.loads((folder / "config.json").read_text())
    model = load_model(str(folder), nf4=False, device="cpu")
    return model, lambda ids, **options: forward(tensors, config, ids, **options)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "exaone"))


def some_ids(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(8, 600, (rows, length), generator=torch.Generator().manual_seed(seed))


def refused(path: Path | str, **options: Any) -> str:
    """What `load_model` says when it refuses: one line."""
    given: dict[str, Any] = {"nf4": False, "device": "cpu", **options}
    with pytest.raises(WorkerError) as caught:
        load_model(str(path), **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Exactness


def test_logits_are_those_of_the_definition(pair: Any) -> None:
    """A wrong name mapping, head grouping or norm would show here, whatever transformers thinks of itself."""
    model, plain = pair
    ids = some_ids(3, 40)
    torch.testing.assert_close(model(ids).logits, plain(ids), atol=2e-5, rtol=0)


def test_positions_to_twenty_thousand(pair: Any) -> None:
    """Llama 3's slowing of low frequencies shows only far out; without it these logits are off by whole units."""
    model, plain = pair
    ids = some_ids(2, 24, seed=1)
    near = torch.arange(24)
    for positions in (near + 8_180, near + 19_977, near * 869):
        wanted = plain(ids, positions=positions, dtype=torch.float64)
        given = model(ids, attention_mask=torch.ones_like(ids), position_ids=positions[None]).logits
        torch.testing.assert_close(given.double(), wanted, atol=3e-3, rtol=0)
    far = near * 869
    unscaled = plain(ids, positions=far) - plain(ids, positions=far // 8)
    assert unscaled.abs().max() > 0.5  # the positions matter to this model at all


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_no_row(pair: Any, side: str) -> None:
    """A padded row's logits must be those of the row alone, or a batch would answer other than a single request."""
    model, plain = pair
    ids, lengths = some_ids(3, 20, seed=2), (20, 13, 1)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        mask[row, slice(20 - length, None) if side == "left" else slice(0, length)] = 1
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    given = model(ids, attention_mask=mask, position_ids=positions).logits
    wanted = plain(ids, mask=mask)
    torch.testing.assert_close(given[mask.bool()], wanted[mask.bool()], atol=2e-5, rtol=0)
    alone = plain(ids[1:2, 7:] if side == "left" else ids[1:2, :13])
    torch.testing.assert_close(given[1][mask[1].bool()], alone[0], atol=2e-5, rtol=0)


def test_step_by_step_with_a_cache(pair: Any) -> None:
    """The cache must give a token what a whole forward gives it."""
    model, plain = pair
    ids, cache = some_ids(2, 16, seed=4), DynamicCache(config=model.config)
    steps = [model(ids[:, :5], past_key_values=cache, use_cache=True).logits]
    steps += [model(ids[:, at : at + 1], past_key_values=cache, use_cache=True).logits for at in range(5, 16)]
    torch.testing.assert_close(torch.cat(steps, 1), plain(ids), atol=2e-5, rtol=0)


def test_four_bits_stay_near_the_full_model(made: Path) -> None:
    """NF4 straight from the files: every projection four-bit and doubly quantized, the head and embedding not."""
    full = load_model(str(made), nf4=False, device="cpu")
    small = load_model(str(made), nf4=True, device="cpu", dtype=torch.float32)
    quantized = [name for name, module in small.named_modules() if isinstance(module, Linear4bit)]
    assert len(quantized) == 14
    layer = small.model.layers[0].mlp.gate_proj
    assert layer.weight.quant_state.quant_type == "nf4"
    assert layer.weight.quant_state.nested
    ids = some_ids(2, 20)
    likeness = torch.cosine_similarity(full(ids).logits.flatten(), small(ids).logits.flatten(), dim=0)
    assert 0.9 < likeness < 0.9999
    assert load_model(str(made), nf4=True, device="cpu").dtype == torch.bfloat16


def test_float32_in_four_bits_is_never_repacked_to_bfloat16(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On AVX512-BF16 machines bitsandbytes repacks at the first forward: float32 would be lost, odd sizes would fail."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    exact = load_model(str(made), nf4=True, device="cpu", dtype=torch.float32)
    layers = [module for module in exact.modules() if isinstance(module, Linear4bit)]
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)
    usual = load_model(str(made), nf4=True, device="cpu")
    assert all(
        module.support_avx512bf16_for_cpu == (module.in_features % module.weight.blocksize == 0)
        for module in usual.modules()
        if isinstance(module, Linear4bit)
    )


# The tokenizer and its template


@pytest.mark.parametrize(
    "text",
    [
        "오늘 뭐 먹지?",
        "\u110b\u1169\u1102\u1173\u11af",
        "  2019년  영화\n\n132분",
        "[|user|]안녕[|endofturn|]\n",
        "naïve café 🍜",
        "",
    ],
)
def test_ids_are_those_of_tokenizer_json(made: Path, text: str) -> None:
    """tokenizer_config says GPT2Tokenizer, as EXAONE's does: AutoTokenizer drops the normalizer for it."""
    exact = Tokenizer.from_file(str(made / "tokenizer.json"))
    tokenizer = load_tokenizer(str(made))
    assert tokenizer(text)["input_ids"] == exact.encode(text).ids
    assert tokenizer.decode(exact.encode(text).ids) == exact.decode(
        exact.encode(text).ids, skip_special_tokens=False
    )


def test_the_trap_is_there(made: Path) -> None:
    """If AutoTokenizer ever reads it right, the test above proves nothing."""
    text = "\u110b\u1169\u1102\u1173\u11af 2019년"
    exact = Tokenizer.from_file(str(made / "tokenizer.json"))
    assert AutoTokenizer.from_pretrained(made)(text)["input_ids"] != exact.encode(text).ids


def test_chat_template_is_exaones(made: Path) -> None:
    """One newline off, and the model was never trained on such a prompt."""
    tokenizer = load_tokenizer(str(made))
    render = tokenizer.apply_chat_template
    assert render(TALK, tokenize=False, add_generation_prompt=True) == (
        "[|system|][|endofturn|]\n"
        "[|user|]비 오는 날 뭐 먹지?\n"
        "[|assistant|]김치전 어때요?[|endofturn|]\n"
        "[|user|]좋아\n"
        "[|assistant|]"
    )
    told = [{"role": "system", "content": "다정하게 답해요."}, *TALK[:2]]
    assert render(told, tokenize=False) == (
        "[|system|]다정하게 답해요.[|endofturn|]\n"
        "[|user|]비 오는 날 뭐 먹지?\n"
        "[|assistant|]김치전 어때요?[|endofturn|]\n"
    )
    ids = render(TALK, add_generation_prompt=True)["input_ids"]
    assert ids[:2] == [
        tokenizer.convert_tokens_to_ids("[|system|]"),
        tokenizer.convert_tokens_to_ids("[|endofturn|]"),
    ]
    assert ids[-1] == tokenizer.convert_tokens_to_ids("[|assistant|]")


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("tokenizer_config.json", {"chat_template": None}, "no chat template"),
        ("tokenizer_config.json", {"chat_template": "{% for %}"}, "chat template"),
        ("tokenizer.json", {"model": {"type": "none"}}, "could not be loaded"),
    ],
)
def test_tokenizers_that_cannot_serve(copied: Path, file: str, changes: dict[str, Any], said: str) -> None:
    checkpoints.change_json(copied / file, **changes)
    with pytest.raises(WorkerError, match=said):
        load_tokenizer(str(copied))


def test_a_tokenizer_that_transformers_reads_differently(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class after the next may rebuild tokenizers again; better no answer than one to other words."""
    other = AutoTokenizer.from_pretrained(made)
    monkeypatch.setattr("engine.worker.model.PreTrainedTokenizerFast.from_pretrained", lambda *_, **__: other)
    with pytest.raises(WorkerError, match="differently"):
        load_tokenizer(str(made))


# Other families, and what a server asks of a model

TEXT_SIZES = {
    "vocab_size": 639,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 7,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": {},
    "Qwen2": {},
    "Qwen3": {},
    "Gemma2": {"sliding_window": 32},
    "Gemma3": {"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]},
    "Exaone4": {"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]},
    "Phi3": {},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_load_whole_and_in_four_bits(family: str, tmp_path: Path, made: Path) -> None:
    """What transformers has is loaded by it, with the same checks, and its cache is counted right."""
    text = "TextConfig" if family == "Gemma3" else "Config"
    config: PretrainedConfig = getattr(transformers, f"{family}{text}")(**TEXT_SIZES | FAMILIES[family])
    torch.manual_seed(0)
    source: PreTrainedModel = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    source.save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(made / file, tmp_path)
    model, ids = load_model(str(tmp_path), nf4=False, device="cpu"), some_ids(2, 12)
    torch.testing.assert_close(model(ids).logits, source(ids).logits)
    assert Vocabulary(load_tokenizer(str(tmp_path)), model).ends == {7}
    small = load_model(str(tmp_path), nf4=True, device="cpu", dtype=torch.float32)
    assert any(isinstance(module, Linear4bit) for module in small.modules())
    assert small(ids).logits.isfinite().all()
    assert KeyValues(shapes(small)).token_bytes == KeyValues(shapes(model)).token_bytes == 2 * 2 * 2 * 16 * 4


def test_turns_end_by_the_template_where_nothing_else_says_so(copied: Path) -> None:
    """A checkpoint whose eos is [EOS] still ends its turns with [|endofturn|]."""
    checkpoints.change_json(copied / "config.json", eos_token_id=2)
    checkpoints.change_json(copied / "generation_config.json", eos_token_id=[2, 3])
    checkpoints.change_json(copied / "tokenizer_config.json", eos_token="[EOS]")
    model = load_model(str(copied), nf4=False, device="cpu")
    assert Vocabulary(load_tokenizer(str(copied)), model).ends == {2, 3, 7}


# What is refused


def test_no_code_of_a_checkpoint_runs(copied: Path) -> None:
    """A checkpoint is data; code in it could do anything to the machine."""
    ran = copied / "ran"
    code = f"from pathlib import Path\nPath({str(ran)!r}).touch()\n"
    for file in ("configuration_exaone.py", "modeling_exaone.py", "tokenization_exaone.py"):
        (copied / file).write_text(code)
    checkpoints.change_json(
        copied / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "tokenization_exaone.Tokenizer"]}
    )
    model = load_model(str(copied), nf4=False, device="cpu")
    assert type(model).__module__ == "engine.worker.exaone"
    load_tokenizer(str(copied))
    checkpoints.change_json(copied / "config.json", model_type="homemade")
    assert "homemade" in refused(copied)
    assert not ran.exists()


@pytest.mark.parametrize("shards", [1, 2])
def test_missing_and_unexpected_tensors_are_named(tmp_path: Path, shards: int) -> None:
    """transformers fills missing tensors with random numbers and goes on."""
    folder = checkpoints.exaone(tmp_path / "exaone", shards=shards)
    tensors = checkpoints.read_tensors(folder)
    gone = tensors.pop("transformer.h.1.attn.attention.out_proj.weight")
    checkpoints.write_tensors(
        folder, tensors | {"transformer.h.1.attn.attention.odd_proj.weight": gone}, shards
    )
    said = refused(folder)
    assert "missing: model.layers.1.self_attn.o_proj.weight" in said
    assert "unexpected" in said
    assert "odd_proj" in said


def test_mismatched_shapes_are_named(copied: Path) -> None:
    tensors = checkpoints.read_tensors(copied)
    tensors["transformer.h.0.mlp.c_proj.weight"] = torch.zeros(64, 64)
    checkpoints.write_tensors(copied, tensors)
    for nf4 in (False, True):
        assert "mismatched: model.layers.0.mlp.down_proj.weight" in refused(copied, nf4=nf4)


def test_a_config_of_fewer_layers_leaves_tensors_over(copied: Path) -> None:
    """Half a model that answers fluently is worse than none."""
    checkpoints.change_json(copied / "config.json", num_layers=1)
    said = refused(copied)
    assert "unexpected: model.layers.1." in said
    assert "and 4 more" in said


@pytest.mark.parametrize("keep", [0.5, 0.999, 0.0])
def test_files_cut_short(copied: Path, keep: float) -> None:
    """A broken download must not end in a trace of torch's."""
    file = copied / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    assert "damaged or cut short" in refused(copied)


def test_files_overwritten(copied: Path) -> None:
    file = copied / "model.safetensors"
    file.write_bytes(b"\xff" * 64 + file.read_bytes()[64:])
    assert "damaged or cut short" in refused(copied)


def test_a_missing_shard(tmp_path: Path) -> None:
    folder = checkpoints.exaone(tmp_path / "exaone", shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors is missing" in refused(folder)


def test_folders_that_are_no_models(copied: Path, tmp_path: Path) -> None:
    assert "There is no folder" in refused(tmp_path / "nowhere")
    assert "no config.json" in refused(tmp_path)
    assert "is a file" in refused(copied / "config.json")
    (copied / "config.json").write_text("{")
    assert "damaged" in refused(copied)
    (copied / "config.json").write_text("[]")
    assert "damaged" in refused(copied)
    (copied / "config.json").write_text("{}")
    assert "None" in refused(copied)


def test_pickles_are_never_read(copied: Path) -> None:
    """A .bin file is a program."""
    torch.save(checkpoints.read_tensors(copied), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    assert "only safetensors" in refused(copied)


def test_a_hub_model_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line that says what to do, at once, instead of minutes of retries and a trace."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    said = refused("LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct")
    assert "Check the name, the network" in said


def test_no_gpu_is_said(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "sees 0 GPUs" in refused(made, device="cuda")
    assert "cpu, cuda" in refused(made, device="abacus")
    assert "cpu, cuda" in refused(made, device="mps")
    assert load_model(str(made), nf4=False, device="auto").device.type == "cpu"


def test_a_quantized_checkpoint_is_not_quantized_again(copied: Path) -> None:
    checkpoints.change_json(copied / "config.json", quantization_config={"quant_method": "awq", "bits": 4})
    assert "quantized already (awq)" in refused(copied, nf4=True)


def test_loading_tells_how_far_it_is(made: Path) -> None:
    """/health says how far; a bar that jumps back or never ends would worry."""
    told: list[float] = []
    load_model(str(made), nf4=True, device="cpu", progress=told.append)
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert len(set(told)) > 10
