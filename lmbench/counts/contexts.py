"""What a back-off model knows of the context of each place: the longest one stored, and its weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import stream
from lmbench.counts.parallel import coarse_threads

_CHUNK = 1 << 16


def longest_contexts(
    model: BackoffModel, ids: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """[n + 1] each: tokens of the longest stored context before each id, and after the last; and its ln b.

    A context that begins a document counts its end-of-text id as a token. An order-1 model has
    contexts of no length, of weight 1.
    """
    lengths = np.zeros(len(ids) + 1, dtype=np.int64)
    weights = np.zeros(len(ids) + 1)
    reach = model.order - 1
    if reach == 0:
        return lengths, weights
    with coarse_threads():
        for start in range(0, len(lengths), _CHUNK):
            stop = min(start + _CHUNK, len(lengths))
            before = max(0, start - reach)
            text = stream(ids[before : stop - 1], model.end_of_text, str(model.device))  # entry i is what precedes id i
            if before:
                text = text[1:]
            offset = before + (before > 0)
            for order, found in enumerate(model.trie.match(text, reach), 1):
                stored = found >= 0
                stored[: max(0, start - offset - order + 1)] = False
                if order > 1:  # what ends with an end of text is no context: the next document begins with that alone
                    stored &= text[order - 1 :] != model.end_of_text
                places = torch.nonzero(stored).squeeze(1).cpu().numpy() + (offset + order - 1)
                lengths[places] = order
                weights[places] = model.log_backoffs[order - 1][found[stored].long()].double().cpu().numpy()
    return lengths, weights
