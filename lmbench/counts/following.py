"""Whole next-token distributions of a back-off model, many contexts at once.

    p(w | h) = p(hw) b(h') b(h'') ..      hw the longest stored n-gram that ends the context with w, h', h'' longer ones

so that a row is the unigrams times the weights of all its contexts, written once, and over it, from short contexts to
long ones, the children of each context: a slice of the trie, times the weights of the contexts longer than it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.arrays import BIAS, flatnonzero, repeated, widened
from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import stream
from lmbench.counts.parallel import coarse_threads, over_parts

_CELLS = 1 << 18  # numbers of one piece of work on a CPU: what stays in its cache
_FEWEST = 32  # rows of a piece, below which its overhead costs more than memory does
_ON_GPU = 1 << 26
_FEW = 8  # windows that are asked one by one
_STRETCH = 1 << 22  # numbers of the distributions that are handed out together


def window_contexts(model: BackoffModel, windows: NDArray[np.integer[Any]]) -> list[tuple[Tensor, Tensor]]:
    """For each length from 1 on, the contexts at the end of q `windows` [q, N]: ([q] int64 the node of each, -1 where
    it is not stored, [q] bool whether it lies in one document).

    A window that holds an end of text is read from the last one on, which begins a document.
    """
    reach = min(model.order - 1, windows.shape[1])
    kept = np.ascontiguousarray(windows[:, windows.shape[1] - reach :].T, dtype=np.int32)
    words = torch.from_numpy(kept).to(model.device)  # [reach, q]
    found: list[tuple[Tensor, Tensor]] = []
    inside = torch.ones(words.shape[1], dtype=torch.bool, device=model.device)
    asked = inside
    for length in range(1, reach + 1):
        if length > 1:
            inside = inside & (words[reach - length + 1] != model.end_of_text)
            # of n-grams that are stored with what they end with, none is where its shorter one is not
            asked = inside & (found[-1][0] >= 0) if model.suffix_closed else inside
        nodes = torch.full((words.shape[1],), -1, dtype=torch.int64, device=model.device)
        lanes = flatnonzero(asked)
        nodes[lanes] = model.trie.find(words[reach - length :].index_select(1, lanes)).long()
        found.append((nodes, inside))
    return found


def longest_window_contexts(
    model: BackoffModel, windows: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As `counts.contexts.longest_contexts`, at the end of each window: [q] tokens of the longest stored context,
    and its ln b, [q]."""
    lengths = torch.zeros(len(windows), dtype=torch.int64, device=model.device)
    weights = torch.zeros(len(windows), dtype=torch.float64, device=model.device)
    for length, (nodes, _) in enumerate(window_contexts(model, windows), 1):
        lanes = flatnonzero(nodes >= 0)
        lengths[lanes] = length
        if len(lanes):
            weights[lanes] = model.log_backoffs[length - 1].index_select(0, nodes[lanes]).double()
    return lengths.cpu().numpy(), weights.cpu().numpy()


def text_contexts(
    model: BackoffModel, ids: NDArray[np.integer[Any]], start: int, stop: int
) -> list[tuple[Tensor, Tensor]]:
    """As `window_contexts`, of the places `start` to `stop` of a text that begins a document."""
    reach = model.order - 1
    before = max(0, start - reach)
    text = stream(ids[before : stop - 1], model.end_of_text, str(model.device))  # entry i stands before the id i
    if before:
        text = text[1:]
    ends = text == model.end_of_text
    since = torch.cumsum(ends, 0)  # ends of text up to each entry: as many at a context's first as at its last, or one
    found = []
    offset = before + (before > 0)  # entries of the whole stream before `text`
    places = torch.arange(start, stop, device=model.device) - offset  # of the last token of each context
    for length, nodes in enumerate(model.trie.match(text, min(reach, len(text))) if reach else [], 1):
        first = places - (length - 1)
        there = first >= 0
        at = first.clamp(min=0)
        inside = there & (since[places] == since[at])
        stored = nodes.long()[at.clamp(max=len(nodes) - 1)]
        found.append((torch.where(inside, stored, -1), inside))
    return found


