"""What each token may look at, in the form in which a model's own code takes it.

Sequences lie left-aligned in the cache, position i in column i, so a token at position p sees the columns up to p,
and in layers with a sliding window only the last of them. Padding needs no mask of its own: what lies right of a
token is not seen by it, whatever it is.
"""

import torch
from transformers import PreTrainedModel

from engine.worker.errors import WorkerError

FULL, SLIDING = "full_attention", "sliding_attention"


class Masks:
    """Makes the masks of one model. Raises WorkerError for a kind of attention that is not served."""

    def __init__(self, model: PreTrainedModel) -> None:
        config = model.config.get_text_config()
        implementation = config._attn_implementation
        if implementation not in ("sdpa", "eager", None):
            raise WorkerError(f"The model was loaded with {implementation} attention; the worker needs sdpa.")
        window = getattr(config, "sliding_window", None)
        kinds = set(getattr(config, "layer_types", None) or [SLIDING if window else FULL])
        if other := kinds - {FULL, SLIDING}:
            raise WorkerError(
                f"The model has layers of the kind {min(other)}, which the worker does not serve."
            )
        self._window: int | None = window if SLIDING in kinds else None
        self._by_kind = self._window is not None and bool(getattr(config, "layer_types", None))

    def of(
        self, positions: torch.Tensor, length: int, dtype: torch.dtype
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """For tokens at `positions` (rows, tokens) over the first `length` columns: added to attention's scores."""
        columns = torch.arange(length, device=positions.device)
        here = positions[:, None, :, None]
        hidden = columns > here
        zeros = torch.zeros(hidden.shape, dtype=dtype, device=positions.device)
        full = zeros.masked_fill(hidden, float("-inf"))
        if self._window is None:
            return full
        near = zeros.masked_fill_(hidden | (columns <= here - self._window), float("-inf"))
        return {FULL: full, SLIDING: near} if self._by_kind else near
