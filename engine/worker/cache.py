"""Keys and values of all running sequences, one row each, left-aligned: position i lies in column i.

Rows 0 to n-1 are in use, so that a step reads views and writes one column a row, and nothing is ever padded anew or
put together. Knows which columns a forward pass reads and writes, not whose they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache, PreTrainedModel

from engine.worker.errors import WorkerError

COLUMNS = 64  # capacity grows by so many
ALIGNED = 8  # a GPU's kernels want masks of such a multiple


@dataclass(frozen=True, slots=True)
class Shape:
    """One layer's keys and values of one token."""

    heads: int
    key: int
    value: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes(self) -> int:
        """Of keys and values of one token."""
        return self.heads * (self.key + self.value) * self.dtype.itemsize


class _Probe(Cache):
    """Remembers what each layer would store."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.shapes: dict[int, Shape] = {}

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.shapes[layer_idx] = Shape(keys.shape[1], keys.shape[3], values.shape[3], keys.dtype, keys.device)
        return keys, values


def shapes(model: PreTrainedModel) -> dict[int, Shape]:
    """What each layer of the model stores a token, found by reading one."""
    probe = _Probe()
    token = torch.zeros((1, 1), dtype=torch.long, device=model.device)
    with torch.inference_mode():
        model(input_ids=token, position_ids=token, past_key_values=probe, use_cache=True, logits_to_keep=1)
    if not probe.shapes:
        raise WorkerError("The model keeps no keys and values; the worker serves models of attention only.")
    return probe.shapes


@dataclass(slots=True)
class _Layer:
    shape: Shape
    keys: torch.Tensor
    values: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Pass:
    """Which part of the cache a forward pass reads, and where each of its tokens goes."""

    rows: slice | torch.Tensor
    length: int
    source: tuple[torch.Tensor, torch.Tensor] | None
    """Of the pass's tokens, those to keep: row and place in the pass. None: the one token of each row."""
    target: tuple[torch.Tensor, torch.Tensor]
    """Where they go: row and column of the cache."""


