"""LoRA adapters beside one base model: each row of a batch gets its own, or none.

A hook on each linear layer adds what its rows' adapters say; the model itself is never changed, so an adapter that
is refused or unloaded leaves nothing behind. All adapters of a layer lie in one pair of matrices, and a mixed batch
costs two small products a layer however many there are. Knows no requests; called by one thread at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from engine.worker import lora
from engine.worker.errors import WorkerError

Span = tuple[str, int, int]  # an adapter's name, and where its ranks begin and end

KEPT_PLANS = 256  # who sits in which row repeats from step to step


@dataclass(frozen=True, slots=True)
class Blend:
    """All adapters of one layer, their ranks one after another: `down` is (ranks, in), `up` is (out, ranks)."""

    spans: tuple[Span, ...]
    down: torch.Tensor
    up: torch.Tensor

    def part(self, name: str) -> lora.Part | None:
        """What `name` adds here: views, no copies."""
        for owner, begin, end in self.spans:
            if owner == name:
                return lora.Part(self.down[begin:end], self.up[:, begin:end])
        return None


def blend(parts: Sequence[tuple[str, lora.Part]]) -> Blend:
    """One layer's adapters put together in the order given."""
    spans: list[Span] = []
    for name, part in parts:
        begin = spans[-1][2] if spans else 0
        spans.append((name, begin, begin + part.down.shape[0]))
    return Blend(
        tuple(spans),
        torch.cat([part.down for _, part in parts]),
        torch.cat([part.up for _, part in parts], dim=1),
    )


class Plan:
    """Which adapter each row of a batch has."""

    def __init__(self, names: tuple[str | None, ...], device: torch.device) -> None:
        self.names = names
        self.only = names[0] if len(set(names)) == 1 else None
        self._device = device
        self._others: dict[tuple[Span, ...], torch.Tensor] = {}

    def others(self, spans: tuple[Span, ...]) -> torch.Tensor:
        """(rows, 1, ranks), true where a rank belongs to another adapter than the row's."""
        if spans not in self._others:
            owners = [owner for owner, begin, end in spans for _ in range(begin, end)]
            table = [[owner != name for owner in owners] for name in self.names]
            self._others[spans] = torch.tensor(table, device=self._device).unsqueeze(1)
        return self._others[spans]


class Adapters:
    """The adapters of one model, by name. `reserved` are names that no adapter may take, such as the base model's."""

    def __init__(self, model: PreTrainedModel, reserved: Sequence[str] = ()) -> None:
        self.model = model
        self._reserved = {"__base__", model.name_or_path, *reserved}
        self._names: tuple[str, ...] = ()
        self._blends: dict[str, Blend] = {}
        self._hooks: dict[str, RemovableHandle] = {}
        self._plans: dict[tuple[str | None, ...], Plan] = {}
        self._plan: Plan | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The loaded adapters, in the order in which they came."""
        return self._names

    @property
    def memory(self) -> int:
        """Bytes that all adapters take."""
        return sum(blend.down.nbytes + blend.up.nbytes for blend in self._blends.values())

    def load(self, name: str, path: str) -> None:
        """Takes in the adapter in the folder `path` as `name`.

        Raises WorkerError, nothing changed, where the name is taken or the adapter does not fit.
        """
        if not name.strip():
            raise WorkerError("An adapter needs a name.")
        if name in self._reserved:
            raise WorkerError(f"{name} is the base model's own name; call the adapter something else.")
        if name in self._names:
            raise WorkerError(f"An adapter {name} is loaded already; unload it first.")
        try:
            parts = lora.read(path, self.model)
            changed = {module: blend([*self._parts(module), (name, part)]) for module, part in parts.items()}
        except torch.OutOfMemoryError as error:
            raise WorkerError(f"There is no memory left for the adapter {path}.") from error
        self._settle(changed, (*self._names, name))

    def unload(self, name: str) -> None:
        """Lets an adapter go. Raises WorkerError where none is called so."""
        if name not in self._names:
            raise WorkerError(f"No adapter is called {name}.")
        changed: dict[str, Blend | None] = {}
        for module in self._blends:
            before = self._parts(module)
            rest = [(owner, part) for owner, part in before if owner != name]
            if len(rest) < len(before):
                changed[module] = blend(rest) if rest else None
        self._settle(changed, tuple(other for other in self._names if other != name))

    @contextmanager
    def rows(self, names: Sequence[str | None]) -> Iterator[None]:
        """Within, a forward of `model` gives each row of its batch the adapter named for it, None the base model.

        Raises WorkerError for a name that is not loaded.
        """
        if unknown := set(names) - {None, *self._names}:
            raise WorkerError(f"No adapter is called {min(map(str, unknown))}.")
        self._plan = self._planned(tuple(names)) if any(names) else None
        try:
            yield
        finally:
            self._plan = None

    def _planned(self, names: tuple[str | None, ...]) -> Plan:
        if names not in self._plans:
            if len(self._plans) >= KEPT_PLANS:
                self._plans.clear()
            self._plans[names] = Plan(names, self.model.device)
        return self._plans[names]

    def _parts(self, module: str) -> list[tuple[str, lora.Part]]:
        here = self._blends.get(module)
        if here is None:
            return []
        return [(name, part) for name, _, _ in here.spans if (part := here.part(name)) is not None]

    def _settle(self, changed: dict[str, Blend] | dict[str, Blend | None], names: tuple[str, ...]) -> None:
        for module, now in changed.items():
            if now is None:
                del self._blends[module]
                self._hooks.pop(module).remove()
                continue
            self._blends[module] = now
            if module not in self._hooks:
                layer = self.model.get_submodule(module)
                self._hooks[module] = layer.register_forward_hook(self._adding(module))
        self._names = names
        self._plans.clear()

    def _adding(
        self, module: str
    ) -> Callable[[nn.Module, tuple[Any, ...], torch.Tensor], torch.Tensor | None]:
        def add(_: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor | None:
            plan = self._plan
            if plan is None:
                return None
            here, given = self._blends[module], inputs[0]
            if plan.only is not None:
                part = here.part(plan.only)
                if part is None:
                    return None
                ranks, up = linear(given.to(part.down.dtype), part.down), part.up
            else:
                if given.shape[0] != len(plan.names):
                    raise ValueError(f"{len(plan.names)} rows have adapters, the batch has {given.shape[0]}")
                # Filled, not multiplied by zero: one adapter's overflow must not become another's NaN.
                ranks = linear(given.to(here.down.dtype), here.down).masked_fill_(plan.others(here.spans), 0)
                up = here.up
            flat = output.to(up.dtype).flatten(0, -2)
            return torch.addmm(flat, ranks.flatten(0, -2), up.T).view_as(output).to(output.dtype)

        return add
