"""Good-Turing discounts with Katz's back-off."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.counts.pruning import renormalised, select, thresholds
from lmbench.counts.sums import slice_sums
from lmbench.errors import UsageError
from lmbench.progress import Progress, Silent
from lmbench.smoothing.base import Choice, Settings, context_sums, counts_of_counts, segment_counts
from lmbench.tokens import Tokens

__all__ = ["GoodTuring"]

_TUNING_TOKENS = 100_000
_K = 5
_LEAST = 3e-6  # what SRILM takes for no probability
_SRILM_K = 7  # -gt2max, -gt3max, ...; -gt1max is 1


class GoodTuring:
    """Katz back-off with Good-Turing discounts: the seen keep less, the unseen share what is left.

    Katz 1987; Chen & Goodman 1998, section 2.4. A count r <= k is multiplied by
        d_r = (r*/r - A) / (1 - A),   r* = (r + 1) n_(r+1) / n_r,   A = (k + 1) n_(k+1) / n_1
    and p(w | h) = d_r c(hw) / c(h.) if hw was seen, else a(h) p(w | h'), with a(h) such that the
    context sums to one. Worked example with k = 1, n1 = 4, n2 = 1: A = 1/2, r* = 1/2, d_1 = 0: then
    the formula is of no use, as wherever a d_r is not above 0 and below 1; k is lowered until
    it is, and where none does, an absolute discount is tuned on validation, and the report says so.
    A context all of whose continuations are frequent leaves nothing: it is given one unseen
    occurrence, c(h.) + 1, as SRILM does.

    With `cutoffs=srilm` everything is as in SRILM's `ngram-count` without options (-gt1max 1, -gt2max 7, -gt3min 2,
    -gt3max 7 and so on): n-grams of order 3 and above that occur once are left out, so that their contexts back off
    with all of their count; discounts come from the counts before that, for counts up to 7; single tokens keep
    their relative frequencies; a discount that is not above 0 or whose r* is above r is 1, and the others stay; and a
    context must leave 3e-6 of its probability. One thing is not SRILM's: a discount above 1, where A is, is 1 too.

    Args:
        k: counts above this are trusted as they are; none: 5
        cutoffs: srilm: which n-grams are kept and which are discounted by SRILM's defaults, in place of k
    """

    normalised = True
    smoothed = True

    def __init__(self, k: int | None = None, cutoffs: Literal["srilm"] | None = None) -> None:
        if k is not None and k < 2:
            raise UsageError(f"good_turing: k must be 2 or more, not {k}: for k = 1 the formula always gives 0")
        if k is not None and cutoffs:
            raise UsageError(f"good_turing: cutoffs={cutoffs} says which counts are discounted: leave out k={k}")
        self.k = k or _K
        self.cutoffs = cutoffs

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        if self.cutoffs:
            return Choice({"discounts": [srilm(amounts, order) for order, amounts in enumerate(counts.raw, 1)]})
        found = [good_turing(amounts, self.k) for amounts in counts.raw]
        broken = [order for order, discounts in enumerate(found, 1) if discounts is None]
        if not broken:
            return Choice({"discounts": found})
        which = ", ".join(map(str, broken))
        if len(valid) == 0:
            how, amount = "replaced by an absolute discount of 0.5", 0.5
        else:
            how, amount = "replaced by an absolute discount tuned on validation", self._tuned(counts, found, valid)
        note = f"Good-Turing discounts of order {which} {how}: these counts have none in range"
        return Choice({"discounts": self._filled(found, amount)}, [note])

    def _filled(self, found: list[list[float] | None], amount: float) -> list[list[float]]:
        absolute = [(r - amount) / r for r in range(1, self.k + 1)]
        return [discounts if discounts is not None else absolute for discounts in found]

    def _tuned(self, counts: NgramCounts, found: list[list[float] | None], valid: Tokens) -> float:
        from scipy.optimize import minimize_scalar

        sample = valid.head(_TUNING_TOKENS)

        def loss(amount: float) -> float:
            model = self.estimate(counts, {"discounts": self._filled(found, amount)}, Silent())
            return -float(model.score(sample.ids, Silent()).mean())

        return float(minimize_scalar(loss, bounds=(0.01, 0.99), method="bounded", options={"xatol": 0.01}).x)

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        trie = counts.trie
        log_probs: list[Tensor] = []
        log_backoffs: list[Tensor] = []
        lower = torch.zeros(0, dtype=torch.float64)
        least = _LEAST if self.cutoffs else 0.0
        with progress.task("probabilities", counts.order) as task:
            for order, (amounts, row) in enumerate(zip(counts.raw, settings["discounts"], strict=True), 1):
                total = context_sums(trie, order, amounts).total.double()
                left = _left(counts, order, amounts, row)
                types = (amounts > 0).sum().reshape(1) if order == 1 else trie.degrees(order - 1)
                full = types == counts.vocabulary_size  # no token is unseen here: nothing need be left
                complete = full
                if counts.kept and order > 1:
                    complete = full & (slice_sums(counts.kept[order - 1].double(), trie.first[order - 2][:]) == types)
                short = (left <= least * total) & ~full
                added = torch.where(short, ((total - left) / (1 - least) - total).ceil().clamp(min=1), 0.0)
                divisor = torch.where(complete, total - left, total + added)
                left = left + added
                table = torch.tensor([1.0, *row, 1.0], dtype=torch.float64, device=counts.device)
                kept = amounts * table[amounts.clamp(max=len(row) + 1)]
                if order == 1:
                    unseen = torch.where(amounts > 0, 0.0, counts.types)
                    probs = torch.where(
                        amounts > 0, kept / divisor, left / divisor * unseen / unseen.sum().clamp(min=1)
                    )
                else:
                    context = trie.parents(order, slice(0, len(amounts)))
                    probs = kept / divisor[context]
                    below = lower[counts.suffixes(order, slice(0, len(amounts)))]
                    taken = slice_sums(below, trie.first[order - 2][:])
                    share = left / divisor / (1 - taken)
                    log_backoffs.append(torch.where((types > 0) & ~complete, share, 1.0).log())
                log_probs.append(probs.log())
                lower = probs
                task.advance()
        model = BackoffModel(trie, log_probs, log_backoffs, counts.end_of_text)
        return renormalised(select(model, counts.kept)) if counts.kept else model


def _left(counts: NgramCounts, order: int, amounts: Tensor, discounts: list[float]) -> Tensor:
    """[c] float64: how much of each context's count its discounted continuations leave; exact sums of integers."""
    left: Any = 0.0
    for r, discount in enumerate(discounts, 1):
        if order == 1:
            number = (amounts == r).sum().reshape(1)
        else:
            number = segment_counts(amounts, counts.trie.first[order - 2][:], r)
        left = left + (1 - discount) * r * number.double()
    result: Tensor = left
    return result


