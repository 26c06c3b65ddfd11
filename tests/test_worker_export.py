"""The export: EXAONE in Llama's layout, the same numbers under other names, whole or not at all."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from engine.worker.adapters import Adapters
from engine.worker.errors import WorkerError
from engine.worker.export import export
from engine.worker.model import PROBE, load_model, load_tokenizer
from tests import checkpoints

TALK = [{"role": "user", "content": "오늘 뭐 읽지?"}]


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint and its export."""
    folder = tmp_path_factory.mktemp("export")
    source = checkpoints.exaone(folder / "exaone", tied=request.param, shards=3, dtype=torch.bfloat16)
    (source / "LICENSE").write_text("non-commercial")
    (source / "modeling_exaone.py").write_text("raise SystemExit")
    export(str(source), str(folder / "made" / "llama"))
    return source, folder / "made" / "llama"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    return checkpoints.exaone(tmp_path / "exaone", shards=2)


def some_ids() -> torch.Tensor:
    return torch.randint(8, 600, (2, 24), generator=torch.Generator().manual_seed(6))


def refused(source: Path, target: Path) -> str:
    with pytest.raises(WorkerError) as caught:
        export(str(source), str(target))
    assert not [file for file in target.parent.iterdir() if target.name in file.name], (
        "nothing half done is left"
    )
    return str(caught.value)


def test_plain_transformers_load_it_with_equal_logits(pair: tuple[Path, Path]) -> None:
    """vLLM loads it by the same names and config; a renamed tensor short, and it would be random."""
    source, made = pair
    exported, report = AutoModelForCausalLM.from_pretrained(
        made, dtype=torch.float32, output_loading_info=True
    )
    assert type(exported) is LlamaForCausalLM
    assert not any(report.values())
    ours = load_model(str(source), nf4=False, device="cpu")
    positions = torch.arange(24)[None] * 700
    for options in ({}, {"position_ids": positions, "attention_mask": torch.ones(2, 24)}):
        assert torch.equal(exported(some_ids(), **options).logits, ours(some_ids(), **options).logits)
    again = load_model(str(made), nf4=False, device="cpu")
    assert torch.equal(again(some_ids()).logits, ours(some_ids()).logits)


