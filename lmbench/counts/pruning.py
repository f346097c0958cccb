"""Back-off models with fewer n-grams: by count, as KenLM prunes, and by relative entropy, as SRILM does."""

from __future__ import annotations

import torch
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.counts.sums import slice_sums
from lmbench.counts.trie import Trie
from lmbench.errors import UsageError

# SRILM's defaults: n-grams of order 3 and above are kept from a count of 2 on (-gt3min 2, and so on).
PRESETS = {"srilm": [0, 0, 1]}


def thresholds(prune: list[int] | str, order: int) -> list[int]:
    """One threshold per order, the last given serving all higher ones: `[0, 1]` at order 4 is `[0, 1, 1, 1]`.

    A name of `PRESETS` stands for its thresholds, as many of them as there are orders. Raises UsageError where
    the first is not 0 (unigrams stay), where they descend (a kept n-gram might have lost its context), or where
    there are more than orders.
    """
    if isinstance(prune, str):
        prune = PRESETS[prune][:order]
    if prune[0] != 0 or sorted(prune) != prune or len(prune) > order:
        raise UsageError(f"prune must begin with 0, not descend, and have at most {order} numbers, not {prune}")
    return prune + prune[-1:] * (order - len(prune))


def count_masks(counts: NgramCounts, least: list[int]) -> list[Tensor]:
    """[m] bool per order: n-grams that occur more often than their order's threshold (KenLM's `--prune`)."""
    masks = [torch.ones(counts.vocabulary_size, dtype=torch.bool, device=counts.device)]
    return masks + [counts.raw[k] > min(least[k], (1 << 31) - 1) for k in range(1, counts.order)]


def select(model: BackoffModel, masks: list[Tensor]) -> BackoffModel:
    """`model` with the n-grams in `masks` alone, their probabilities and back-off weights as they are.

    The masks keep all unigrams, and with an n-gram its prefix. An order left without any
    n-gram is dropped, with all above it.
    """
    order = 1 + next((k for k, mask in enumerate(masks[1:]) if not bool(mask.any())), len(masks) - 1)
    tokens = [column[mask] for column, mask in zip(model.trie.tokens, masks[:order], strict=False)]
    first = []
    for k in range(order - 1):
        before = torch.zeros(len(masks[k + 1]) + 1, dtype=torch.int32, device=masks[k].device)
        torch.cumsum(masks[k + 1], 0, dtype=torch.int32, out=before[1:])
        starts = before[model.trie.first[k][:]]
        first.append(torch.cat([starts[:-1][masks[k]], starts[-1:]]))
    log_probs = [column[mask] for column, mask in zip(model.log_probs, masks[:order], strict=False)]
    log_backoffs = [column[mask] for column, mask in zip(model.log_backoffs, masks[: order - 1], strict=False)]
    return BackoffModel(Trie(tokens, first), log_probs, log_backoffs, model.end_of_text, model.unseen_log_backoff)


def renormalised(model: BackoffModel) -> BackoffModel:
    """`model` with the back-off weights that make its contexts sum to one.

    b(h) = (1 - sum p(w|h)) / (1 - sum p(w|h')) over the w stored after h
    (Katz 1987; Stolcke 1998).
    """
    log_backoffs = list(model.log_backoffs)
    model = BackoffModel(model.trie, model.log_probs, log_backoffs, model.end_of_text, model.unseen_log_backoff)
    for order in range(2, model.order + 1):  # upwards: a context's weight rests on those of the shorter ones
        log_backoffs[order - 2] = _weight(*context_masses(model, order))
    return model


def relative_entropy_pruned(model: BackoffModel, counts: NgramCounts, threshold: float) -> BackoffModel:
    """Stolcke 1998: without the n-grams whose removal raises the perplexity by less than `threshold`, relatively.

    Removing w after h changes the model's distribution by the relative entropy

        D = -p(h) { p(w|h) [ln p(w|h') + ln b'(h) - ln p(w|h)] + [ln b'(h) - ln b(h)] (1 - sum p(w_i|h)) }

    and is done where exp(D) - 1 < threshold and no longer n-gram needs it, highest order
    first. p(h) is h's relative frequency in training: the product of a Kneser-Ney model's
    own lower orders is not one (Chelba et al. 2010). `threshold` 1e-8 to 1e-6 is usual.
    """
    masks = [torch.ones(model.trie.size(k), dtype=torch.bool, device=model.device) for k in range(1, model.order + 1)]
    raw = [column[mask] for column, mask in zip(counts.raw, counts.kept, strict=True)] if counts.kept else counts.raw
    total = counts.raw[0].sum().double()
    for order in range(model.order, 1, -1):
        seen, lower = context_masses(model, order)
        context = model.trie.parents(order, slice(0, model.trie.size(order)))
        own = model.log_probs[order - 1][:].double()
        backed_off = model.suffix_log_probs(order)
        new = (((1 - seen)[context] + own.exp()) / ((1 - lower)[context] + backed_off.exp())).log()
        old = _weight(seen, lower)[context]
        left = (1 - seen)[context].clamp(min=0)
        frequency = raw[order - 2].double()[context] / total
        change = -frequency * (own.exp() * (backed_off + new - own) + (new - old) * left)
        needed = torch.zeros_like(masks[order - 1])
        if order < model.order:
            needed[model.trie.parents(order + 1, slice(0, model.trie.size(order + 1)))[masks[order]]] = True
        masks[order - 1] = needed | (torch.expm1(change) >= threshold)
    return renormalised(select(model, masks))


def context_masses(model: BackoffModel, order: int) -> tuple[Tensor, Tensor]:
    """[c] float64 for each context: what its stored continuations sum to, and what they do one order below."""
    first = model.trie.first[order - 2][:]
    seen = slice_sums(model.log_probs[order - 1][:].double().exp(), first)
    lower = slice_sums(model.suffix_log_probs(order).exp(), first)
    return seen, lower


def _weight(seen: Tensor, lower: Tensor) -> Tensor:
    """ln b of each context; 0 for one without continuations, and for one after which every token is stored."""
    open_ended = (lower > 0) & (lower < 1)
    share = (1 - seen).clamp(min=1e-12) / torch.where(open_ended, 1 - lower, 1.0)
    return torch.where(open_ended, share, 1.0).log()
