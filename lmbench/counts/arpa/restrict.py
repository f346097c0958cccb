"""A model over more words than a run has, as one over the run's tokens that still sums to one."""

from __future__ import annotations

import torch
from torch import Tensor

from lmbench.counts.arpa.levels import Levels
from lmbench.counts.arpa.numbering import Numbering
from lmbench.counts.arrays import narrow
from lmbench.counts.backoff import BackoffModel
from lmbench.counts.sums import group_sums
from lmbench.counts.trie import Trie
from lmbench.errors import LmbenchError


def restrict(levels: Levels, numbering: Numbering, where: str) -> BackoffModel:
    """The model of the ids below V.

    Words from V on, which nothing has as context, become one with `numbering.unknown`: after
    each context p(unknown | h) is the sum of their probabilities and of its own. Where unknown
    is itself no token, every context is then divided by 1 - p(unknown | h). Raises LmbenchError
    where that leaves nothing.
    """
    size, end = len(numbering.vocabulary), numbering.vocabulary.end_of_text
    if numbering.size == size:
        return levels.model(end)
    if numbering.outside:
        levels = _pooled(levels, size, numbering.unknown)
    if numbering.unknown >= size:
        levels = _without(levels, size) if _never(levels, size) else _conditioned(levels, size, where)
    return levels.model(end)


def _every(levels: Levels, order: int) -> Tensor:
    """[k, m] the n-grams of an order."""
    return levels.trie.columns(order, slice(0, levels.trie.size(order)))


def _pooled(levels: Levels, size: int, unknown: int) -> Levels:
    """All words from `size` on as one with `unknown`, which becomes `size` if it is one of them."""
    one = min(unknown, size)
    log_probs = levels.log_probs[0][: one + 1 if one == size else size].clone()
    log_backoffs = levels.log_backoffs[0][: len(log_probs)].clone()
    others = levels.log_probs[0][size:]
    log_probs[one] = others.logsumexp(0) if one == size else torch.logaddexp(log_probs[one], others.logsumexp(0))
    if one == size:
        log_backoffs[one] = 0.0
    pooled = Levels(log_probs, log_backoffs)
    for order in range(2, levels.order + 1):
        words = _every(levels, order)
        log_prob, log_backoff = levels.log_probs[order - 1], levels.log_backoffs[order - 1]
        joining = (words[-1] >= size) | (words[-1] == unknown)
        joined, probs, backoffs = _join(levels, pooled, words[:, joining], log_prob[joining], one, unknown)
        pooled.add(
            torch.cat([words[:, ~joining], joined], 1),
            torch.cat([log_prob[~joining], probs]),
            torch.cat([log_backoff[~joining], backoffs]),
        )
    return pooled


def _join(
    levels: Levels, pooled: Levels, words: Tensor, log_probs: Tensor, one: int, unknown: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The n-grams h·one, with sum of p(w | h) over all w that become `one`, stored or not.

    sum = sum of stored p(hw) + b(h) (p(one | h') - sum of the p(w | h') of the stored)
    """
    contexts, group = torch.unique_consecutive(words[:-1], dim=1, return_inverse=True)
    count = contexts.shape[1]
    if count == 0:
        return words, log_probs, log_probs
    joined = torch.cat([contexts, torch.full((1, count), one, dtype=torch.int32)])
    stored = group_sums(log_probs.double().exp(), group, count)
    lower = group_sums(levels.score(words[1:]).exp(), group, count)
    below = pooled.score(joined[1:]).exp()
    backoff = levels.log_backoffs[len(contexts) - 1][levels.trie.find(contexts).long()].double().exp()
    probs = (stored + backoff * (below - lower)).clamp(min=0, max=1).log().float()
    same = levels.trie.find(torch.cat([contexts, torch.full((1, count), unknown, dtype=torch.int32)]))
    backoffs = torch.where(same >= 0, levels.log_backoffs[len(contexts)][same.clamp(min=0).long()], 0.0)
    return joined, probs, backoffs


def _never(levels: Levels, word: int) -> bool:
    """Whether `word` has probability zero everywhere."""
    higher = range(2, levels.order + 1)
    stored = any(bool((levels.trie.ids(order, slice(None)) == word).any()) for order in higher)
    return not stored and float(levels.log_probs[0][word]) == -torch.inf


def _without(levels: Levels, size: int) -> Levels:
    """The model without the last id, which occurs in no n-gram."""
    kept = Levels(levels.log_probs[0][:size], levels.log_backoffs[0][:size])
    trie = levels.trie
    higher = [narrow(trie.ids(order, slice(None)), size) for order in range(2, levels.order + 1)]
    first = [trie.first[0][: size + 1], *trie.first[1:]] if trie.first else []
    kept.trie = Trie([*kept.trie.tokens, *higher], first)
    kept.log_probs += levels.log_probs[1:]
    kept.log_backoffs += levels.log_backoffs[1:]
    return kept


def _conditioned(levels: Levels, size: int, where: str) -> Levels:
    """Every p(w | h) divided by 1 - p(last | h), `last` being the id `size`, which goes.

    b(h) is multiplied by (1 - p(last | h')) / (1 - p(last | h)), so that the back-off holds.
    """
    left = (1 - levels.log_probs[0][size].double().exp()).log().reshape(1)
    log_probs, log_backoffs = levels.log_probs[0][:size] - left, levels.log_backoffs[0][:size]
    kept: Levels | None = None
    above = left
    for order in range(1, levels.order + 1):
        words = _every(levels, order)
        if order > 1:
            inside = words[-1] != size
            log_probs = levels.log_probs[order - 1] - left[levels.trie.parents(order, slice(0, len(inside)))]
            log_probs, log_backoffs = log_probs[inside], levels.log_backoffs[order - 1][inside]
        else:
            inside = torch.arange(len(words[0])) < size
        if order < levels.order:
            last = torch.full((1, words.shape[1]), size, dtype=torch.int32)
            above = torch.log1p(-levels.score(torch.cat([words[1:], last])).exp().clamp(max=1))
            left = torch.log1p(-levels.score(torch.cat([words, last])).exp().clamp(max=1))
            empty = (left < -20) & inside & (levels.trie.degrees(order) > 0)
            if bool(empty.any()):
                raise LmbenchError(f"{where}: there are contexts after which no token of this run has a probability")
            log_backoffs = log_backoffs + (above - left)[inside]
        if kept is None:
            kept = Levels(log_probs, log_backoffs)
        else:
            kept.add(words[:, inside], log_probs, log_backoffs)
    assert kept is not None
    return kept
