"""The strongest model from counts alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench import files
from lmbench.counts.maps import KINDS, REACH, by_character, kinds_for
from lmbench.counts.ngrams import MAX_ORDER
from lmbench.counts.orders import Columns
from lmbench.counts.parallel import coarse_threads, over_parts
from lmbench.disk import save_tensors
from lmbench.errors import LmbenchError, UsageError
from lmbench.model._experts import Experts, Make, without
from lmbench.model._weigher import Combine, Loss, Weigher, batch_of, log_linear, logarithms
from lmbench.model.base import Context, ModelCard
from lmbench.progress import Progress, Task
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens

__all__ = ["Counting"]

_ORDERS = {True: 12, False: 6}  # by whether tokens are single characters
_BASES = {True: 3, False: 1}  # the order on whose distribution a context of another kind rests
_MOST_TYPES = 512  # that occur, up to which `combine=auto` is log-linear
_AFFORDABLE = 16_384  # types, up to which log-linear is accepted
_KEPT = 300_000_000  # numbers of the distributions that the weights are trained on
_PLACES = {"log_linear": 300_000, "linear": 1_000_000}  # of the training text that they are trained on, at most
_EPOCHS = 6
_RATE = 5e-3
_HIDDEN = 128
_FEWEST = 2_000  # places below which all distributions weigh the same wherever they are
_FOLDS = ((2_000_000, 10), (8_000_000, 4))  # of a text up to so many tokens; of a longer one:
_LONG_FOLDS, _LONG_SHARE = 2, 0.05  # folds, and what each is of the text
_CHECKED = 50_000  # validation tokens that stop the training of the weights


class Counting:
    """The strongest from counts alone: all orders and other contexts, weighed by what the counts know of each place.

    Modified Kneser-Ney models of every order, and of contexts that are not the last tokens (with gaps, without case, of
    words and of what kind the characters are), each a whole distribution. Their weights at a place come from a small
    net that reads, for each context, how often it was seen, how many types were seen after it once, twice and more
    often, and how sure it is. log_linear multiplies: p(w | h) = prod_k p_k(w | h)^a_k(h) / Z(h) (Klakow 1998), linear
    adds. The net is trained on the training text itself by cross-fitting: on each part of it with the counts of the
    others (deleted estimation, Jelinek & Mercer 1980); validation decides whether it is used. Contexts as Goodman 2001
    combined them; mixing by a gate as context mixing does (Mahoney 2005).

    Args:
        order: the longest n-gram; none: 12 for characters, 6 for longer tokens
        combine: log_linear multiplies the distributions and linear adds them; auto: log_linear for up to 512 types
        contexts: all, or orders alone
        hidden: units of the net that weighs
        places: places of the training text that its weights are learnt on; none: 300,000, or 1,000,000 where linear
    """

    def __init__(
        self,
        order: int | None = None,
        combine: Literal["auto", "log_linear", "linear"] = "auto",
        contexts: Literal["all", "orders"] = "all",
        hidden: int = _HIDDEN,
        places: int | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        if order is not None and not 1 <= order <= MAX_ORDER:
            raise UsageError(f"counting: order must be 1 to {MAX_ORDER}, not {order}")
        if not 1 <= hidden <= 4096:
            raise UsageError(f"counting: hidden must be 1 to 4096, not {hidden}")
        if places is not None and places < 1:
            raise UsageError(f"counting: places must be 1 or more, not {places}")
        self.order, self.combine_option, self.contexts_option = order, combine, contexts
        self.hidden, self.places = hidden, places
        self.seed = (runtime or Runtime()).seed
        self.card = ModelCard(context=REACH)
        self._experts: Experts | None = None
        self._weigher: Weigher | None = None

    @property
    def experts(self) -> Experts:
        if self._experts is None:
            raise RuntimeError("a counting model is fitted before it is asked")
        return self._experts

    @property
    def weigher(self) -> Weigher:
        if self._weigher is None:
            raise RuntimeError("a counting model is fitted before it is asked")
        return self._weigher

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        if not len(train):
            raise LmbenchError("counting: the training text has no tokens; give a longer text")
        vocabulary = train.vocabulary
        character = by_character(vocabulary)
        order = min(self.order or _ORDERS[character], max(1, len(train)))
        kinds = kinds_for(vocabulary) if self.contexts_option == "all" else {}
        types = int((train.counts > 0).sum()) + 1
        if self.combine_option == "log_linear" and types > _AFFORDABLE:
            raise LmbenchError(
                f"counting: combine=log_linear sums over all types at every place, and this text has {types:,}; up to "
                f"{_AFFORDABLE:,} are affordable: give combine=linear"
            )
        combine: Combine = "log_linear" if types <= _MOST_TYPES else "linear"
        if self.combine_option != "auto":
            combine = self.combine_option
        self._make = Make(order, kinds, _BASES[character], _DTYPE[combine])
        with coarse_threads():
            self._experts = self._counted(train)
            self._weigher = self._fitted(train, valid, combine, progress)
        self._describe(len(train))
        return self

    def _counted(self, tokens: Tokens, columns: Columns | None = None) -> Experts:
        return Experts.of(tokens, self._make, columns)

    def _fitted(self, train: Tokens, valid: Tokens, combine: Combine, progress: Progress) -> Weigher:
        """The weights, by cross-fitting; those of a single model where that is better on validation."""
        experts, notes = self.experts, []
        sample = valid.head(_CHECKED)
        single = self._single(sample, combine)
        weigher = single
        self._training: dict[str, Any] = {"combine": combine, "distributions": experts.names}
        most = self.places or _PLACES[combine]
        if combine == "log_linear":
            most = min(most, _KEPT // (len(experts) * experts.columns.width))
        if min(most, len(train)) < _FEWEST:
            notes.append(f"counting: fewer than {_FEWEST:,} places to learn weights on: {self._best} alone is used")
        else:
            features, loss = self._cross_fitted(train, combine, most, progress)
            held_out = self._held_out(sample.head(max(1, most // 4)), combine) if len(sample) else None
            hidden = min(self.hidden, max(4, len(features) // 1000))
            even = Weigher.even(combine, features.shape[1], len(experts))
            with progress.task("weights", _EPOCHS * (len(features) // batch_of(len(features)))) as task:
                weigher, nats = even.fit(
                    features, loss, hidden, _EPOCHS, _RATE, self.seed, held_out, lambda: task.advance()
                )
            self._training |= {"places": len(features), "hidden": hidden, "validation_nats": nats}
            if held_out is not None:
                alone = float(held_out[1](single.raw(held_out[0]).float(), torch.arange(len(held_out[0]))))
                self._training["single_nats"] = alone / len(held_out[0])
                if not min(nats) < self._training["single_nats"]:
                    weigher = single
                    notes.append(f"counting: the weights did not gain on validation: {self._best} alone is used")
        self._notes = notes
        return weigher

    def _single(self, sample: Tokens, combine: Combine) -> Weigher:
        """All weight on the order that predicts `sample` best; on the highest where there is none."""
        experts = self.experts
        best = experts.orders.order - 1
        if len(sample):
            contexts = experts.contexts(sample.ids)[:, :-1]
            probs = experts.of_targets(contexts, torch.from_numpy(sample.ids.astype(np.int64)))
            best = int(probs[:, : experts.orders.order].log().mean(0).argmax())
        self._best = f"order {best + 1}"
        features = experts.features + (2 * len(experts) if combine == "log_linear" else 0)
        found = Weigher.even(combine, features, len(experts))
        found.out_bias = torch.full_like(found.out_bias, 0.0 if combine == "log_linear" else -60.0)
        found.out_bias[best] = 1.0 if combine == "log_linear" else 0.0
        return found

    def _cross_fitted(self, train: Tokens, combine: Combine, most: int, progress: Progress) -> tuple[Tensor, Loss]:
        """Of places spread over the training text, [n, f] features and the loss of their weights, each place by the
        counts of the text without its part."""
        size, columns = len(train), self.experts.columns
        folds = next((count for limit, count in _FOLDS if size <= limit), _LONG_FOLDS)
        share = _LONG_SHARE if folds == _LONG_FOLDS else 1 / folds
        generator = np.random.default_rng(self.seed)
        parts = []
        with progress.task("counts of the other parts", folds) as task:
            for start in (np.arange(folds) * size / folds).astype(np.int64).tolist():
                stop = min(size, start + max(1, int(share * size)))
                experts = self._counted(without(train, start, stop), columns)
                wanted = min(stop - start, max(1, most // folds))
                chosen = np.sort(generator.choice(stop - start, wanted, replace=False))
                targets = torch.from_numpy(train.ids[start + chosen].astype(np.int64))
                contexts = experts.contexts(train.ids[:stop], start)[:, torch.from_numpy(chosen)]
                parts += _weighed(experts, contexts, targets, combine)
                task.advance()
        return _joined(parts, combine, columns)

    def _held_out(self, sample: Tokens, combine: Combine) -> tuple[Tensor, Loss]:
        """The same of validation text, by the counts of all of the training text."""
        targets = torch.from_numpy(sample.ids.astype(np.int64))
        contexts = self.experts.contexts(sample.ids)[:, :-1]
        return _joined(_weighed(self.experts, contexts, targets, combine), combine, self.experts.columns)

    def _scores(self, weigher: Weigher, tokens: Tokens, task: Task | None) -> NDArray[np.float64]:
        experts = self.experts
        contexts = experts.contexts(tokens.ids)[:, :-1]
        targets = torch.from_numpy(tokens.ids.astype(np.int64))
        found = np.empty(len(tokens))

        def score(part: slice) -> None:
            here = contexts[:, part]
            if weigher.combine == "linear":
                probs = experts.of_targets(here, targets[part])
                found[part] = (weigher.weights(experts.known(here)) * probs).sum(1).log().numpy()
            else:
                nats = self._over_columns(weigher, here)
                found[part] = nats.gather(1, experts.columns.of_type[targets[part]][:, None])[:, 0].numpy()
            if task is not None:
                task.advance(part.stop - part.start)

        over_parts(score, list(experts.batches(len(tokens))), torch.device("cpu"))
        return found

    def _over_columns(self, weigher: Weigher, contexts: Tensor) -> Tensor:
        """[q, U] nats of one type of each column."""
        experts = self.experts
        probs = experts.distributions(contexts)
        if weigher.combine == "linear":
            weights = weigher.weights(experts.known(contexts))
            return torch.bmm(weights[:, None], probs)[:, 0].log()
        log_probs = logarithms(probs)
        weights = weigher.weights(_with_sureness(experts.known(contexts), log_probs))
        return log_linear(log_probs, weights, experts.columns.multiplicity.double().log())

    def _rows(self, contexts: Tensor) -> NDArray[np.float64]:
        """[q, V] nats."""
        found: NDArray[np.float64] = self._over_columns(self.weigher, contexts)[:, self.experts.columns.of_type].numpy()
        return found

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        with coarse_threads(), progress.task("scoring", len(tokens)) as task:
            scores = self._scores(self.weigher, tokens, task)
        return scores

    def next_log_probs(self, context: Context) -> NDArray[np.float64]:
        with coarse_threads():
            ids = np.asarray(context, dtype=np.int64)
            found: NDArray[np.float64] = self._rows(self.experts.contexts(ids, len(ids)))[0]
        return found

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[q, V] nats, see `model.base.Windowed`."""
        experts, found = self.experts, []
        end = experts.orders.end_of_text
        for window in windows:
            ends = np.flatnonzero(window == end)
            ids = window[ends[-1] + 1 :] if len(ends) else window
            contexts = experts.contexts(ids, len(ids))
            if not len(ends) and len(ids) < experts.orders.order - 1:
                contexts[len(ids) : experts.orders.order - 1] = -1  # what a document would have to begin before
            found.append(contexts)
        with coarse_threads():
            rows = self._rows(torch.cat(found, 1))
        return rows

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        contexts = self.experts.contexts(tokens.ids)[:, :-1]
        for part in self.experts.batches(len(tokens)):
            with coarse_threads():
                rows = self._rows(contexts[:, part])
            yield rows

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Count anew on `train`, with the weights that `fit` learnt."""
        with coarse_threads():
            self._experts = self._counted(train)
        self._describe(len(train))

    def _describe(self, tokens: int) -> None:
        experts = self.experts
        stored = sum(len(each.share) for each in (*experts.orders.top, *(m.shares for m in experts.maps)))
        self.card = ModelCard(
            parameters=None,
            stored_ngrams=stored + experts.columns.width,
            context=REACH,
            training={**self._training, "tokens": tokens},
            notes=self._notes,
        )

    def save(self, folder: Path) -> None:
        experts, weigher = self.experts, self.weigher
        save_tensors(folder / "counts.safetensors", {n: t.clone().contiguous() for n, t in experts.tensors().items()})
        save_tensors(folder / "weights.safetensors", weigher.tensors())
        state = {
            "order": self._make.order, "base": self._make.base, "contexts": list(experts.kinds),
            "combine": weigher.combine, "notes": self._notes, "training": self._training, "hidden": self.hidden,
        }  # fmt: skip
        (folder / "counting.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "counting.json"
        with files.whole(path, "counting model"):
            state = files.read_json(path)
            fitted = cls(hidden=files.whole_number(state, "hidden", 1, 4096))
            combine = files.field(state, "combine", str)
            if combine not in _DTYPE:
                raise ValueError(f"combine is {combine!r}")
            kinds = {name: KINDS[name] for name in files.field(state, "contexts", list)}
            order = files.whole_number(state, "order", 1, MAX_ORDER)
            base = files.whole_number(state, "base", 1, MAX_ORDER)
            fitted._make = Make(order, kinds, base, _DTYPE[combine])
            fitted._notes = [str(note) for note in files.field(state, "notes", list)]
            fitted._training = files.field(state, "training", dict)
        path = folder / "counts.safetensors"
        with files.whole(path, "counting model"):
            fitted._experts = Experts.read(files.read_tensors(path), fitted._make)
        path = folder / "weights.safetensors"
        with files.whole(path, "counting model"):
            experts = fitted._experts
            features = experts.features + (2 * len(experts) if combine == "log_linear" else 0)
            fitted._weigher = Weigher.read(combine, files.read_tensors(path), features, len(experts))
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted


_DTYPE = {"log_linear": torch.float32, "linear": torch.float64}  # of shares: a sum of products is normalised, a sum not


def _weighed(experts: Experts, contexts: Tensor, targets: Tensor, combine: Combine) -> list[tuple[Tensor, ...]]:
    """Of some places, in pieces: features [q, f], what is weighed ([q, m, U] half-precision nats, or [q, m] nats of the
    token that came), and its column [q]."""

    def of(part: slice) -> tuple[Tensor, ...]:
        here, columns = contexts[:, part], experts.columns.of_type[targets[part]]
        if combine == "linear":
            return experts.known(here), experts.of_targets(here, targets[part]).log().float(), columns
        log_probs = logarithms(experts.distributions(here, torch.float32))
        return _with_sureness(experts.known(here), log_probs), log_probs.half(), columns

    return over_parts(of, list(experts.batches(len(targets))), torch.device("cpu"))


def _joined(parts: list[tuple[Tensor, ...]], combine: Combine, columns: Columns) -> tuple[Tensor, Loss]:
    features, values, targets = (torch.cat(each) for each in zip(*parts, strict=True))
    return features, _LogLinearLoss(values, targets, columns) if combine == "log_linear" else _LinearLoss(values)


def _with_sureness(known: Tensor, log_probs: Tensor) -> Tensor:
    """[q, f + 2 m]: beside what is known of the contexts, the entropy in nats of each distribution, `log_probs`
    [q, m, U], and its largest logarithm."""
    entropy = -(log_probs.exp() * log_probs).sum(2)
    return torch.cat([known.to(log_probs.dtype), entropy, log_probs.amax(2)], 1)


class _LogLinearLoss:
    """Nats of the columns that came, summed over some places, under a product."""

    def __init__(self, log_probs: Tensor, targets: Tensor, columns: Columns) -> None:
        self.log_probs, self.targets = log_probs, targets
        self.log_multiplicity = columns.multiplicity.float().log()

    def __call__(self, weights: Tensor, places: Tensor) -> Tensor:
        nats = log_linear(self.log_probs[places].float(), weights, self.log_multiplicity)
        return -nats.gather(1, self.targets[places][:, None]).sum()


class _LinearLoss:
    """Nats of the tokens that came, summed over some places, under a sum; `log_probs`: [n, m] of each."""

    def __init__(self, log_probs: Tensor) -> None:
        self.log_probs = log_probs

    def __call__(self, log_weights: Tensor, places: Tensor) -> Tensor:
        return -(log_weights + self.log_probs[places]).logsumexp(1).sum()