def test_one_adapter_serves_both(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """What was trained here must change vLLM's answers in the same way: proven by changed logits."""
    source, made = pair
    adapter = str(checkpoints.adapter(tmp_path / "reply", source, 4))
    ours = Adapters(load_model(str(source), nf4=False, device="cpu"))
    plain = ours.model(some_ids()).logits
    ours.load("reply", adapter)
    with ours.rows(["reply"] * 2):
        changed = ours.model(some_ids()).logits
    llama = LlamaForCausalLM.from_pretrained(made, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(llama, adapter).eval()(some_ids()).logits
    assert (changed - plain).abs().max() > 0.5
    torch.testing.assert_close(theirs, changed, atol=5e-5, rtol=0)


def test_the_tokenizer_is_the_same_for_everybody(pair: tuple[Path, Path]) -> None:
    """AutoTokenizer, which vLLM uses, must read the export as tokenizer.json says, and know the template."""
    source, made = pair
    ours, theirs = load_tokenizer(str(source)), AutoTokenizer.from_pretrained(made)
    for text in (PROBE, "\u110b\u1169\u1102\u1173\u11af", "[|user|]네[|endofturn|]"):
        assert theirs(text)["input_ids"] == ours(text)["input_ids"]
    for tokenizer in (theirs, load_tokenizer(str(made))):
        assert (
            tokenizer.apply_chat_template(TALK, add_generation_prompt=True)["input_ids"]
            == (ours.apply_chat_template(TALK, add_generation_prompt=True)["input_ids"])
        )
        assert (tokenizer.eos_token, tokenizer.pad_token) == ("[|endofturn|]", "[PAD]")


def test_a_template_in_a_file_of_its_own(source: Path, tmp_path: Path) -> None:
    """Newer checkpoints keep it in chat_template.jinja; an export without it would be no chat model."""
    checkpoints.change_json(source / "tokenizer_config.json", chat_template=None)
    (source / "chat_template.jinja").write_text(checkpoints.CHAT_TEMPLATE)
    export(str(source), str(tmp_path / "llama"))
    for tokenizer in (
        load_tokenizer(str(tmp_path / "llama")),
        AutoTokenizer.from_pretrained(tmp_path / "llama"),
    ):
        rendered = tokenizer.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True)
        assert rendered == "[|system|][|endofturn|]\n[|user|]오늘 뭐 읽지?\n[|assistant|]"


def test_the_files_of_the_export(pair: tuple[Path, Path]) -> None:
    """Old and new readers of config.json find the same rotary positions; no program goes along, the licence does."""
    source, made = pair
    given = json.loads((source / "config.json").read_text())
    config = json.loads((made / "config.json").read_text())
    assert config["rope_scaling"] == given["rope_scaling"]
    assert config["rope_theta"] == given["rope_theta"]
    assert config["rope_parameters"] == {**given["rope_scaling"], "rope_theta": given["rope_theta"]}
    wanted = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": 2,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "head_dim": 16,
        "num_key_value_heads": 2,
        "tie_word_embeddings": given["tie_word_embeddings"],
        "torch_dtype": "bfloat16",
        "eos_token_id": 7,
    }
    assert {name: config[name] for name in wanted} == wanted
    assert not {"auto_map", "num_layers", "layer_norm_epsilon", "activation_function"} & config.keys()
    assert (made / "generation_config.json").read_bytes() == (source / "generation_config.json").read_bytes()
    assert (made / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    assert (made / "LICENSE").exists()
    assert not list(made.glob("*.py"))
    assert {tensor.dtype for tensor in checkpoints.read_tensors(made).values()} == {torch.bfloat16}
    assert not [file for file in made.parent.iterdir() if file != made]


def test_one_file_at_a_time(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five gigabytes a file are enough; all of a 32B model at once would not fit a laptop. And it tells how far it is."""
    told: list[float] = []
    largest = 0
    save = save_file

    def watched(tensors: dict[str, torch.Tensor], *args: Any, **options: Any) -> None:
        nonlocal largest
        largest = max(largest, len(tensors))
        save(tensors, *args, **options)

    monkeypatch.setattr("engine.worker.export.save_file", watched)
    export(str(source), str(tmp_path / "llama"), told.append)
    assert largest == 10
    assert told == [0.5, 1.0]


def test_a_tied_head_that_is_stored_twice_is_written_once(source: Path, tmp_path: Path) -> None:
    tensors = checkpoints.read_tensors(source)
    checkpoints.write_tensors(
        source, tensors | {"lm_head.weight": tensors["transformer.wte.weight"].clone()}, 2
    )
    export(str(source), str(tmp_path / "llama"))
    assert "lm_head.weight" not in checkpoints.read_tensors(tmp_path / "llama")
    load_model(str(tmp_path / "llama"), nf4=False, device="cpu")


def test_nothing_is_overwritten(source: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for target in (tmp_path / "there", source):
        with pytest.raises(WorkerError, match="exists"):
            export(str(source), str(target))
    assert not list((tmp_path / "there").iterdir())


def test_a_full_disk_leaves_nothing(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an export looks like a model to whoever finds it."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    assert "No space left" in refused(source, tmp_path / "llama")


def test_an_interruption_leaves_nothing(source: Path, tmp_path: Path) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(str(source), str(tmp_path / "llama"), stop)
    assert [file.name for file in tmp_path.iterdir()] == ["exaone"]


def test_what_is_not_exported(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "llama"
    tensors = checkpoints.read_tensors(source)
    gone = tensors.pop("transformer.h.1.ln_2.weight")
    checkpoints.write_tensors(source, tensors, 2)
    assert "model.layers.1.post_attention_layernorm.weight" in refused(source, target)
    checkpoints.write_tensors(source, tensors | {"transformer.h.1.ln_2.weight": gone[:10]}, 2)
    assert "model.layers.1.post_attention_layernorm.weight" in refused(source, target)
    checkpoints.write_tensors(source, tensors | {"transformer.h.1.ln_2.weight": gone}, 2)
    checkpoints.change_json(source / "config.json", quantization_config={"quant_method": "awq"})
    assert "quantized" in refused(source, target)
    checkpoints.change_json(source / "config.json", quantization_config=None, hidden_size="wide")
    assert "damaged" in refused(source, target)
    checkpoints.change_json(source / "config.json", model_type="llama")
    assert "not EXAONE 3.x" in refused(source, target)
    file = source / "model-00001-of-00002.safetensors"
    checkpoints.change_json(source / "config.json", model_type="exaone", hidden_size=64)
    file.write_bytes(file.read_bytes()[:-1])
    assert "cut short" in refused(source, target)
