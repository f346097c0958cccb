"""A back-off model: a trie with a probability at each node and a back-off weight at each context.

Whatever the smoothing, its model takes this form (the ARPA form), so that one scorer and one
sampler serve all of them:

    p(w | h) = p(hw)                 if hw is stored
               b(h) p(w | h')        otherwise, h' being h without its first token

with b(h) = 1 where h itself is not stored (a score that is no distribution may set another).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench import files
from lmbench.counts.arrays import flatnonzero, narrow
from lmbench.counts.compact import Codes, Column, Pointer, Pointers
from lmbench.counts.directory import Directory
from lmbench.counts.ngrams import MAX_ORDER, stream
from lmbench.counts.parallel import coarse_threads, over_chunks
from lmbench.counts.trie import Trie
from lmbench.disk import save_tensors
from lmbench.progress import Progress
from lmbench.tokens import Ids

_LARGEST = 100.0  # ln of a back-off weight: of what is nearly sure it grows, but not so far
Storage = Literal["float64", "float32", "quantized"]


@dataclass(eq=False)
class BackoffModel:
    """`log_probs[k]`: [m] nats, ln p of each (k+1)-gram's last token given the others.
    `log_backoffs[k]`: [m] nats, ln b of each (k+1)-gram as a context; one level fewer.
    `suffix_closed`: whether with every n-gram that without its first token is stored, which saves look-ups.
    """

    trie: Trie
    log_probs: Sequence[Column]
    log_backoffs: Sequence[Column]
    end_of_text: int
    unseen_log_backoff: float = 0.0
    suffix_closed: bool = False

    @property
    def order(self) -> int:
        return self.trie.order

    @property
    def device(self) -> torch.device:
        return self.trie.tokens[0].device

    def score(self, ids: Ids, progress: Progress) -> NDArray[np.float64]:
        """[n] nats: ln p of each token given those before it in its document."""
        scores = np.empty(len(ids), dtype=np.float64)

        def score(part: slice) -> None:
            context = max(0, part.start - max(1, self.order - 1))
            text = stream(ids[context : part.stop], self.end_of_text, str(self.device))
            if context:
                text = text[1:]
            scores[part] = self._score(text)[part.start - part.stop :].cpu().numpy()
            task.advance(part.stop - part.start)

        with coarse_threads(), progress.task("scoring", len(ids)) as task:
            _ = self.trie.directory  # made once, before the workers ask for it
            over_chunks(score, len(ids), self.device)
        return scores

    def within(self, piece: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[n - 1] nats: ln p of all tokens of `piece` [n] but the first, given what of their context lies in it."""
        _ = self.trie.directory
        found: NDArray[np.float64] = self._score(stream(piece[1:], int(piece[0]), str(self.device))).cpu().numpy()
        return found

    def _score(self, text: Tensor) -> Tensor:
        """[n - 1] nats of text[1:], given what of its context lies in `text`.

        Order by order, for the tokens whose context of that length is stored: its back-off weight is
        charged, and where the context and token are stored too, their probability takes the place of
        all that came before. The n-grams just found are the contexts of the tokens one further on.
        """
        size = len(text) - 1
        wanted = narrow(text, self.trie.vocabulary_size)[1:]
        spread = self.trie.directory.spread.index_select(0, text)[1:]
        scores = self.log_probs[0].index_select(0, text[1:]).to(torch.float64)
        contexts, places = text[:-1], torch.arange(size, device=text.device)
        found = None
        for order in range(2, self.order + 1):
            if self.unseen_log_backoff:
                scores += self._unseen(text, order - 1, places).double() * self.unseen_log_backoff
            weights = self.log_backoffs[order - 2].index_select(0, contexts)
            scores.index_copy_(0, places, scores.index_select(0, places) + weights)
            if self.suffix_closed and found is not None:  # not stored if it is not without its first token
                asked = flatnonzero(found.index_select(0, places))
                contexts, places = contexts.index_select(0, asked), places.index_select(0, asked)
            tokens, ranks = wanted.index_select(0, places), spread.index_select(0, places)
            nodes, found_here = self.trie.look_up(order - 1, contexts, tokens, ranks)
            kept = flatnonzero(found_here)
            nodes, places = nodes.index_select(0, kept), places.index_select(0, kept)
            scores.index_copy_(0, places, self.log_probs[order - 1].index_select(0, nodes).to(torch.float64))
            found = torch.zeros(size, dtype=torch.bool, device=text.device).index_fill_(0, places, True)
            if self.unseen_log_backoff:  # charged for every context, but none is one that a document ends
                inside = flatnonzero(text.index_select(0, places + 1) != self.end_of_text)
                nodes, places = nodes.index_select(0, inside), places.index_select(0, inside)
            contexts, places = nodes, places + 1
            if len(places) and int(places[-1]) == size:
                contexts, places = contexts[:-1], places[:-1]
        return scores

    def _unseen(self, text: Tensor, length: int, places: Tensor) -> Tensor:
        """[n - 1] bool: tokens whose context of `length` lies within their document, but is not among `places`."""
        unseen = torch.zeros(len(text) - 1, dtype=torch.bool, device=text.device)
        if length >= len(text):
            return unseen
        unseen[length - 1 :] = True
        for back in range(length - 1):  # the end of a text is a context's first token or none of it
            unseen[length - 1 :] &= text[length - 1 - back : len(text) - 1 - back] != self.end_of_text
        return unseen.index_fill_(0, places, False)

    def next(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[V] nats: the distribution of the token after `context`, the ids of a document so far."""
        reach = self.order - 1
        history = np.asarray(context)[max(0, len(context) - reach) :]
        text = stream(history, self.end_of_text)[len(history) + 1 - min(reach, len(history) + 1) :]
        matched = self.trie.match(text.to(self.device)) if len(text) else []
        scores = self.log_probs[0][:].to(torch.float64, copy=True)
        for order in range(1, min(len(text), self.order - 1) + 1):
            node = int(matched[order - 1][-1])
            if node < 0:
                scores += self.unseen_log_backoff
                continue
            scores += self.log_backoffs[order - 1][node].to(torch.float64)
            children = self.trie.children(order, node)
            scores[self.trie.ids(order + 1, children).long()] = self.log_probs[order][children].to(torch.float64)
        return scores.cpu().numpy()

    def suffix_log_probs(self, order: int) -> Tensor:
        """[m] float64 nats: what each n-gram's last token has after the context one token shorter."""
        below = self._suffixes[order - 2]
        found: Tensor = self.log_probs[order - 2][below.clamp(min=0)].double()
        missing = torch.nonzero(below < 0).squeeze(1)
        if len(missing):
            words = self.trie.columns(order, slice(0, self.trie.size(order)))[1:, missing]
            found[missing] = backed_off(self.trie, self.log_probs, self.log_backoffs, words, self.unseen_log_backoff)
        return found

    @cached_property
    def _suffixes(self) -> list[Tensor]:
        """Of each order from 2 on, [m] int32: the node of each n-gram without its first token, -1 where not stored."""
        suffixes = [self.trie.ids(2, slice(None))] if self.order > 1 else []
        for order in range(3, self.order + 1):
            whole = slice(0, self.trie.size(order))
            shorter = suffixes[-1][self.trie.parents(order, whole)]
            suffixes.append(self.trie.child(order - 2, shorter, self.trie.ids(order, whole)))
        return suffixes

    def stored_as(self, storage: Storage) -> BackoffModel:
        """The same model in fewer bytes: `float32` columns, or `quantized` ones and packed pointers."""
        if storage == "float64":
            return self
        keep: Callable[[Tensor], Column] = Tensor.float if storage == "float32" else Codes.of
        first = self.trie.first if storage == "float32" else [Pointers.of(column[:]) for column in self.trie.first]
        # unigrams are few, and far from one another: they keep their precision, as in KenLM
        unigrams = self.log_probs[0][:].float()
        log_probs = [unigrams, *(keep(column[:]) for column in self.log_probs[1:])]
        log_backoffs = [keep(column[:]) for column in self.log_backoffs]
        return BackoffModel(
            self._trie_with(first),
            log_probs,
            log_backoffs,
            self.end_of_text,
            self.unseen_log_backoff,
            self.suffix_closed,
        )

    def _trie_with(self, first: Sequence[Pointer]) -> Trie:
        trie = Trie(self.trie.tokens, first)
        trie.directory = self.trie.directory
        return trie

    def save(self, path: Path) -> None:
        """Write one safetensors file: tokens, first, log_probs and log_backoffs of each order."""
        tensors: dict[str, Tensor] = {"end_of_text": torch.tensor([self.end_of_text])}
        tensors["unseen_log_backoff"] = torch.tensor([self.unseen_log_backoff], dtype=torch.float64)
        tensors["suffix_closed"] = torch.tensor([self.suffix_closed])
        tensors["spread"] = self.trie.directory.spread
        groups = {"tokens": self.trie.tokens, "first": self.trie.first, "buckets": self.trie.directory.starts}
        for group, columns in {**groups, "log_probs": self.log_probs, "log_backoffs": self.log_backoffs}.items():
            for order, column in enumerate(columns, 1):
                parts = {"": column} if isinstance(column, Tensor) else vars(column)
                for part, tensor in parts.items():
                    tensors[f"{group}.{order}.{part}".rstrip(".")] = tensor
        del tensors["tokens.1"]  # the ids themselves
        save_tensors(path, {name: tensor.contiguous().cpu() for name, tensor in tensors.items()})

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> BackoffModel:
        """Read what `save` wrote, memory-mapped. Raises LmbenchError naming the file where it is not whole."""
        with files.whole(path, "n-gram model", "fit it again with `lmbench run`"):
            tensors = files.read_tensors(path, device)
            log_probs: list[Any] = _columns(tensors, "log_probs", Codes)
            size = len(log_probs[0])
            if not 1 <= len(log_probs) <= MAX_ORDER or not size:
                raise ValueError(f"{len(log_probs)} orders")
            first: list[Any] = _columns(tensors, "first", Pointers)
            tokens = [narrow(torch.arange(size, device=device), size)]
            tokens += [tensors[f"tokens.{order}"] for order in range(2, len(log_probs) + 1)]
            unseen = float(tensors["unseen_log_backoff"])
            log_backoffs: list[Any] = _columns(tensors, "log_backoffs", Codes)
            trie = Trie(tokens, first)
            trie.directory = Directory(tensors["spread"], _columns(tensors, "buckets", Codes))
            closed = bool(tensors["suffix_closed"])
            model = cls(trie, log_probs, log_backoffs, int(tensors["end_of_text"]), unseen, closed)
            model.check()
        return model

    def check(self) -> None:
        """Raises ValueError where a number leads to no node, or is no logarithm of a probability or of a weight."""
        self.trie.check()
        self.trie.directory.check([self.trie.size(order) for order in range(1, self.order + 1)])
        if not 0 <= self.end_of_text < self.trie.vocabulary_size or not abs(self.unseen_log_backoff) < _LARGEST:
            raise ValueError("its end of text is no token, or its back-off of what was not seen no number")
        if len(self.log_backoffs) != self.order - 1:
            raise ValueError(f"{len(self.log_backoffs)} levels of back-off weights")
        columns = [("log_probs", self.log_probs, 1.0), ("log_backoffs", self.log_backoffs, _LARGEST)]
        for name, levels, high in columns:
            for order, column in enumerate(levels, 1):
                if len(column) != self.trie.size(order):
                    raise ValueError(
                        f"{name}.{order} has {len(column):,} numbers for {self.trie.size(order):,} n-grams"
                    )
                if isinstance(column, Codes):
                    column.check(high)
                elif column.dtype not in (torch.float64, torch.float32) or column.ndim != 1:
                    raise ValueError(f"{name}.{order} holds {column.dtype} of {column.ndim} dimensions")
                else:
                    files.within(column, -math.inf, high, f"{name}.{order}")


def backed_off(
    trie: Trie, log_probs: Sequence[Column], log_backoffs: Sequence[Column], words: Tensor, unseen: float = 0.0
) -> Tensor:
    """[m] float64 nats: ln p of the last token of each column of `words` [k, m] given the others; what is not stored
    is backed off, with `unseen` for a context that is not. The orders need not all be there yet."""
    scores: Tensor = log_probs[0][words[-1].long()].double()
    for length in range(1, min(len(words), trie.order + 1)):
        context = trie.find(words[-1 - length : -1])
        weight = log_backoffs[length - 1][context.clamp(min=0).long()].double()
        scores += torch.where(context >= 0, weight, unseen)
        if length < trie.order and trie.size(length + 1):
            node = trie.child(length, context, words[-1])
            stored = log_probs[length][node.clamp(min=0).long()].double()
            scores = torch.where(node >= 0, stored, scores)
    return scores


def _columns(tensors: dict[str, Tensor], group: str, packed: type[Any]) -> list[Any]:
    """The columns of a group, order by order, each a tensor or its packed form."""
    columns: list[Any] = []
    while True:
        name = f"{group}.{len(columns) + 1}"
        parts = {key[len(name) + 1 :]: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
        if parts:
            columns.append(packed(**parts))
        elif name in tensors:
            columns.append(tensors[name])
        else:
            return columns
