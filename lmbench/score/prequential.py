"""Prequential code length: code a block with what was learnt before it, then learn it.

The total is the length of a code for the whole text that a decoder can follow, because everything that a block's
probabilities depend on was sent before it. It holds the cost of learning, which a cross-entropy on held-out text
leaves out, and stands beside what a compressor makes of the same text (Dawid 1984; Blier & Ollivier 2018, where
networks are retrained at data sizes that double).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.model import models
from lmbench.model.base import Model, Refittable
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.spec import Spec
from lmbench.tokens import Tokens

FIRST = 64  # tokens: the first block is as long as this, up to twice
_VALIDATION = 10  # the last tenth of what is known chooses the settings

# (all but the last tenth of what is known, that tenth, all of it, this block's share of the cost) -> a fitted model
Learner = Callable[[Tokens, Tokens, Tokens, float], Model]


@dataclass(frozen=True, eq=False)
class PrequentialCode:
    """`bounds`: [B + 1] where the blocks begin and end. `log_probs`: [n] nats, of each token given all before it.

    `seconds`: [B] what fitting and coding each block took; the first needs no model.
    """

    bounds: NDArray[np.int64]
    log_probs: NDArray[np.float64]
    seconds: list[float]

    @property
    def nats(self) -> NDArray[np.float64]:
        """[B] the code length of each block."""
        return -np.add.reduceat(self.log_probs, self.bounds[:-1])


def block_bounds(length: int, blocks: int | None = None) -> NDArray[np.int64]:
    """[B + 1] ends of blocks over `length` tokens, in geometric progression.

    By default they double, the last being half of the text: 1,000 tokens give 0, 125, 250, 500, 1000. With
    `blocks` there are that many (fewer in a short text) between the same first one and the end.
    """
    halvings = max(0, int(math.log2(max(1, length) / FIRST)))
    ends = [-(-length // 2**power) for power in range(halvings, -1, -1)]
    if blocks is not None and blocks > 1:
        ends = np.rint(np.geomspace(ends[0], length, blocks)).astype(np.int64).tolist()
    return np.unique(np.array([0, *(ends if blocks != 1 else [length])], dtype=np.int64))


def prequential_code(
    learn: Learner, text: Tokens, bounds: NDArray[np.int64], progress: Progress, name: str = "prequential code"
) -> PrequentialCode:
    """Code `text` block by block, each with a model that `learn` fits on all before the block.

    The first block takes ln V nats a token. A token's context reaches back into what was learnt, as far as its
    document goes, or to the beginning of the text for a model that remembers earlier documents. `learn` is told which
    share of the tokens of all fits is in this one, so that a budget can be divided. Raises LmbenchError for an empty
    text, for scores that are no distribution, and for a token of probability zero, which has no code.

    Worked example: 2 types, blocks of 2 and 2 tokens, and a model which learns that the next token is 0 with
    probability 1/4: the text 0 1 | 1 0 takes 1 + 1 + 0.415 + 2 = 4.415 bits.
    """
    if not len(text):
        raise LmbenchError("prequential code: the text has no tokens; give a longer text")
    log_probs = np.full(len(text), -math.log(len(text.vocabulary)))
    known = bounds[1:-1].sum()
    seconds = [0.0]
    with progress.task(name, float(known)) as task:
        for start, stop in pairwise(bounds[1:].tolist()):
            began = time.perf_counter()
            past = text.head(start)
            held = max(1, start // _VALIDATION)
            model = learn(past.head(start - held), past.tail(held), past, start / known)
            if not model.card.distribution:
                raise LmbenchError("its scores are no distribution, so that there is no code of their length")
            reach = 0 if model.card.remembers else start
            document = int(text.documents[np.searchsorted(text.documents, reach, "right") - 1])
            scored = model.log_probs(text.head(stop).tail(stop - document), progress)
            log_probs[start:stop] = scored[start - document :]
            _check(log_probs[start:stop], start)
            seconds.append(time.perf_counter() - began)
            task.advance(start)
            task.show(f"{-log_probs[start:stop].mean() / math.log(2):.3f} bits/token up to token {stop:,}")
    return PrequentialCode(bounds, log_probs, seconds)


def learner(spec: Spec, runtime: Runtime, progress: Progress) -> Learner:
    """Fits `spec` anew for every block; of the budget in `runtime` each fit has the share of the tokens that it is on.

    What `learn` then raises LmbenchError for: what fitting raises it for, and a model that has no code block by block.
    """

    def learn(train: Tokens, valid: Tokens, past: Tokens, share: float) -> Model:
        seconds, tokens = runtime.train_seconds, runtime.train_tokens
        part = replace(
            runtime,
            train_seconds=None if seconds is None else seconds * share,
            train_tokens=None if tokens is None else max(1, int(tokens * share)),
        )
        made: Model = models.make(spec, runtime=part)
        model = made.fit(train, valid, progress)
        if model.card.own_tokens:
            raise LmbenchError(
                f"{spec} predicts tokens of its own, which no block cuts: it has no prequential code; --protocol "
                "static scores it"
            )
        if isinstance(model, Refittable):
            model.refit(past, progress)
        return model

    return learn


def _check(log_probs: NDArray[np.float64], start: int) -> None:
    if np.isnan(log_probs).any() or bool((log_probs > 1e-4).any()):
        raise LmbenchError(f"a token from {start:,} on has no log-probability: the model has diverged, or is wrong")
    impossible = np.flatnonzero(np.isneginf(log_probs))
    if len(impossible):
        raise LmbenchError(
            f"token {start + int(impossible[0]):,} has probability zero, and so no code: take a model that is smoothed"
        )
