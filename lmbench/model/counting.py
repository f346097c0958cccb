"""The strongest model from counts alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench import files
from lmbench.counts.ngrams import MAX_ORDER
from lmbench.counts.parallel import coarse_threads, over_parts
from lmbench.disk import save_tensors
from lmbench.errors import LmbenchError, UsageError
from lmbench.model._context_maps import KINDS, REACH, by_character, kinds_for
from lmbench.model._cross_fitting import joined, most_places, part_of, weighed, windows_before, with_sureness
from lmbench.model._experts import Experts, Make, Places, without
from lmbench.model._weigher import Combine, Loss, Weigher, batch_of, log_linear, logarithms
from lmbench.model.base import Context, ModelCard
from lmbench.model.suffix import Suffix
from lmbench.progress import Progress, Silent, Task
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens

__all__ = ["Counting"]

_ORDERS = {True: 12, False: 6}  # by whether tokens are single characters
_BASES = {True: 3, False: 1}  # the order on whose distribution a context of another kind rests
_MOST_TYPES = 512  # that occur, up to which `combine=auto` is log-linear; of more, where the text is no longer than
_MOST_TOKENS = 2_000_000
_AFFORDABLE = 16_384  # types, up to which log-linear is accepted
_PLACES = {"log_linear": 300_000, "linear": 1_000_000}  # of the training text that they are trained on, at most
_EPOCHS = 6
_RATE = 3e-3
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
        combine: log_linear multiplies the distributions and linear adds them; auto: log_linear for up to 512 types, and
            up to 16,384 in a text of up to 2,000,000 tokens
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
        few = types <= _MOST_TYPES or (types <= _AFFORDABLE and len(train) <= _MOST_TOKENS)
        combine: Combine = "log_linear" if few else "linear"
        if self.combine_option != "auto":
            combine = self.combine_option
        self._make = Make(order, kinds, _BASES[character], _DTYPE[combine])
        with coarse_threads():
            suffix = Suffix("pitman_yor").fit(train, valid, progress) if self.contexts_option == "all" else None
            self._experts = Experts.of(train, self._make, suffix)
            self._weigher = self._fitted(train, valid, combine, progress)
        self._describe(len(train))
        return self

    def _fitted(self, train: Tokens, valid: Tokens, combine: Combine, progress: Progress) -> Weigher:
        """The weights, by cross-fitting; those of a single model where that is better on validation."""
        experts, notes = self.experts, []
        sample = valid.head(_CHECKED)
        single = self._single(sample, combine)
        weigher = single
        self._training: dict[str, Any] = {"combine": combine, "distributions": experts.names}
        most = self.places or _PLACES[combine]
        if combine == "log_linear":
            most = min(most, most_places(experts))
        if min(most, len(train)) < _FEWEST:
            notes.append(f"counting: fewer than {_FEWEST:,} places to learn weights on: {self._best} alone is used")
        else:
            features, loss = self._cross_fitted(train, combine, most, progress)
            held_out = self._held_out(sample.head(max(1, most // 4)), combine) if len(sample) else None
            hidden = min(self.hidden, max(4, len(features) // 1000))
            with progress.task("weights", _EPOCHS * (len(features) // batch_of(len(features)))) as task:
                weigher, nats = single.fit(
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
        """All weight on what predicts `sample` best; on the highest order where there is none."""
        experts = self.experts
        best = experts.orders.order - 1
        if len(sample):
            places = next(places for _, places in self._over(sample, rows=False))
            probs = experts.of_targets(places, torch.from_numpy(sample.ids.astype(np.int64)))
            best = int(probs.log().mean(0).argmax())
        self._best = experts.names[best]
        features = experts.features + (2 * len(experts) if combine == "log_linear" else 0)
        return Weigher.single(combine, features, len(experts), best)

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
                rest = without(train, start, stop)
                suffix = None if self.experts.suffix is None else self.experts.suffix.anew(rest, progress)
                experts = Experts.of(rest, self._make, suffix, columns)
                wanted = min(stop - start, max(1, most // folds))
                chosen = np.sort(generator.choice(stop - start, wanted, replace=False))
                targets = torch.from_numpy(train.ids[start + chosen].astype(np.int64))
                places = experts.places(train.ids[:stop], start).part(torch.from_numpy(chosen))
                if suffix is not None and combine == "linear":
                    scores = suffix.log_probs(part_of(train, start, stop), progress)[-(stop - start) :][chosen]
                    places = replace(places, suffix_targets=torch.from_numpy(scores).exp())
                elif suffix is not None:
                    rows = suffix.window_log_probs(windows_before(train, start + chosen))
                    places = replace(places, suffix_rows=experts.rows_of(rows).float())
                parts += weighed(experts, places, targets, combine)
                task.advance()
        return joined(parts)

    def _held_out(self, sample: Tokens, combine: Combine) -> tuple[Tensor, Loss]:
        """The same of validation text, by the counts of all of the training text."""
        targets = torch.from_numpy(sample.ids.astype(np.int64))
        parts = []
        for at, places in self._over(sample, rows=combine == "log_linear"):
            parts += weighed(self.experts, places, targets[at : at + len(places)], combine)
        return joined(parts)

    def _over(self, tokens: Tokens, rows: bool) -> Iterator[tuple[int, Places]]:
        """The places of a text, with the suffix model's `rows` or else its probabilities of the tokens, in stretches:
        the offset of each, and its places."""
        experts = self.experts
        places = experts.places(tokens.ids).part(slice(0, len(tokens)))
        if experts.suffix is None:
            yield 0, places
        elif not rows:
            targets = torch.from_numpy(experts.suffix.log_probs(tokens, Silent())).exp()
            yield 0, replace(places, suffix_targets=targets)
        else:
            at = 0
            for block in experts.suffix.stretches(tokens):
                here = places.part(slice(at, at + len(block)))
                yield at, replace(here, suffix_rows=experts.rows_of(block))
                at += len(block)

    def _scores(self, weigher: Weigher, tokens: Tokens, task: Task | None) -> NDArray[np.float64]:
        experts = self.experts
        targets = torch.from_numpy(tokens.ids.astype(np.int64))
        found = np.empty(len(tokens))
        for at, places in self._over(tokens, rows=weigher.combine == "log_linear"):

            def score(part: slice, at: int = at, places: Places = places) -> None:
                here, of = places.part(part), slice(at + part.start, at + part.stop)
                if weigher.combine == "linear":
                    probs = experts.of_targets(here, targets[of])
                    found[of] = (weigher.weights(experts.known(here)) * probs).sum(1).log().numpy()
                else:
                    nats = self._over_columns(weigher, here)
                    found[of] = nats.gather(1, experts.columns.of_type[targets[of]][:, None])[:, 0].numpy()
                if task is not None:
                    task.advance(part.stop - part.start)

            over_parts(score, list(experts.batches(len(places))), torch.device("cpu"))
        return found

    def _over_columns(self, weigher: Weigher, places: Places) -> Tensor:
        """[q, U] nats of one type of each column."""
        experts = self.experts
        probs = experts.distributions(places)
        if weigher.combine == "linear":
            weights = weigher.weights(experts.known(places))
            return torch.bmm(weights[:, None], probs)[:, 0].log()
        log_probs = logarithms(probs)
        weights = weigher.weights(with_sureness(experts.known(places), log_probs))
        return log_linear(log_probs, weights, experts.columns.multiplicity.double().log())

    def _rows(self, places: Places) -> NDArray[np.float64]:
        """[q, V] nats."""
        found: NDArray[np.float64] = self._over_columns(self.weigher, places)[:, self.experts.columns.of_type].numpy()
        return found

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        with coarse_threads(), progress.task("scoring", len(tokens)) as task:
            scores = self._scores(self.weigher, tokens, task)
        return scores

    def next_log_probs(self, context: Context) -> NDArray[np.float64]:
        with coarse_threads():
            ids, suffix = np.asarray(context, dtype=np.int64), self.experts.suffix
            rows = None if suffix is None else self.experts.rows_of(suffix.next_log_probs(ids)[None])
            places = replace(self.experts.places(ids, len(ids)), suffix_rows=rows)
            found: NDArray[np.float64] = self._rows(places)[0]
        return found

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[q, V] nats, see `model.base.Windowed`."""
        experts, contexts, known = self.experts, [], []
        end, order = experts.orders.end_of_text, experts.orders.order
        with coarse_threads():
            for window in windows:
                ends = np.flatnonzero(window == end)
                ids = window[ends[-1] + 1 :] if len(ends) else window
                place = experts.places(ids, len(ids))
                if not len(ends) and len(ids) < order - 1:
                    place.contexts[len(ids) : order - 1] = -1  # what a document would have to begin before
                contexts.append(place.contexts)
                known.append(place.suffix_known)
            places = Places(torch.cat(contexts, 1))
            if experts.suffix is not None:
                rows = experts.rows_of(experts.suffix.window_log_probs(windows))
                places = Places(places.contexts, torch.cat([each for each in known if each is not None]), rows)
            found = self._rows(places)
        return found

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        for _, places in self._over(tokens, rows=True):
            for part in self.experts.batches(len(places)):
                with coarse_threads():
                    rows = self._rows(places.part(part))
                yield rows

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Count anew on `train`, with the weights that `fit` learnt."""
        with coarse_threads():
            suffix = None if self.experts.suffix is None else self.experts.suffix.anew(train, progress)
            self._experts = Experts.of(train, self._make, suffix)
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
        if experts.suffix is not None:
            (folder / "suffix").mkdir()
            experts.suffix.save(folder / "suffix")
        save_tensors(folder / "counts.safetensors", {n: t.clone().contiguous() for n, t in experts.tensors().items()})
        save_tensors(folder / "weights.safetensors", weigher.tensors())
        state = {
            "order": self._make.order, "base": self._make.base, "contexts": list(experts.kinds),
            "combine": weigher.combine, "notes": self._notes, "training": self._training, "hidden": self.hidden,
            "suffix": experts.suffix is not None,
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
            with_suffix = files.field(state, "suffix", bool)
        suffix = Suffix.load(files.inside(folder, "suffix")) if with_suffix else None
        path = folder / "counts.safetensors"
        with files.whole(path, "counting model"):
            fitted._experts = Experts.read(files.read_tensors(path), fitted._make, suffix)
        path = folder / "weights.safetensors"
        with files.whole(path, "counting model"):
            experts = fitted._experts
            features = experts.features + (2 * len(experts) if combine == "log_linear" else 0)
            fitted._weigher = Weigher.read(combine, files.read_tensors(path), features, len(experts))
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted


_DTYPE = {"log_linear": torch.float32, "linear": torch.float64}  # of shares: a sum of products is normalised, a sum not