def distributions(model: BackoffModel, contexts: list[tuple[Tensor, Tensor]], rows: int) -> Tensor:
    """[rows, V] float64 nats after the `contexts` of each row."""
    weights = []
    for length, (nodes, inside) in enumerate(contexts, 1):
        weight = inside.double() * model.unseen_log_backoff
        if model.trie.size(length):
            stored = model.log_backoffs[length - 1].index_select(0, nodes.clamp(min=0)).double()
            weight = torch.where(nodes >= 0, stored, weight)
        weights.append(weight)
    beyond = torch.zeros(rows, dtype=torch.float64, device=model.device)  # weights of the contexts that are longer
    above = []
    for weight in reversed(weights):
        above.append(beyond)
        beyond = beyond + weight
    above.reverse()
    scores = model.log_probs[0][:].double() + beyond[:, None]
    flat, size = scores.view(-1), scores.shape[1]
    for length, (nodes, _) in enumerate(contexts, 1):
        lanes = flatnonzero(nodes >= 0)
        parents, first = nodes.index_select(0, lanes), model.trie.first[length - 1]
        begins = first.index_select(0, parents).long()
        degrees = first.index_select(0, parents + 1).long() - begins
        owner = repeated(degrees)
        places = torch.arange(len(owner), device=model.device)
        places += (begins - (degrees.cumsum(0) - degrees)).index_select(0, owner)
        cells = widened(model.trie.tokens[length].index_select(0, places)).long()
        cells += (lanes * size).index_select(0, owner)
        values = model.log_probs[length].index_select(0, places).double()
        values += above[length - 1].index_select(0, lanes).index_select(0, owner)
        flat.index_copy_(0, cells, values)
    return scores


