"""Texts that a net reads on, each token once where that is possible: the vector it predicts from, as scoring has it.

A net that carries a state reads on without end. Any other reads what the sliding window of a token's place in its
document holds (`evaluation.window_start`): while the window stands, what was read is kept; where it moves, after every
`stride` tokens, its new beginning is read again, so that a prediction is from the same tokens as in scoring.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.net.base import Net, Recurrent, State
from lmbench.training.device import few_threads
from lmbench.training.evaluation import scoring

Ints = NDArray[np.int64]

_WEIGHTS = 10_000  # for each of which a token is as much work as one of those that `few_threads` counts


@dataclass
class Reading:
    """What q texts have read. `held`: [q, row] the ids of each text's window; `starts`: [q] where the window begins in
    its document; `counts`: [q] ids read of the document, with the end of text that it begins with."""

    state: State
    held: Ints
    starts: Ints
    counts: Ints
    weights: int  # of the net

    @classmethod
    def of(cls, net: Net, rows: int) -> Reading:
        """Of so many texts, of which nothing has been read."""
        with scoring(net):
            state = net.start(rows)
        starts, counts = np.zeros((2, rows), dtype=np.int64)
        weights = sum(parameter.numel() for parameter in net.parameters())
        return cls(state, np.zeros((rows, net.row), dtype=np.int64), starts, counts, weights)


def advance(net: Net, ids: Ints, reading: Reading, stride: int | None, end_of_text: int) -> Tensor:
    """[q, C] the vectors that what follows `ids` [q, T], T >= 1, is predicted from; changes `reading`.

    A document begins with each end-of-text id. `stride`: None where a state is carried.
    """
    hidden = None
    with scoring(net), few_threads(ids.size * reading.weights // _WEIGHTS):
        for part in pieces(ids, end_of_text, net.row):
            _begin(net, reading, np.flatnonzero(part[:, 0] == end_of_text))
            if stride is None:
                assert isinstance(net, Recurrent)
                found, reading.state = net.run(_on_device(net, part), reading.state)
                reading.counts = reading.counts + part.shape[1]
                hidden = found[:, -1]
            else:
                hidden = _windowed(net, part, reading, stride)
    assert hidden is not None
    return hidden


def pieces(ids: Ints, end_of_text: int, longest: int) -> Iterator[Ints]:
    """`ids` [q, T] in pieces of up to `longest` columns, in which an end of text stands in the first column alone."""
    cuts = {0, ids.shape[1], *np.flatnonzero((ids == end_of_text).any(axis=0)).tolist()}
    edges = sorted({*cuts, *(at for cut in cuts for at in range(cut, ids.shape[1], longest))})
    for start, stop in pairwise(edges):
        yield ids[:, start:stop]


def _windowed(net: Net, part: Ints, reading: Reading, stride: int) -> Tensor:
    rows, size = part.shape
    counts = reading.counts + size
    starts = np.maximum(0, -(-(counts - net.row) // stride) * stride)
    used = reading.counts - reading.starts
    moved = np.flatnonzero(starts != reading.starts)
    on = np.flatnonzero(starts == reading.starts)
    hidden = None
    if len(on):
        reading.held[on[:, None], used[on, None] + np.arange(size)] = part[on]
        _forget(net, reading.state, moved)  # these are read on too, of which nothing is kept
        found, reading.state = net.run(_on_device(net, part), reading.state)
        hidden = found[:, -1]
    lengths = counts - starts
    for length in np.unique(lengths[moved]).tolist():
        group = moved[lengths[moved] == length]
        tails = np.stack(
            [np.append(reading.held[row, : used[row]], part[row])[starts[row] - reading.starts[row] :] for row in group]
        )
        reading.held[group, :length] = tails
        found, fresh = net.run(_on_device(net, tails), net.start(len(group)))
        if hidden is None:
            hidden = found.new_empty(rows, found.shape[-1])
        hidden[torch.from_numpy(group).to(hidden.device)] = found[:, -1]
        _put(reading.state, group, fresh)
    reading.starts, reading.counts = starts, counts
    assert hidden is not None
    return hidden


def _begin(net: Net, reading: Reading, rows: Ints) -> None:
    """Let documents begin in these rows."""
    _forget(net, reading.state, rows[reading.counts[rows] > 0])
    reading.counts[rows] = reading.starts[rows] = 0


def _forget(net: Net, state: State, rows: Ints) -> None:
    if len(rows):
        _put(state, rows, net.start(1))


def _put(state: State, rows: Ints, others: State) -> None:
    """What `others` have in the rows of `state`, in place."""
    for part, other in zip(state, others, strict=True):
        part[:, torch.from_numpy(rows).to(part.device)] = other


def _on_device(net: Net, ids: Ints) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(ids)).to(next(net.parameters()).device)