def good_turing(amounts: Tensor, k: int) -> list[float] | None:
    """[d_1 .. d_k] with the largest k, up to the one asked for, that keeps them in range, then ones; or None."""
    n = counts_of_counts(amounts, k + 1)
    for top in range(k, 1, -1):
        if not all(n[: top + 1]):
            continue
        excess = (top + 1) * n[top] / n[0]
        if excess >= 1:
            continue
        ratios = [(r + 1) * n[r] / n[r - 1] / r for r in range(1, top + 1)]
        discounts = [(ratio - excess) / (1 - excess) for ratio in ratios]
        if all(0 < discount < 1 for discount in discounts):
            return discounts + [1.0] * (k - top)
    return None


def srilm(amounts: Tensor, order: int) -> list[float]:
    """[d_1 .. d_k] of SRILM: 0 for what is cut off, 1 for what is trusted; k = 1 for single tokens, else up to 7.

    k is lowered while there is no n_(k+1). For k = 1 the formula gives 0, so that single tokens keep all they have.
    Worked example, order 2: n1..n3 = 8, 3, 1 lower k to 2: A = 3/8, r* = 3/4 and 1, d_1 = (3/4 - 3/8) / (5/8) = 3/5,
    d_2 = (1/2 - 3/8) / (5/8) = 1/5.
    """
    k = 1 if order == 1 else _SRILM_K
    n = counts_of_counts(amounts, k + 1)
    while k and not (n[0] and n[k]):
        k -= 1
    excess = (k + 1) * n[k] / n[0] if k else 0.0
    discounts = []
    for r in range(1, k + 1):
        ratio = (r + 1) * n[r] / n[r - 1] / r if n[r - 1] else 1.0
        discount = (ratio - excess) / (1 - excess) if excess != 1 else 0.0
        discounts.append(discount if _LEAST < discount < 1 and ratio <= 1 else 1.0)
    cut = thresholds("srilm", order)[-1]
    return [0.0] * cut + (discounts or [1.0])[cut:]