def window_log_probs(model: BackoffModel, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """[q, V] nats: what follows each window [q, N], see `window_contexts`."""
    found = np.empty((len(windows), model.trie.vocabulary_size))
    if len(windows) <= _FEW and model.device.type == "cpu":
        for row, window in enumerate(windows.tolist()):
            found[row] = _alone(model, window)
        return found

    def fill(part: slice) -> None:
        rows = part.stop - part.start
        found[part] = distributions(model, window_contexts(model, windows[part]), rows).cpu().numpy()

    with coarse_threads():
        _ = model.trie.directory  # made once, before the workers ask for it
        over_parts(fill, _parts(model, len(windows)), model.device)
    return found


def stretches(model: BackoffModel, ids: NDArray[np.integer[Any]]) -> Iterator[NDArray[np.float64]]:
    """[m, V] nats, one array after the other: what is predicted at each place of a text that begins a document."""
    width = max(1, _STRETCH // model.trie.vocabulary_size)
    for begin in range(0, len(ids), width):
        end = min(begin + width, len(ids))
        found = np.empty((end - begin, model.trie.vocabulary_size))

        def fill(part: slice, begin: int = begin, found: NDArray[np.float64] = found) -> None:
            contexts = text_contexts(model, ids, begin + part.start, begin + part.stop)
            found[part] = distributions(model, contexts, part.stop - part.start).cpu().numpy()

        with coarse_threads():
            _ = model.trie.directory
            over_parts(fill, _parts(model, end - begin), model.device)
        yield found


def _alone(model: BackoffModel, window: list[int]) -> NDArray[np.float64]:
    """[V] nats after one window: the same sums, without the overhead of many."""
    reach = window[max(0, len(window) - model.order + 1) :]
    begin = max((place for place, token in enumerate(reach) if token == model.end_of_text), default=0)
    context = reach[begin:]
    nodes: list[int] = []
    for length in range(1, len(context) + 1):
        passed_over = model.suffix_closed and nodes and nodes[-1] < 0
        nodes.append(-1 if passed_over else _node(model, context[len(context) - length :]))
    above, beyond = [0.0] * len(nodes), 0.0
    for length in range(len(nodes), 0, -1):
        above[length - 1] = beyond
        node = nodes[length - 1]
        beyond += model.unseen_log_backoff if node < 0 else float(model.log_backoffs[length - 1][node].double())
    scores: NDArray[np.float64] = (model.log_probs[0][:].double() + beyond).cpu().numpy()
    for length, node in enumerate(nodes, 1):
        if node >= 0:
            children = model.trie.children(length, node)
            tokens = model.trie.ids(length + 1, children).cpu().numpy()
            scores[tokens] = model.log_probs[length][children].double().cpu().numpy() + above[length - 1]
    return scores


def _node(model: BackoffModel, context: list[int]) -> int:
    """The node of a context, or -1."""
    trie, node = model.trie, context[0]
    bias = BIAS if trie.tokens[0].dtype == torch.int16 else 0
    for order, token in enumerate(context[1:], 1):
        children = trie.children(order, node)
        tokens = trie.tokens[order][children]
        at = int(torch.searchsorted(tokens, token - bias)) if len(tokens) else 0
        if at == len(tokens) or int(tokens[at]) != token - bias:
            return -1
        node = children.start + at
    return node


@dataclass(frozen=True, eq=False)
class Ends:
    """Where q texts that are read on stand. `nodes`: for each length from 1 on [q], the node of the last tokens, -1
    where they are not stored; `counts`: [q] tokens of the document, with the end of text before it. Of few texts
    `windows` [q, N] in their place: the last tokens themselves."""

    nodes: list[Tensor]
    counts: Tensor
    windows: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, model: BackoffModel, rows: int) -> Ends:
        """Of texts of which nothing has been read."""
        nodes = torch.full((rows,), -1, dtype=torch.int64, device=model.device)
        counts, reach = torch.zeros_like(nodes), model.order - 1
        if rows <= _FEW and model.device.type == "cpu":
            return cls([], counts, np.full((rows, max(1, reach)), model.end_of_text, dtype=np.int64))
        return cls([nodes] * reach, counts)

    def then(self, model: BackoffModel, ids: NDArray[np.integer[Any]]) -> Ends:
        """Once each text has read its row of `ids` [q, T] too."""
        if self.windows is not None:
            windows = np.concatenate([self.windows, ids], axis=1)[:, ids.shape[1] :]
            return Ends([], self.counts, windows)
        nodes, counts = self.nodes, self.counts
        for tokens in torch.from_numpy(np.ascontiguousarray(ids.T)).to(model.device):
            anew = tokens == model.end_of_text
            counts = torch.where(anew, 0, counts) + 1
            longer = [model.trie.child(length, held, tokens) for length, held in enumerate(nodes[:-1], 1)]
            nodes = [tokens, *(torch.where(anew, -1, found) for found in longer)][: len(nodes)]
        return Ends(nodes, counts)

    def log_probs(self, model: BackoffModel) -> NDArray[np.float64] | Tensor:
        """[q, V] nats of what follows; on a GPU a tensor there."""
        if self.windows is not None:
            return window_log_probs(model, self.windows)
        contexts = [(held, self.counts >= length) for length, held in enumerate(self.nodes, 1)]
        rows = len(self.counts)
        if model.device.type != "cpu":
            return distributions(model, contexts, rows)
        found = np.empty((rows, model.trie.vocabulary_size))

        def fill(part: slice) -> None:
            here = [(held[part], inside[part]) for held, inside in contexts]
            found[part] = distributions(model, here, part.stop - part.start).numpy()

        with coarse_threads():
            over_parts(fill, _parts(model, rows), model.device)
        return found


def _parts(model: BackoffModel, rows: int) -> list[slice]:
    cells = _CELLS if model.device.type == "cpu" else _ON_GPU
    width = max(_FEWEST, cells // model.trie.vocabulary_size)
    return [slice(start, min(start + width, rows)) for start in range(0, rows, width)]
