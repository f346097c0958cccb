"""What the weights of `counting` are trained on: places of a text, each by counts that have not seen it."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.parallel import over_parts
from lmbench.model._experts import Experts, Places
from lmbench.model._weigher import Combine, Loss, logarithms
from lmbench.tokens import Tokens

_KEPT = 400_000_000  # numbers of the distributions that the weights are trained on
_LIKELIEST, _DRAWN = 256, 64  # columns of a distribution that they are trained on, where it has more
_BEFORE = 64  # tokens before a place that the suffix model reads while the weights are learnt


def most_places(experts: Experts) -> int:
    """Places of which whole distributions can be kept."""
    return _KEPT // (len(experts) * (1 + min(experts.columns.width, _LIKELIEST + _DRAWN)))


def weighed(experts: Experts, places: Places, targets: Tensor, combine: Combine) -> list[tuple[Tensor, ...]]:
    """Of some places, in pieces: features [q, f]; what is weighed, [q, m] nats of the token that came or, where it is
    multiplied, [q, m, 1 + c] half-precision nats of its column and others, and [q, 1 + c] how the latter are summed."""

    def of(part: slice) -> tuple[Tensor, ...]:
        here, columns = places.part(part), experts.columns.of_type[targets[part]]
        if combine == "linear":
            return experts.known(here), experts.of_targets(here, targets[part]).log().float()
        probs = experts.distributions(here, torch.float32)
        log_probs = logarithms(probs)
        features = with_sureness(experts.known(here), log_probs)
        chosen, counted = _candidates(probs, columns, experts.columns.multiplicity, part.start)
        values = log_probs.gather(2, chosen[:, None].expand(-1, probs.shape[1], -1))
        return features, values.half(), counted

    return over_parts(of, list(experts.batches(len(places))), torch.device("cpu"))


def _candidates(probs: Tensor, targets: Tensor, multiplicity: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """[q, 1 + c] columns over which the sum of a product is taken in training, the target's first; and ln of as how
    many types each counts there, -inf where it stands there already.

    All columns where they are few. Of many, the likeliest by the mean of the distributions, and others drawn at random,
    which count for all that are left out (Bengio & Senécal 2003 sample a soft-max in such a way).
    """
    size, width = len(targets), len(multiplicity)
    logs = multiplicity.float().log()
    if width <= _LIKELIEST + _DRAWN:
        likely = torch.arange(width).expand(size, -1)
        counted = logs.expand(size, -1).masked_fill(likely == targets[:, None], -math.inf)
        return torch.cat([targets[:, None], likely], 1), torch.cat([logs[targets][:, None], counted], 1)
    likely = (probs.mean(1) * multiplicity).topk(_LIKELIEST, 1).indices
    drawn = torch.randint(width, (size, _DRAWN), generator=torch.Generator().manual_seed(seed))
    taken = torch.zeros(size, width, dtype=torch.bool)
    taken.scatter_(1, likely, True).scatter_(1, targets[:, None], True)
    free = ~taken.gather(1, drawn)
    left = (width - taken.sum(1, keepdim=True)).float() / free.sum(1, keepdim=True).clamp(min=1)
    counted_drawn = (logs[drawn] + left.log()).masked_fill(~free, -math.inf)
    counted = logs[likely].masked_fill(likely == targets[:, None], -math.inf)
    columns = torch.cat([targets[:, None], likely, drawn], 1)
    return columns, torch.cat([logs[targets][:, None], counted, counted_drawn], 1)


def joined(parts: list[tuple[Tensor, ...]]) -> tuple[Tensor, Loss]:
    features, *weighed = (torch.cat(each) for each in zip(*parts, strict=True))
    return features, _LinearLoss(*weighed) if len(weighed) == 1 else _LogLinearLoss(*weighed)


def part_of(tokens: Tokens, start: int, stop: int) -> Tokens:
    """The text from some way before `start`, or from the beginning of the document there, to before `stop`."""
    document = int(tokens.documents[np.searchsorted(tokens.documents, start, side="right") - 1])
    return tokens.head(stop).tail(stop - max(document, start - _BEFORE))


def windows_before(tokens: Tokens, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """[q, N] the tokens before each place; before the first of all ends of text."""
    padded = np.full(len(tokens) + _BEFORE, tokens.vocabulary.end_of_text, dtype=np.int64)
    padded[_BEFORE:] = tokens.ids
    return np.asarray(padded[places[:, None] + np.arange(_BEFORE)])


def with_sureness(known: Tensor, log_probs: Tensor) -> Tensor:
    """[q, f + 2 m]: beside what is known of the contexts, the entropy in nats of each distribution, `log_probs`
    [q, m, U], and its largest logarithm."""
    entropy = -(log_probs.exp() * log_probs).sum(2)
    return torch.cat([known.to(log_probs.dtype), entropy, log_probs.amax(2)], 1)


class _LogLinearLoss:
    """Nats of the tokens that came, summed over some places, under a product. `log_probs`: [n, m, 1 + c], those of the
    token first; `counted`: [n, 1 + c] see `_candidates`."""

    def __init__(self, log_probs: Tensor, counted: Tensor) -> None:
        self.log_probs, self.counted = log_probs, counted

    def __call__(self, weights: Tensor, places: Tensor) -> Tensor:
        scores = torch.bmm(weights[:, None], self.log_probs[places].float())[:, 0]
        return ((scores + self.counted[places]).logsumexp(1) - scores[:, 0]).sum()


class _LinearLoss:
    """Nats of the tokens that came, summed over some places, under a sum; `log_probs`: [n, m] of each."""

    def __init__(self, log_probs: Tensor) -> None:
        self.log_probs = log_probs

    def __call__(self, log_weights: Tensor, places: Tensor) -> Tensor:
        return -(log_weights + self.log_probs[places]).logsumexp(1).sum()
