"""What is drawn from: a model's next-token distribution, flattened or cut as the user says."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lmbench.errors import UsageError


@dataclass(frozen=True)
class Sampler:
    """Settings of drawing. What each does is done in this order:

    repetition_penalty: ln p of every token that the text holds already is multiplied by it (Keskar et al. 2019, CTRL,
        which does so to unnormalised scores, and divides those above zero).
    temperature: ln p is divided by it; 0: always the likeliest token.
    top_k: only the k likeliest tokens are kept.
    top_p: then only the fewest of those that hold this share of their probability (Holtzman et al. 2020).
    min_p: then only those of at least this share of the likeliest one's probability (Nguyen et al. 2024).

    Of equal tokens the one with the lower id is the likelier. What is left is drawn from in proportion.

    Worked example: probabilities (0.5, 0.3, 0.2) at temperature 0.5 are proportional to (0.25, 0.09, 0.04);
    `top_p=0.6` of the first three leaves two, 0.625 and 0.375; so does `min_p=0.5`; a penalty of 2 on the first alone
    makes them proportional to (0.25, 0.3, 0.2).

    Raises UsageError for settings that mean nothing.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise UsageError(
                f"the temperature must be 0 (always the likeliest token) or more, and finite, not {self.temperature:g}"
            )
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top-k must be at least 1, not {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(f"top-p must be above 0 and at most 1, not {self.top_p:g}")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise UsageError(f"min-p must be 0 to 1, not {self.min_p:g}")
        if not 0 < self.repetition_penalty < math.inf:
            raise UsageError(
                f"the repetition penalty must be above 0 (1: none, above 1: less repeated), not "
                f"{self.repetition_penalty:g}"
            )

    @property
    def unchanged(self) -> bool:
        """Whether what is drawn from is the model's own distribution."""
        cut = (self.top_k, self.top_p, self.min_p) != (None, None, None)
        return self.temperature == 1 and self.repetition_penalty == 1 and not cut

    def draw(self, log_probs: Tensor, uniforms: Tensor, said: Tensor | None = None) -> Tensor:
        """[q] int64 ids from `log_probs` [q, V] in nats, of which no row is all -inf, one for each of `uniforms` [q],
        from 0 to below 1. `said`: [q, V] bool, the tokens that each text holds already."""
        scores = self.scores(log_probs, said)
        if self.temperature == 0:
            return scores.argmax(1)
        weights = (scores - scores.amax(1, keepdim=True)).exp()
        total = weights.cumsum(1)
        place = torch.searchsorted(total, uniforms[:, None] * total[:, -1:], right=True)[:, 0]
        last = weights.shape[1] - 1 - (weights > 0).flip(1).byte().argmax(1)  # that is possible, should u round up to 1
        return torch.minimum(place, last)

    def scores(self, log_probs: Tensor, said: Tensor | None = None) -> Tensor:
        """[q, V] nats, not normalised, of what is drawn from; -inf for what is cut. At temperature 0 nothing is."""
        scores = log_probs.double()
        if self.repetition_penalty != 1 and said is not None:
            scores = torch.where(said, scores * self.repetition_penalty, scores)
        if self.temperature == 0:
            return scores
        if self.temperature != 1:
            scores = scores / self.temperature
        if self.top_k is not None and self.top_k < scores.shape[1]:
            scores = largest(scores, torch.full_like(scores[:, :1], self.top_k, dtype=torch.int64))
        if self.top_p is not None and self.top_p < 1:
            few = scores.shape[1] if self.top_k is None else min(self.top_k, scores.shape[1])
            weights = scores.topk(few, dim=1).values
            total = (weights - weights[:, :1]).exp().cumsum(1)
            scores = largest(scores, (total < self.top_p * total[:, -1:]).sum(1, keepdim=True) + 1)
        if self.min_p:
            least = scores.amax(1, keepdim=True) + math.log(self.min_p)
            scores = scores.masked_fill(scores < least, -torch.inf)
        return scores


def largest(scores: Tensor, counts: Tensor) -> Tensor:
    """`scores` [q, V] with all but the largest `counts` [q, 1] of each row -inf; of equal ones those of lower ids stay.

    (3, 1, 3, 3) and 2: (3, -inf, 3, -inf).
    """
    most = int(counts.max())
    least = scores.topk(most, dim=1).values.gather(1, counts - 1)
    above, equal = scores > least, scores == least
    kept = above | (equal & (equal.cumsum(1) <= counts - above.sum(1, keepdim=True)))
    return scores.masked_fill(~kept, -torch.inf)
