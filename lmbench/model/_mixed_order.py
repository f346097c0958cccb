"""Mixed-order Markov models: a chain of pair tables, each passing on what it does not predict itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lmbench.counts.pairs import PairTable
from lmbench.counts.sums import group_sums

_SHRINKAGE = 10.0  # visits' worth of the distance's own weight that each token's begins with
_SURE = 1e-9


@dataclass(eq=False)
class Positions:
    """Places of a text: for each distance, [n] int32, the id there, -1 for none, and the node of the pair."""

    contexts: list[Tensor]
    nodes: list[Tensor]

    @classmethod
    def of(cls, tables: list[PairTable], contexts: Tensor, targets: Tensor) -> Positions:
        """`contexts`: [n, N] int32; `targets`: [n] int32."""
        columns = [column.contiguous() for column in contexts.unbind(1)]
        return cls(columns, [table.nodes(column, targets) for table, column in zip(tables, columns, strict=True)])


@dataclass(eq=False)
class MixedOrder:
    """p(w | h) = sum_k l_k(u_k) p_k(w | u_k) prod_(j<k) (1 - l_j(u_j)), then the unigram (Saul & Pereira 1997).

    The nearest token u_1 predicts with weight l_1(u_1); else the next one does with l_2(u_2), and so on. `weights`:
    [N, V] float64. Weights and tables have their maximum-likelihood values by EM, in which a pair counts for
    distance k as often as the chain is expected to have stopped there.

    Worked example: l_1 = 0.5, l_2 = 0.8, p_1 = 0.2, p_2 = 0.4 and p = 0.1 give 0.1 + 0.5 (0.32 + 0.2 0.1) = 0.27.
    """

    tables: list[PairTable]
    weights: Tensor

    def ratios(self, at: Positions) -> Tensor:
        """[n] p(w | h) / p(w)."""
        passed = torch.ones(len(at.contexts[0]), dtype=torch.float64, device=self.weights.device)
        total = torch.zeros_like(passed)
        for weight, ratio in self._stages(at):
            total += passed * weight * ratio
            passed *= 1 - weight
        return total + passed

    def log_probs(self, contexts: Tensor, unigram: Tensor) -> Tensor:
        """[q, V] nats of every token; `contexts`: [q, N] int32, -1 for none; `unigram`: [V]."""
        found = torch.zeros(len(contexts), len(unigram), dtype=torch.float64, device=self.weights.device)
        flat = found.view(-1)
        passed = torch.ones(len(contexts), dtype=torch.float64, device=self.weights.device)
        common = torch.zeros_like(passed)  # of the ratio that every token has, seen with its context or not
        for table, weights, context in zip(self.tables, self.weights, contexts.unbind(1), strict=True):
            inside = context.clamp(min=0)
            own = torch.where(context >= 0, weights[inside], 0.0)
            unseen = passed * own * table.log_gamma[inside].exp()
            rows, ids, seen = table.entries(context)
            cells = rows * len(unigram) + ids
            more = unseen.index_select(0, rows) * seen.expm1()
            flat.index_copy_(0, cells, flat.index_select(0, cells) + more)
            common += unseen
            passed *= 1 - own
        return found.add_((common + passed)[:, None]).log_().add_(unigram.log())

    def stops(self, at: Positions) -> Iterator[Tensor]:
        """For each distance: [n] the probability that the token at each place was predicted there, now it is known."""
        total = self.ratios(at)
        passed = torch.ones_like(total)
        for weight, ratio in self._stages(at):
            yield passed * weight * ratio / total
            passed *= 1 - weight

    def _stages(self, at: Positions) -> Iterator[tuple[Tensor, Tensor]]:
        for table, weights, context, nodes in zip(self.tables, self.weights, at.contexts, at.nodes, strict=True):
            own = torch.where(context >= 0, weights[context.clamp(min=0)], 0.0)
            yield own, table.log_ratio_at(context, nodes).exp()

    def reweight(self, at: Positions) -> float:
        """One step of EM for the weights, on text that was not counted; returns the ln of p(w | h) / p(w) before it."""
        before = float(self.ratios(at).log().mean())
        fresh = torch.empty_like(self.weights)
        arrived = torch.ones(len(at.contexts[0]), dtype=torch.float64, device=self.weights.device)
        for d, stopped in enumerate(self.stops(at)):
            known = torch.nonzero(at.contexts[d] >= 0).squeeze(1)
            tokens = at.contexts[d][known].long()
            visits = group_sums(arrived[known], tokens, self.weights.shape[1])
            uses = group_sums(stopped[known], tokens, self.weights.shape[1])
            common = uses.sum() / visits.sum().clamp(min=_SURE)
            fresh[d] = (uses + _SHRINKAGE * common) / (visits + _SHRINKAGE)
            arrived = arrived - stopped
        self.weights = fresh.clamp(_SURE, 1 - _SURE)
        return before

    def recounted(self, at: Positions, unigram: Tensor, discounts: list[float]) -> list[PairTable]:
        """One step of EM for the tables, on the text that was counted."""
        tables = []
        for table, nodes, stopped, discount in zip(self.tables, at.nodes, self.stops(at), discounts, strict=True):
            known = torch.nonzero(nodes >= 0).squeeze(1)
            counts = group_sums(stopped[known], nodes[known].long(), table.trie.size(2))
            tables.append(PairTable.of(table.trie, counts, unigram, discount))
        return tables
