"""What a back-off model knows of the context of each place: the longest one stored, and its weight."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import stream
from lmbench.counts.parallel import coarse_threads
from lmbench.counts.sums import slice_sums

_CHUNK = 1 << 16
_LEAST = -20.0  # nats: below that a probability is as good as none


def longest_contexts(
    model: BackoffModel, ids: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """[n + 1] each: tokens of the longest stored context before each id, and after the last; and its ln b.

    A context that begins a document counts its end-of-text id as a token. An order-1 model has
    contexts of no length, of weight 1.
    """
    lengths = np.zeros(len(ids) + 1, dtype=np.int64)
    weights = np.zeros(len(ids) + 1)
    for order, places, nodes in _stored(model, ids):
        lengths[places] = order
        weights[places] = model.log_backoffs[order - 1][nodes].double().cpu().numpy()
    return lengths, weights


def _stored(model: BackoffModel, ids: NDArray[np.integer[Any]]) -> Iterator[tuple[int, NDArray[np.int64], Tensor]]:
    """(order, places, nodes): the contexts of `order` tokens that are stored before the ids at `places`, or after the
    last id; for each place the longest comes last."""
    reach = model.order - 1
    if reach == 0:
        return
    with coarse_threads():
        for start in range(0, len(ids) + 1, _CHUNK):
            stop = min(start + _CHUNK, len(ids) + 1)
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
                yield order, places, found[stored].long()


@dataclass(eq=False)
class Sureness:
    """How sure a back-off model is after each context it has stored, of what it has stored after it.

    `types[k]`, `largest[k]`, `entropies[k]`: [m] of each context of k + 1 tokens: how many ids were seen after it, the
    largest probability of one of them, and the entropy in nats of the distribution over them and, as one, all others.

    Worked example: after "a", p(b) = 0.5 and p(c) = 0.25 are stored: 2 types, 0.5, and 0.5 ln 2 + 2 * 0.25 ln 4.
    """

    types: list[Tensor]
    largest: list[Tensor]
    entropies: list[Tensor]

    @classmethod
    def of(cls, model: BackoffModel) -> Sureness:
        found = cls([], [], [])
        for order in range(1, model.order):
            bounds = model.trie.first[order - 1][:].long()
            found.types.append(bounds.diff())
            if model.trie.size(order + 1) == 0:  # of which torch takes no sum
                nothing = torch.zeros(len(bounds) - 1, dtype=torch.float64, device=model.device)
                found.largest.append(nothing)
                found.entropies.append(nothing)
                continue
            log_probs = model.log_probs[order][:].double().clamp(min=_LEAST)
            probs = log_probs.exp()
            rest = (1 - slice_sums(probs, bounds)).clamp(0, 1)
            found.largest.append(torch.segment_reduce(probs, "max", lengths=bounds.diff(), initial=0.0))
            found.entropies.append(-slice_sums(probs * log_probs, bounds) - torch.xlogy(rest, rest))
        return found


def context_features(
    model: BackoffModel, sureness: Sureness, ids: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The length of the longest stored context before each id, and after the last, [n + 1], and what the model knows
    of it, [n + 1, 4]: ln b, ln of the types seen after it and one more, ln of the largest probability, the entropy in
    nats.

    All are 0 where none is stored.
    """
    lengths = np.zeros(len(ids) + 1, dtype=np.int64)
    features = np.zeros((len(ids) + 1, 4))
    for order, places, nodes in _stored(model, ids):
        columns = [
            model.log_backoffs[order - 1][nodes].double().clamp(min=_LEAST),
            sureness.types[order - 1][nodes].double().log1p(),
            sureness.largest[order - 1][nodes].clamp(min=math.exp(_LEAST)).log(),
            sureness.entropies[order - 1][nodes],
        ]
        lengths[places] = order
        features[places] = torch.stack(columns, 1).cpu().numpy()
    return lengths, features


def longest_context(model: BackoffModel, context: NDArray[np.integer[Any]]) -> tuple[int, int]:
    """(tokens, types): the length of the longest context, at the end of the ids of a document so far, after which
    tokens are stored, and how many distinct ones; of length 0, those of the vocabulary."""
    history = np.asarray(context)[max(0, len(context) - model.order) :]
    found = 0, model.trie.vocabulary_size
    for order, places, nodes in _stored(model, history):
        if len(places) and places[-1] == len(history):
            children = model.trie.children(order, int(nodes[-1]))
            if children.stop > children.start:
                found = order, children.stop - children.start
    return found
