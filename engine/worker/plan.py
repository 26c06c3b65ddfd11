"""What a worker is to serve, and within which limits. Checked by whoever loads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be served, and within which limits."""

    model: str
    """A folder, or a name on the Hugging Face hub."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Folders by the names that requests ask for."""
    device: str = "auto"
    nf4: bool = True
    context: int | None = None
    """Tokens of a request with its answer; without one, 8,192 or what the model has."""
    cache_bytes: int | None = None
    """Without one: on a GPU what is left there less a reserve, on a CPU 1 GiB."""
    rows: int = 32
    queue: int = 64
    seconds: float = 120.0
    """How long a request may take, its waiting included."""
    embeddings: str | None = None

    @property
    def name(self) -> str:
        """What requests call the base model: a folder's own name, or its name on the hub."""
        path = Path(self.model).expanduser()
        return path.resolve().name if path.is_dir() else self.model
