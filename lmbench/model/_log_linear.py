"""Log-linear products of pair tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.pairs import PairTable
from lmbench.counts.sums import group_sums, slice_sums

_DENSE = 1 << 22  # numbers in one dense batch of distributions
_WORK = 10_000_000  # numbers that the positions look at on which the exponents are fitted: 24 bytes each are kept
_FEWEST = 256
_SPREAD = 0.3  # standard deviation of a token's exponent around its distance's, beforehand
_ROUNDS = 25


@dataclass(eq=False)
class Batch:
    """`contexts`: [q, N]; `cells`, `seen`: for each distance places in a [q V] table, none twice, and what is there.

    `bounds`: [q + 1] for each distance, where those of each row of the batch begin.
    """

    contexts: Tensor
    cells: list[Tensor]
    seen: list[Tensor]
    bounds: list[Tensor]

    @classmethod
    def of(cls, tables: list[PairTable], contexts: Tensor, vocabulary_size: int) -> Batch:
        batch = cls(contexts, [], [], [])
        for table, column in zip(tables, contexts.unbind(1), strict=True):
            rows, ids, seen = table.entries(column)
            batch.cells.append(rows.mul_(vocabulary_size).add_(ids))
            batch.seen.append(seen)
            batch.bounds.append(torch.nn.functional.pad(table.degrees(column).cumsum(0), (1, 0)))
        return batch


@dataclass(eq=False)
class LogLinear:
    """p(w | h) = p(w) prod_d (p_d(w | u_d) / p(w))^a_d(u_d) / Z(h), Z summed exactly over the vocabulary.

    `exponents`: [N, V] float64, a_d(u): how far the token u is to be trusted at distance d. `unigram`: [V].
    """

    tables: list[PairTable]
    unigram: Tensor
    exponents: Tensor

    def batches(self, size: int) -> Iterator[slice]:
        width = max(1, _DENSE // len(self.unigram))
        for start in range(0, size, width):
            yield slice(start, min(start + width, size))

    def log_probs(self, contexts: Tensor) -> Tensor:
        """[q, V] nats; `contexts`: [q, N]. The contexts' gammas are the same for every token, and cancel in Z."""
        return self._scored(Batch.of(self.tables, contexts, len(self.unigram)))

    def _scored(self, batch: Batch) -> Tensor:
        scores = self.unigram.log().repeat(len(batch.contexts), 1)
        flat = scores.view(-1)
        for d, cells in enumerate(batch.cells):
            exponents = self.exponents[d][batch.contexts[:, d].clamp(min=0)]
            terms = torch.repeat_interleave(exponents, batch.bounds[d].diff()).mul_(batch.seen[d])
            flat.index_copy_(0, cells, flat.index_select(0, cells).add_(terms))
        return scores.log_softmax(1)

    def sample(self, contexts: Tensor) -> Tensor:
        """[s] places, evenly spread, of as many as `_WORK` allows."""
        size = len(contexts)
        each = len(self.unigram) + sum(
            float(table.degrees(contexts[:, d]).double().mean()) for d, table in enumerate(self.tables)
        )
        count = min(size, max(_FEWEST, int(_WORK / each)))
        return torch.from_numpy(np.linspace(0, size - 1, count).astype(np.int64)).to(contexts.device)

    def fit(self, contexts: Tensor, targets: Tensor, on_round: Callable[[], None]) -> list[float]:
        """Exponents of most likelihood: of each distance, then with each token's own as well; returns the former, [N].

        The second time with a Gaussian before each token's, of standard deviation `_SPREAD` around its
        distance's. Convex both times: L-BFGS.
        """
        from scipy.optimize import minimize

        chosen = self.sample(contexts)
        contexts, targets = contexts[chosen], targets[chosen]
        size, count = len(self.unigram), len(chosen)
        batches = [(Batch.of(self.tables, contexts[part], size), targets[part, None]) for part in self.batches(count)]
        strength = 1 / (_SPREAD**2 * count)
        each = False

        def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            parts = torch.from_numpy(values.reshape(len(self.tables), -1).copy()).to(self.unigram.device)
            common, own = parts[:, :1], parts[:, 1:] if each else parts.new_zeros(len(parts), size)
            self.exponents = common + own
            nats, gradient = self._loss(batches)
            nats, gradient = nats / count, gradient / count
            on_round()
            columns = [gradient.sum(1, keepdim=True)] + ([gradient + strength * own] if each else [])
            return nats + 0.5 * strength * float((own**2).sum()), torch.cat(columns, 1).cpu().numpy().ravel()

        def minimum(start: NDArray[np.float64]) -> NDArray[np.float64]:
            options: Any = {"maxiter": _ROUNDS, "ftol": 1e-6}
            found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
            return np.asarray(found.x, dtype=np.float64).reshape(len(self.tables), -1)

        common = minimum(self.exponents[:, :1].cpu().numpy())
        each = True
        both = minimum(np.concatenate([common, np.zeros((len(common), size))], 1))
        self.exponents = torch.from_numpy(both[:, :1] + both[:, 1:]).to(self.unigram.device)
        return [float(value) for value in both[:, 0]]

    def _loss(self, batches: list[tuple[Batch, Tensor]]) -> tuple[float, Tensor]:
        """(nats, gradient [N, V]), summed: the gradient of each exponent is what was expected less what was seen."""
        total = 0.0
        gradient = torch.zeros_like(self.exponents)
        for batch, targets in batches:
            scores = self._scored(batch)
            total -= float(scores.gather(1, targets).sum())
            excess = scores.exp_()
            excess.scatter_(1, targets, excess.gather(1, targets) - 1)
            for d, cells in enumerate(batch.cells):
                terms = excess.view(-1).index_select(0, cells).mul_(batch.seen[d])
                of_row = slice_sums(terms, batch.bounds[d])
                gradient[d] += group_sums(of_row, batch.contexts[:, d].clamp(min=0).long(), gradient.shape[1])
        return total, gradient
