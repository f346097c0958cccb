"""A back-off model from n-grams in any order, one order of them after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from lmbench.counts.arrays import narrow
from lmbench.counts.backoff import BackoffModel, backed_off
from lmbench.counts.trie import Trie


class DuplicateError(Exception):
    """The n-gram in column `place` of what was added was there before."""

    def __init__(self, place: int) -> None:
        super().__init__(f"n-gram {place} is listed twice")
        self.place = place


class Levels:
    """The orders of a back-off model as they are added, lowest first.

    An n-gram's words are a column: `words` is [k, m] int32, with `log_probs` and
    `log_backoffs` [m], in nats. Order 1 is dense: one entry for every id.
    """

    def __init__(self, log_probs: Tensor, log_backoffs: Tensor) -> None:
        size = len(log_probs)
        self.trie = Trie([narrow(torch.arange(size, dtype=torch.int32), size)], [])
        self.log_probs = [log_probs.float()]
        self.log_backoffs = [log_backoffs.float()]
        self.inserted = 0

    @property
    def order(self) -> int:
        return self.trie.order

    def add(self, words: Tensor, log_probs: Tensor, log_backoffs: Tensor) -> None:
        """Put the n-grams of the next order in place; a log-probability that is NaN becomes the backed-off one.

        A prefix that is not stored (pruning in SRILM's manner can leave it out) is inserted with
        its backed-off probability and weight 1, which changes no probability. Raises DuplicateError.
        """
        above = self.trie.find(words[:-1])
        missing = torch.nonzero(above < 0).squeeze(1)
        if len(missing):
            self._insert(torch.unique(words[:-1, missing], dim=1))
            above = self.trie.find(words[:-1])
        unset = torch.nonzero(log_probs.isnan()).squeeze(1)
        if len(unset):
            log_probs = log_probs.clone()
            log_probs[unset] = self.score(words[:, unset]).to(log_probs.dtype)
        key = above.long() * self.trie.vocabulary_size + words[-1]
        last = words[-1]
        if not bool((key.diff() > 0).all()):
            key, places = torch.sort(key, stable=True)
            equal = torch.nonzero(key.diff() == 0).squeeze(1)
            if len(equal):
                raise DuplicateError(int(places[equal + 1].min()))
            last, log_probs, log_backoffs = last[places], log_probs[places], log_backoffs[places]
        degrees = torch.bincount(above, minlength=self.trie.size(self.order))
        first = torch.zeros(len(degrees) + 1, dtype=torch.int32)
        torch.cumsum(degrees, 0, dtype=torch.int32, out=first[1:])
        tokens = narrow(last, self.trie.vocabulary_size)
        self.trie = Trie([*self.trie.tokens, tokens], [*self.trie.first, first])
        self.log_probs.append(log_probs.float())
        self.log_backoffs.append(log_backoffs.float())

    def _insert(self, words: Tensor) -> None:
        """Add n-grams of the highest order so far to it."""
        there = self.trie.columns(self.order, slice(0, self.trie.size(self.order)))
        self.trie = Trie(self.trie.tokens[:-1], self.trie.first[:-1])
        log_probs, log_backoffs = self.log_probs.pop(), self.log_backoffs.pop()
        self.inserted += words.shape[1]
        new = torch.zeros(words.shape[1])
        self.add(
            torch.cat([there, words], 1),
            torch.cat([log_probs, torch.full_like(new, torch.nan)]),
            torch.cat([log_backoffs, new]),
        )

    def score(self, words: Tensor) -> Tensor:
        """[m] float64 nats: ln p of each column's last word given the others."""
        return backed_off(self.trie, self.log_probs, self.log_backoffs, words)

    def model(self, end_of_text: int) -> BackoffModel:
        return BackoffModel(self.trie, self.log_probs, self.log_backoffs[: self.order - 1], end_of_text)
