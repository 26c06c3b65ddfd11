"""A server of embeddings for tests, over real HTTP, in OpenAI's shape; and a small random model to put behind it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from engine.embedder import Vectors

MODEL = "tiny/model"
SIZE = 24
Embed = Callable[[Sequence[str]], Any]


@dataclass(frozen=True)
class Refusal:
    """An answer other than vectors; `after` seconds late, or of a line that is `cut`."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    after: threading.Event | None = None
    cut: bool = False


@dataclass
class Server:
    """What was asked, and how it is answered: first each of `refusals` once, then by `embed`.

    `always` is the answer to everything; `floats` sends numbers whatever was asked for; `longest` is the length of
    a text from which it is refused.
    """

    url: str
    embed: Embed
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    always: Refusal | None = None
    floats: bool = False
    longest: int = 1_000_000

    @property
    def texts(self) -> list[str]:
        return [text for asked in self.asked for text in asked["input"]]

    def answer(self, asked: dict[str, Any]) -> Refusal:
        if self.always is not None or self.refusals:
            return self.always or self.refusals.pop(0)
        if asked["model"] != MODEL:
            return Refusal(404, b'{"error": {"message": "no such model"}}')
        if any(len(text) >= self.longest for text in asked["input"]):
            return Refusal(400, b'{"error": {"message": "too many tokens"}}')
        vectors = self.embed(asked["input"])
        plain = self.floats or asked.get("encoding_format") != "base64"
        rows = [
            {
                "object": "embedding",
                "index": place,
                "embedding": list(map(float, row)) if plain else packed(row),
            }
            for place, row in enumerate(vectors)
        ]
        # in no order: what counts is the index
        return Refusal(body=json.dumps({"object": "list", "data": rows[::-1], "model": MODEL}).encode())


def packed(row: Any) -> str:
    return base64.b64encode(np.asarray(row, "<f4").tobytes()).decode()


def meaningless(size: int) -> Embed:
    """Vectors of no meaning, the same for the same text, and not of length 1."""

    def embed(texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(list(text.encode())).normal(size=size) for text in texts]
        return np.asarray(np.stack(rows) * 3, dtype=np.float32)

    return embed


@contextmanager
def serving(embed: Embed | None = None) -> Iterator[Server]:
    """A server that listens while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.asked.append(asked)
            server.keys.append(self.headers["Authorization"])
            said = server.answer(asked) if self.path == "/v1/embeddings" else Refusal(404)
            if said.after is not None:
                said.after.wait(30)
            try:
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said.body) + said.cut))
                self.end_headers()
                self.wfile.write(said.body)
            except OSError:
                pass  # who asked has gone
            self.close_connection = said.cut

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who asked has gone."""

    listening = Quiet(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{listening.server_port}", embed or meaningless(SIZE))
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    listening.shutdown()
    listening.server_close()


def tiny_model(folder: Path) -> Embed:
    """A random sentence-transformers model of two layers, written to a folder and read from it again."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in (*range(0x20, 0x7F), *range(0xAC00, 0xD7A4))]
    words = Tokenizer(models.WordLevel({each: n for n, each in enumerate([*specials, *letters])}, "[UNK]"))
    words.normalizer = normalizers.NFC()
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {f"{each[1:-1].lower()}_token": each for each in specials}
    PreTrainedTokenizerFast(tokenizer_object=words, **names).save_pretrained(folder / "bert")
    torch.manual_seed(7)
    shape = BertConfig(
        vocab_size=len(specials) + len(letters), hidden_size=SIZE, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=2 * SIZE, max_position_embeddings=256,
    )  # fmt: skip
    BertModel(shape).save_pretrained(folder / "bert")
    body = Transformer(str(folder / "bert"), max_seq_length=256)
    SentenceTransformer(modules=[body, Pooling(SIZE)], device="cpu").save(str(folder / "whole"))
    model = SentenceTransformer(str(folder / "whole"), device="cpu")
    return lambda texts: model.encode(list(texts), show_progress_bar=False)
