"""What a model's own text costs it: an estimate of the entropy rate of what it writes.

Beside the cross-entropy that it was scored at, this says whether it drifts: a model whose text, drawn from its own
distribution, is harder to itself than what people wrote has lost the thread (Braverman et al. 2020, arXiv 1906.05664).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lmbench.score.interval import Estimate, Layout

_PIECES = 1024


def cost_of(texts: Sequence[Sequence[float] | NDArray[np.float64]]) -> Estimate:
    """Nats per token of texts, [n] nats of the tokens of each, at least one token in all.

    The texts are independent draws, each as a document of `score.interval`; of one text spans of it tell how sure the
    mean is.
    """
    kept = [np.asarray(text, dtype=np.float64) for text in texts if len(text)]
    lengths = np.array([len(text) for text in kept], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    size = int(lengths.sum())
    pieces = min(_PIECES, size)
    grid = np.union1d(np.arange(pieces, dtype=np.int64) * size // pieces, starts)
    layout = Layout(grid, size, np.searchsorted(grid, starts), "spans of this one text")
    return layout.estimate(layout.sums(np.concatenate(kept)), layout.sums(np.ones(size)))
