"""Pair counts at a distance, and nothing else: how far do they get?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lmbench.counts.ngrams import stream
from lmbench.counts.pairs import PairTable, contexts_of, unigrams
from lmbench.counts.trie import Trie, narrow
from lmbench.errors import LmbenchError, UsageError
from lmbench.model.base import ModelCard
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Pairs"]

_DENSE = 1 << 23  # numbers in one dense batch of distributions
_TUNING = 8_192  # positions at most that the exponents are fitted on
_SHRINKAGE = 10.0
_ROUNDS = 50


class Pairs:
    """Counts of token pairs at distances 1 to N, combined into one distribution; no longer pattern is counted.

    `mixture`: Saul & Pereira 1997, equation 6, mixed-order Markov: the nearest token predicts
    with weight l_1(u_1), else the next one with l_2(u_2), and so on, at last the unigram:
    p(w | h) = sum_k l_k(u_k) p_k(w | u_k) prod_(j<k) (1 - l_j(u_j)), weights for each token and
    distance by EM on validation, shrunk towards the distance's own.
    `product`: log-linear, p(w | h) = p(w) prod_d (p_d(w | u_d) / p(w))^a_d / Z(h), the exponents a_d
    at the maximum of the validation likelihood; Z is summed exactly over the vocabulary.
    The p_d are discounted and interpolated with the unigram.

    Args:
        distance: how far apart two tokens may stand, 1 or more
        combine: product (log-linear) or mixture (mixed-order Markov)
    """

    def __init__(self, distance: int = 8, combine: Literal["product", "mixture"] = "product") -> None:
        if distance < 1:
            raise UsageError(f"pairs: distance must be 1 or more, not {distance}")
        self.distance = distance
        self.combine = combine
        self.card = ModelCard(context=distance)
        self._end_of_text = 0
        self._unigram = torch.zeros(0, dtype=torch.float64)
        self._tables: list[PairTable] = []
        self._exponents = torch.zeros(0, dtype=torch.float64)  # [N]
        self._weights = torch.zeros(0, 0, dtype=torch.float64)  # [N, V]

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        self.refit(train, progress)
        notes = [] if len(valid) else ["pairs: no validation text, weights left where they start"]
        if self.combine == "product":
            self._exponents = torch.full((self.distance,), 1.0 / self.distance, dtype=torch.float64)
            if len(valid):
                self._fit_exponents(valid, progress)
            settings = {"exponents": self._exponents.tolist()}
        else:
            self._weights = torch.full((self.distance, len(self._unigram)), 0.5, dtype=torch.float64)
            if len(valid):
                self._fit_weights(valid, progress)
            share = self._unigram @ self._weights.T
            settings = {"mean_weights": share.tolist()}
        self.card = ModelCard(
            stored_ngrams=self.card.stored_ngrams, context=self.distance, training=settings, notes=notes
        )
        return self

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Count anew on `train`, keeping exponents and weights."""
        self._end_of_text = train.vocabulary.end_of_text
        self._unigram = unigrams(train)
        text = stream(train.ids, self._end_of_text)
        self._tables = []
        with progress.task("counting pairs", self.distance) as task:
            for distance in range(1, self.distance + 1):
                self._tables.append(PairTable.count(text, self._end_of_text, distance, self._unigram))
                task.advance()
        self.card.stored_ngrams = int((train.counts > 0).sum()) + sum(len(table.log_seen) for table in self._tables)

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        contexts = contexts_of(tokens.ids, self._end_of_text, self.distance)
        targets = torch.from_numpy(np.asarray(tokens.ids).astype(np.int64))
        scores = np.empty(len(targets), dtype=np.float64)
        with progress.task("scoring", len(targets)) as task:
            for part in self._batches(len(targets)):
                if self.combine == "mixture":
                    found = self._mixed(contexts[part], targets[part])
                else:
                    found = self._product(contexts[part]).gather(1, targets[part, None]).squeeze(1)
                scores[part] = found.numpy()
                task.advance(part.stop - part.start)
        return scores

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        history = np.asarray(context)[max(0, len(context) - self.distance) :]
        extended = np.append(history, self._end_of_text)  # the position asked for; its own id is not looked at
        row = contexts_of(extended, self._end_of_text, self.distance)[-1:]
        if len(context) > len(history):
            row[0, len(history) :] = -1  # the document goes on to the left, where this model does not look
        if self.combine == "product":
            return self._product(row)[0].numpy()
        every = torch.arange(len(self._unigram))
        return self._mixed(row.expand(len(every), -1), every).numpy()

    def _batches(self, size: int) -> Iterator[slice]:
        width = max(1, _DENSE // len(self._unigram)) if self.combine == "product" else 1 << 16
        for start in range(0, size, width):
            yield slice(start, min(start + width, size))

    def _ratios(self, contexts: Tensor, targets: Tensor) -> Tensor:
        """[N, q] ln p_d(w | u_d) - ln p(w)."""
        ids = targets.to(torch.int32)
        columns = [table.log_ratio(contexts[:, d].contiguous(), ids) for d, table in enumerate(self._tables)]
        return torch.stack(columns)

    # the mixture

    def _mixed(self, contexts: Tensor, targets: Tensor) -> Tensor:
        """[q] nats of the mixed-order Markov model."""
        ratios = self._ratios(contexts, targets).exp()
        probs = torch.ones(len(targets), dtype=torch.float64)
        for d in reversed(range(self.distance)):
            weight = self._weight(contexts, d)
            probs = weight * ratios[d] + (1 - weight) * probs
        return (probs * self._unigram[targets]).log()

    def _weight(self, contexts: Tensor, d: int) -> Tensor:
        column = contexts[:, d]
        return torch.where(column >= 0, self._weights[d][column.clamp(min=0)], 0.0)

    def _fit_weights(self, valid: Tokens, progress: Progress) -> None:
        """EM for the weights l_k(u) on validation, each with `_SHRINKAGE` visits' worth of its distance's own."""
        contexts = contexts_of(valid.ids, self._end_of_text, self.distance)
        targets = torch.from_numpy(np.asarray(valid.ids).astype(np.int64))
        ratios = self._ratios(contexts, targets).exp()
        size = len(self._unigram)
        previous = -np.inf
        with progress.task("weights", _ROUNDS) as task:
            for _ in range(_ROUNDS):
                below = [torch.ones(len(targets), dtype=torch.float64)]
                own = [self._weight(contexts, d) for d in range(self.distance)]
                for d in reversed(range(self.distance)):
                    below.append(own[d] * ratios[d] + (1 - own[d]) * below[-1])
                likelihood = float(below[-1].log().mean())
                if likelihood - previous < 1e-7:
                    break
                previous = likelihood
                reached = torch.ones(len(targets), dtype=torch.float64)
                for d in range(self.distance):
                    used = reached * own[d] * ratios[d] / below[self.distance - d]
                    known = torch.nonzero(contexts[:, d] >= 0).squeeze(1)
                    ids = contexts[known, d].long()
                    visits = torch.zeros(size, dtype=torch.float64).index_add_(0, ids, reached[known])
                    uses = torch.zeros(size, dtype=torch.float64).index_add_(0, ids, used[known])
                    common = uses.sum() / visits.sum().clamp(min=1e-12)
                    shrunk = (uses + _SHRINKAGE * common) / (visits + _SHRINKAGE)
                    self._weights[d] = shrunk.clamp(1e-9, 1 - 1e-9)
                    reached = reached - used
                task.advance()

    # the product

    def _product(self, contexts: Tensor) -> Tensor:
        """[q, V] nats of the log-linear model. The contexts' gammas are the same for every token, and cancel in Z."""
        scores = self._unigram.log().repeat(len(contexts), 1)
        for d, table in enumerate(self._tables):
            rows, ids, seen = table.entries(contexts[:, d])
            scores.view(-1).index_add_(0, rows * scores.shape[1] + ids, self._exponents[d] * seen)
        return scores.log_softmax(1)

    def _fit_exponents(self, valid: Tokens, progress: Progress) -> None:
        """L-BFGS-B on the mean validation likelihood, whose gradient is what was seen less what is expected."""
        from scipy.optimize import minimize

        size = len(self._unigram)
        sample = min(len(valid), max(256, min(_TUNING, (1 << 26) // size)))
        chosen = np.linspace(0, len(valid) - 1, sample).astype(np.int64)
        contexts = contexts_of(valid.ids, self._end_of_text, self.distance)[chosen]
        targets = torch.from_numpy(np.asarray(valid.ids)[chosen].astype(np.int64))
        batches = [(contexts[part], targets[part]) for part in self._batches(sample)]

        def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            self._exponents = torch.from_numpy(values.copy())
            total, gradient = 0.0, torch.zeros(self.distance, dtype=torch.float64)
            for context, target in batches:
                scores = self._product(context)
                total -= float(scores.gather(1, target[:, None]).sum())
                for d, table in enumerate(self._tables):
                    rows, ids, seen = table.entries(context[:, d])
                    gradient[d] += (scores[rows, ids].exp() * seen).sum() - seen[ids == target[rows]].sum()
            task.advance()
            return total / sample, (gradient / sample).numpy()

        with progress.task("exponents", None) as task:
            start = self._exponents.numpy()
            found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 30, "ftol": 1e-7})
        self._exponents = torch.from_numpy(found.x)

    def save(self, folder: Path) -> None:
        tensors = {"unigram": self._unigram, "exponents": self._exponents, "weights": self._weights}
        tensors["end_of_text"] = torch.tensor([self._end_of_text])
        for d, table in enumerate(self._tables, 1):
            tensors |= {f"first.{d}": table.trie.first[0][:], f"tokens.{d}": table.trie.tokens[1]}
            tensors |= {f"log_seen.{d}": table.log_seen, f"log_gamma.{d}": table.log_gamma}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "pairs.safetensors")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "pairs.safetensors"
        try:
            tensors = load_file(path)
            distance = sum(name.startswith("first.") for name in tensors)
            model = cls(distance, "product" if len(tensors["exponents"]) else "mixture")
            model._unigram, model._exponents = tensors["unigram"], tensors["exponents"]
            model._weights, model._end_of_text = tensors["weights"], int(tensors["end_of_text"])
            size = len(model._unigram)
            for d in range(1, distance + 1):
                trie = Trie([narrow(torch.arange(size), size), tensors[f"tokens.{d}"]], [tensors[f"first.{d}"]])
                model._tables.append(PairTable(trie, tensors[f"log_seen.{d}"], tensors[f"log_gamma.{d}"]))
        except (OSError, SafetensorError, KeyError) as error:
            raise LmbenchError(f"{path}: not a whole model ({error}); fit it again with `lmbench run`") from None
        model.card = ModelCard.load(folder / "card.json")
        return model
