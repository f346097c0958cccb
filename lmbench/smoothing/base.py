"""What a smoothing is, and the recursion that every interpolated one shares.

A smoothing turns counts into probabilities and back-off weights. Most of them say what
share alpha a seen n-gram keeps and what share gamma its context gives to the next lower
order; `interpolate` does the rest:

    p(w | h) = alpha(hw) + gamma(h) p(w | h')          p(w) = alpha(w) + gamma / V
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.progress import Progress
from lmbench.tokens import Tokens


@dataclass
class Smoothed:
    """A back-off model, the settings the smoothing arrived at, and what the report should say of them."""

    model: BackoffModel
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Smoothing(Protocol):
    """`normalised`: False for a score that is not a distribution; `smoothed`: False where p may be zero."""

    normalised: bool
    smoothed: bool

    def estimate(self, counts: NgramCounts, valid: Tokens, progress: Progress) -> Smoothed:
        """Probabilities and back-off weights from `counts`; what needs choosing is chosen on `valid`."""


def segment_sum(values: Tensor, first: Tensor) -> Tensor:
    """[m] int64: sums of `values` over the slices first[i] : first[i+1]; exact, on integers.

    `values = [1, 2, 3]`, `first = [0, 2, 2, 3]` gives `[3, 0, 3]`.
    """
    total = torch.zeros(len(values) + 1, dtype=torch.int64, device=values.device)
    torch.cumsum(values, 0, dtype=torch.int64, out=total[1:])
    return total[first].diff()


def interpolate(counts: NgramCounts, alphas: list[Tensor], gammas: list[Tensor], base: Tensor) -> BackoffModel:
    """The back-off model of p(w | h) = alpha(hw) + gamma(h) p(w | h').

    `alphas[k]`: [m] of each (k+1)-gram; `gammas[k]`: [m] of each k-gram as a context, for
    k = 1 .. n-1, and a single number for k = 0; `base`: [V] or [1], what the unigrams are
    interpolated with. A context without continuations gives everything: gamma = 1.
    """
    trie = counts.trie
    probs = alphas[0] + gammas[0] * base
    log_probs = [probs.log()]
    log_backoffs: list[Tensor] = []
    for order in range(2, counts.order + 1):
        gamma = gammas[order - 1]
        probs = alphas[order - 1] + gamma.repeat_interleave(trie.degrees(order - 1)) * probs[counts.suffixes(order)]
        log_probs.append(probs.log())
        log_backoffs.append(gamma.log())
    return BackoffModel(trie, log_probs, log_backoffs, counts.end_of_text)