class KeyValues(Cache):
    """The cache. Before each forward pass, `decoding` or `reading` says where its keys and values go."""

    def __init__(self, shapes: dict[int, Shape]) -> None:
        super().__init__(layers=[])
        self.token_bytes = sum(shape.bytes for shape in shapes.values())
        """Of one token in all layers."""
        self.rows = self.columns = 0
        self._layers = {index: _Layer(shape, *_empty(shape, 0, 0)) for index, shape in shapes.items()}
        self._pass: _Pass | None = None
        first = next(iter(shapes.values()))
        self.dtype, self._device = first.dtype, first.device

    @property
    def on_gpu(self) -> bool:
        """Whether it lies in a GPU's memory."""
        return self._device.type == "cuda"

    @property
    def bytes(self) -> int:
        """What is allocated."""
        return self.rows * self.columns * self.token_bytes

    def reserve(self, rows: int, columns: int, filled: Sequence[int], most: int) -> None:
        """Room for so many rows and columns, what is `filled` of each row kept, in `most` bytes at most.

        A little more is taken where it fits, so that the next request need not move everything again. Raises
        torch.OutOfMemoryError, with everything as it was.
        """
        assert rows * columns * self.token_bytes <= most, "what does not fit is not admitted"
        if rows <= self.rows and columns <= self.columns and self.bytes <= most:
            return
        ample = 1 << max(rows - 1, 0).bit_length(), -(-columns // COLUMNS) * COLUMNS
        for shape in (ample, (rows, ample[1]), (rows, columns)):
            if shape[0] * shape[1] * self.token_bytes <= most:
                break
        try:
            for layer in self._layers.values():
                layer.keys = _resized(layer.keys, *shape, filled)
                layer.values = _resized(layer.values, *shape, filled)
        finally:
            tensors = [tensor for layer in self._layers.values() for tensor in (layer.keys, layer.values)]
            self.rows = min(tensor.shape[0] for tensor in tensors)
            self.columns = min(tensor.shape[2] for tensor in tensors)

    def decoding(self, positions: Sequence[int]) -> int:
        """The pass reads one token for each of the first rows; returns how many columns it looks at."""
        count = len(positions)
        target = torch.arange(count, device=self._device), torch.tensor(positions, device=self._device)
        self._pass = _Pass(slice(count), self._aligned(max(positions) + 1), None, target)
        return self._pass.length

    def reading(self, rows: Sequence[int], starts: Sequence[int], counts: Sequence[int]) -> int:
        """The pass reads `counts` tokens for `rows` from column `starts` on, each row's at the right of its line.

        Returns how many columns it looks at.
        """
        width = max(counts)
        source_rows: list[int] = []
        source_places: list[int] = []
        target_rows: list[int] = []
        target_columns: list[int] = []
        for line, (row, start, count) in enumerate(zip(rows, starts, counts, strict=True)):
            source_rows += [line] * count
            source_places += range(width - count, width)
            target_rows += [row] * count
            target_columns += range(start, start + count)
        device = self._device
        together = list(rows) == list(range(rows[0], rows[0] + len(rows)))
        self._pass = _Pass(
            slice(rows[0], rows[0] + len(rows)) if together else torch.tensor(rows, device=device),
            self._aligned(max(start + count for start, count in zip(starts, counts, strict=True))),
            (torch.tensor(source_rows, device=device), torch.tensor(source_places, device=device)),
            (torch.tensor(target_rows, device=device), torch.tensor(target_columns, device=device)),
        )
        return self._pass.length

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores a pass's keys and values and returns all that it looks at; called by the model's layers."""
        assert self._pass is not None, "the pass was not announced"
        layer, now = self._layers[layer_idx], self._pass
        row, column = now.target
        if now.source is None:
            layer.keys[row, :, column] = keys[:, :, 0]
            layer.values[row, :, column] = values[:, :, 0]
        else:
            line, place = now.source
            layer.keys[row, :, column] = keys[line, :, place]
            layer.values[row, :, column] = values[line, :, place]
        if isinstance(now.rows, slice):
            return layer.keys[now.rows, :, : now.length], layer.values[now.rows, :, : now.length]
        return (
            layer.keys[:, :, : now.length].index_select(0, now.rows),
            layer.values[:, :, : now.length].index_select(0, now.rows),
        )

    def move(self, source: int, target: int, length: int) -> None:
        """Copies the first columns of a row to another."""
        for layer in self._layers.values():
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]

    def swap(self, one: int, other: int, length: int) -> None:
        """Exchanges the first columns of two rows."""
        here, there = [one, other], [other, one]
        for layer in self._layers.values():
            layer.keys[here, :, :length] = layer.keys[there, :, :length]
            layer.values[here, :, :length] = layer.values[there, :, :length]

    def wipe(self, row: int) -> None:
        """Takes what is no number out of a row, which would reach others through masked columns."""
        for layer in self._layers.values():
            layer.keys[row] = 0
            layer.values[row] = 0

    def copied(self, row: int, begin: int, end: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Columns of a row, for each layer (heads, columns, width)."""
        return [
            (layer.keys[row, :, begin:end].clone(), layer.values[row, :, begin:end].clone())
            for layer in self._layers.values()
        ]

    def paste(self, row: int, columns: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """What `copied` gave, into the first columns of a row."""
        for layer, (keys, values) in zip(self._layers.values(), columns, strict=True):
            layer.keys[row, :, : keys.shape[1]] = keys
            layer.values[row, :, : values.shape[1]] = values

    def _aligned(self, length: int) -> int:
        return min(-(-length // ALIGNED) * ALIGNED, self.columns)


def _empty(shape: Shape, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.zeros((rows, shape.heads, columns, shape.key), dtype=shape.dtype, device=shape.device),
        torch.zeros((rows, shape.heads, columns, shape.value), dtype=shape.dtype, device=shape.device),
    )


def _resized(old: torch.Tensor, rows: int, columns: int, filled: Sequence[int]) -> torch.Tensor:
    # Zeros, because a masked column still has its values multiplied by nought, and memory may hold NaN.
    new = old.new_zeros((rows, old.shape[1], columns, old.shape[3]))
    for row, length in enumerate(filled):
        new[row, :, :length] = old[row, :, :length]
    return new
