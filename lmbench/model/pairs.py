"""Pair counts at a distance, and nothing else: how far do they get?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench import files
from lmbench.counts.arrays import narrow
from lmbench.counts.ngrams import stream
from lmbench.counts.pairs import PairTable, contexts_of, count_pairs, unigrams, window_contexts
from lmbench.counts.parallel import coarse_threads
from lmbench.counts.trie import Trie
from lmbench.disk import save_tensors
from lmbench.errors import UsageError
from lmbench.model._log_linear import LogLinear
from lmbench.model._mixed_order import MixedOrder, Positions
from lmbench.model.base import ModelCard
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.smoothing._discounting import leaving_one_out
from lmbench.tokens import Tokens

__all__ = ["Pairs"]

MOST = 4096  # as a distance
_UNDISCOUNTED = 0.5  # D where no pair occurs once, or none twice
_RECOUNTS = 12  # rounds of EM at most in which the mixture's tables are counted anew
_STEPS = 3  # for its weights in each of them
_LAST_STEPS = 50
_GAIN = 1e-4  # nats per validation token for which another round is worth its while
_BATCH = 1 << 18
_LARGEST = 1e3  # of an exponent, or a logarithm, that is read


class Pairs:
    """Counts of token pairs at distances 1 to N, combined into one distribution; no longer pattern is counted.

    `product`: log-linear, p(w | h) = p(w) prod_d (p_d(w | u_d) / p(w))^a_d(u_d) / Z(h), an exponent for each token u
    at each distance d, at the maximum of the validation likelihood, of evenly spread positions where all would take
    too long; Z is summed exactly over the vocabulary.
    `mixture`: mixed-order Markov (Saul & Pereira 1997): the nearest token predicts with weight l_1(u_1), else
    the next one with l_2(u_2), and so on, at last the unigram; the weights by EM on validation, shrunk
    towards the distance's own, and the p_d by EM on training, for as many rounds as validation gains by it.
    The p_d are discounted and interpolated with the unigram.

    Args:
        distance: how far apart two tokens may stand, 1 to 4096
        combine: product (log-linear) or mixture (mixed-order Markov)
    """

    def __init__(
        self,
        distance: int = 8,
        combine: Literal["product", "mixture"] = "product",
        runtime: Runtime | None = None,
    ) -> None:
        if not 1 <= distance <= MOST:
            raise UsageError(f"pairs: distance must be 1 to {MOST:,}, not {distance}")
        self.distance = distance
        self.combine = combine
        self.device = (runtime or Runtime()).device
        self.card = ModelCard(context=distance)
        self._end_of_text = 0
        self._unigram = torch.zeros(0, dtype=torch.float64)
        self._tables: list[PairTable] = []
        self._settings = torch.zeros(0, 0, dtype=torch.float64)  # [N, V] exponents or weights
        self._rounds = 0

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        with coarse_threads():
            self._rounds = 0
            seen, discounts = self._count(train, progress)
            begin = 1 / self.distance if self.combine == "product" else 0.5
            shape = (self.distance, len(self._unigram))
            self._settings = torch.full(shape, begin, dtype=torch.float64, device=self.device)
            if len(valid) and self.combine == "product":
                found = self._fit_product(valid, progress)
            elif len(valid):
                found = self._fit_mixture(valid, seen, discounts, progress)
            else:
                found = {}
        notes = [] if len(valid) else ["pairs: no validation text, weights left where they start"]
        self.card = ModelCard(stored_ngrams=self.card.stored_ngrams, context=self.distance, training=found, notes=notes)
        return self

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Count anew on `train`, keeping exponents and weights."""
        with coarse_threads():
            self._recount(*self._count(train, progress))

    def _recount(self, seen: Positions, discounts: list[float]) -> None:
        for _ in range(self._rounds):
            self._tables = self._mixed.recounted(seen, self._unigram, discounts)

    def _count(self, train: Tokens, progress: Progress) -> tuple[Positions, list[float]]:
        """Make the tables; of the mixture also the places that were counted, and every table's discount."""
        self._end_of_text = train.vocabulary.end_of_text
        self._unigram = unigrams(train).to(self.device)
        text = stream(train.ids, self._end_of_text, self.device)
        self._tables = []
        seen, discounts = Positions([], []), []
        with progress.task("counting pairs", self.distance) as task:
            for distance in range(1, self.distance + 1):
                trie, counts, nodes = count_pairs(text, self._end_of_text, distance, len(self._unigram))
                discounts.append(leaving_one_out(counts) or _UNDISCOUNTED)
                self._tables.append(PairTable.of(trie, counts, self._unigram, discounts[-1]))
                if self.combine == "mixture":
                    context = torch.full_like(nodes, -1)
                    context[distance - 1 :] = torch.where(
                        nodes[distance - 1 :] >= 0, text[: max(0, len(text) - distance)], -1
                    )
                    seen.contexts.append(context)
                    seen.nodes.append(nodes)
                task.advance()
        self.card.stored_ngrams = int((train.counts > 0).sum()) + sum(len(table.log_seen) for table in self._tables)
        return seen, discounts

    def _fit_product(self, valid: Tokens, progress: Progress) -> dict[str, Any]:
        model = self._product
        with progress.task("exponents", None) as task:
            common = model.fit(self._contexts(valid.ids), self._targets(valid.ids).long(), task.advance)
        self._settings = model.exponents
        return {"exponents": common}

    def _fit_mixture(
        self, valid: Tokens, seen: Positions, discounts: list[float], progress: Progress
    ) -> dict[str, Any]:
        held_out = Positions.of(self._tables, self._contexts(valid.ids), self._targets(valid.ids))
        with progress.task("mixture", _RECOUNTS) as task:
            counted, best = self._tables, self._reweighted(held_out, _STEPS)
            while self._rounds < _RECOUNTS:
                before = self._tables, self._settings
                self._tables = self._mixed.recounted(seen, self._unigram, discounts)
                likelihood = self._reweighted(held_out, _STEPS)
                if likelihood < best + _GAIN:
                    self._tables, self._settings = before
                    break
                best = likelihood
                self._rounds += 1
                task.advance()
            self._reweighted(held_out, _LAST_STEPS)
            self._tables = counted  # the tables are now those that a refit would make
            self._recount(seen, discounts)
        share = self._unigram @ self._settings.T
        return {"mean_weights": share.tolist(), "recounts": self._rounds}

    def _reweighted(self, held_out: Positions, steps: int) -> float:
        """Set the weights anew by EM; the mean ln of p(w | h) / p(w) of the held-out text just before the last step."""
        model = self._mixed
        previous = likelihood = -np.inf
        for _ in range(steps):
            previous, likelihood = likelihood, model.reweight(held_out)
            if likelihood - previous < 1e-7:
                break
        self._settings = model.weights
        return likelihood

    @property
    def _product(self) -> LogLinear:
        return LogLinear(self._tables, self._unigram, self._settings)

    @property
    def _mixed(self) -> MixedOrder:
        return MixedOrder(self._tables, self._settings)

    def _contexts(self, ids: NDArray[np.integer[Any]]) -> Tensor:
        return contexts_of(ids, self._end_of_text, self.distance, self.device)

    def _targets(self, ids: NDArray[np.integer[Any]]) -> Tensor:
        return torch.from_numpy(np.asarray(ids).astype(np.int32)).to(self.device)

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        contexts, targets = self._contexts(tokens.ids), self._targets(tokens.ids)
        scores = np.empty(len(targets), dtype=np.float64)
        with progress.task("scoring", len(targets)) as task, coarse_threads():
            for part in self._batches(len(targets)):
                if self.combine == "mixture":
                    found = self._mixture(contexts[part], targets[part])
                else:
                    found = self._product.log_probs(contexts[part]).gather(1, targets[part, None].long()).squeeze(1)
                scores[part] = found.cpu().numpy()
                task.advance(part.stop - part.start)
        return scores

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        history = np.asarray(context)[max(0, len(context) - self.distance) :]
        extended = np.append(history, self._end_of_text)  # the position asked for; its own id is not looked at
        row = self._contexts(extended)[-1:]
        if self.combine == "product":
            return self._product.log_probs(row)[0].cpu().numpy()
        every = torch.arange(len(self._unigram), dtype=torch.int32, device=self.device)
        return self._mixture(row.expand(len(every), -1), every).cpu().numpy()

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        contexts = window_contexts(windows, self._end_of_text, self.distance, self.device)
        found = np.empty((len(windows), len(self._unigram)))
        with coarse_threads():
            for part in self._product.batches(len(windows)):
                found[part] = self._after(contexts[part])
        return found

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        contexts = self._contexts(tokens.ids)
        for part in self._product.batches(len(tokens)):
            yield self._after(contexts[part])

    def _after(self, contexts: Tensor) -> NDArray[np.float64]:
        """[q, V] nats; `contexts`: [q, N]."""
        if self.combine == "product":
            return self._product.log_probs(contexts).cpu().numpy()
        return self._mixed.log_probs(contexts, self._unigram).cpu().numpy()

    def _batches(self, size: int) -> Iterator[slice]:
        if self.combine == "product":
            yield from self._product.batches(size)
            return
        for start in range(0, size, _BATCH):
            yield slice(start, min(start + _BATCH, size))

    def _mixture(self, contexts: Tensor, targets: Tensor) -> Tensor:
        """[q] nats."""
        at = Positions.of(self._tables, contexts, targets)
        return (self._mixed.ratios(at) * self._unigram[targets]).log()

    def save(self, folder: Path) -> None:
        tensors = {"unigram": self._unigram, "exponents": self._settings[:0], "weights": self._settings[:0]}
        tensors["exponents" if self.combine == "product" else "weights"] = self._settings
        tensors["end_of_text"] = torch.tensor([self._end_of_text])
        tensors["rounds"] = torch.tensor([self._rounds])
        for d, table in enumerate(self._tables, 1):
            tensors |= {f"first.{d}": table.trie.first[0][:], f"tokens.{d}": table.trie.tokens[1]}
            tensors |= {f"log_seen.{d}": table.log_seen, f"log_gamma.{d}": table.log_gamma}
        on_disk = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        save_tensors(folder / "pairs.safetensors", on_disk)
        self.card.save(folder / "card.json")

    def _check(self) -> None:
        """Raise ValueError where a number that was read is no index, no probability or no exponent."""
        size = len(self._unigram)
        if not 0 <= self._end_of_text < size or not 0 <= self._rounds <= _RECOUNTS:
            raise ValueError("its end of text is no token, or its rounds are too many")
        low, high = (0.0, 1.0) if self.combine == "mixture" else (-_LARGEST, _LARGEST)
        columns = [("unigram", self._unigram, torch.finfo(torch.float64).tiny, 1.0)]
        columns += [("settings", self._settings.reshape(-1), low, high)]
        for table in self._tables:
            table.trie.check()
            if table.log_seen.shape != (table.trie.size(2),) or table.log_gamma.shape != (size,):
                raise ValueError("a table of another length")
            columns += [("log_seen", table.log_seen, -_LARGEST, _LARGEST), ("log_gamma", table.log_gamma, -_LARGEST, 1)]
        for name, column, low, high in columns:
            if column.dtype != torch.float64:
                raise ValueError(f"{name} holds {column.dtype}")
            files.within(column, low, high, name)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "pairs.safetensors"
        with files.whole(path, "pair model"):
            tensors = files.read_tensors(path, device)
            distance = sum(name.startswith("first.") for name in tensors)
            combine: Literal["product", "mixture"] = "product" if len(tensors["exponents"]) else "mixture"
            model = cls(distance, combine, Runtime(device=device))
            model._unigram, model._end_of_text = tensors["unigram"], int(tensors["end_of_text"])
            size = len(model._unigram)
            model._settings = tensors["exponents" if combine == "product" else "weights"].reshape(distance, size)
            model._rounds = int(tensors["rounds"])
            vocabulary = narrow(torch.arange(size, device=device), size)
            for d in range(1, distance + 1):
                trie = Trie([vocabulary, tensors[f"tokens.{d}"]], [tensors[f"first.{d}"]])
                model._tables.append(PairTable(trie, tensors[f"log_seen.{d}"], tensors[f"log_gamma.{d}"]))
            model._check()
        model.card = ModelCard.load(folder / "card.json")
        return model
