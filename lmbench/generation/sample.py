"""Draw tokens one after the other from what a model predicts, for many texts side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.errors import LmbenchError
from lmbench.generation.sampler import Sampler
from lmbench.model.base import Model, Scores, start, step_on_device

_AHEAD = 256  # random numbers of a text that are drawn together
_SCORES = 1 << 24  # scores of all texts that are held at once


@dataclass(frozen=True, eq=False)
class Drawn:
    """One more token of each of q texts. `ids`: [q]; `nats`: [q] -ln p of each under the model itself, whatever it was
    drawn from; `entropy`: [q] nats, of the model's distribution that it comes from."""

    ids: NDArray[np.int64]
    nats: NDArray[np.float64]
    entropy: NDArray[np.float64]


def draw_texts(
    model: Model,
    prompt: NDArray[np.integer[Any]],
    tokens: int,
    end_of_text: int,
    *,
    count: int = 1,
    first: int = 0,
    seed: int = 0,
    sampler: Sampler | None = None,
    entropies: bool = False,
) -> Iterator[Drawn]:
    """`tokens` times one more token of each of `count` texts that continue `prompt` [m].

    After an end-of-text id the next document begins, with an empty context; a model that remembers earlier documents
    is told what was drawn. Text number i, counted from `first`, has random numbers of its own, from `seed` and i, so
    that it is the same however many are drawn with it (a net's as far as its sums do not depend on the batch).
    `entropies`: whether they are asked for; else they are 0.

    Raises LmbenchError where a model gives every token probability zero.
    """
    sampler = sampler or Sampler()
    generators = [np.random.default_rng((seed, first + number)) for number in range(count)]
    read = np.append(end_of_text, prompt).astype(np.int64)
    state = start(model, count, end_of_text)
    following = np.repeat(read[None], count, axis=0)
    said: Tensor | None = None
    for number in range(tokens):
        if number % _AHEAD == 0:
            uniforms = np.stack([generator.random(min(_AHEAD, tokens - number)) for generator in generators], axis=1)
        scores, state = step_on_device(model, following, state)
        with torch.inference_mode():
            log_probs = _tensor(scores)
            if sampler.repetition_penalty != 1 and said is None:
                said = torch.zeros_like(log_probs, dtype=torch.bool)
                said[:, torch.from_numpy(read[1:]).to(said.device)] = True
            uniform = torch.from_numpy(uniforms[number % _AHEAD]).to(log_probs.device)
            chosen = sampler.draw(log_probs, uniform, said)
            own = log_probs.gather(1, chosen[:, None])
            if said is not None:
                said.scatter_(1, chosen[:, None], True)
            entropy = _entropy(log_probs) if entropies else torch.zeros_like(own[:, 0])
            ids, nats, of = chosen.cpu().numpy(), -own[:, 0].cpu().numpy(), entropy.cpu().numpy()
        if not np.isfinite(nats).all():
            raise LmbenchError(
                "after some context the model gives every token probability zero, so that none can be drawn; take a "
                "smoothed model"
            )
        yield Drawn(ids, nats, of)
        following = ids[:, None]


def together(vocabulary: int) -> int:
    """How many texts may be drawn side by side."""
    return max(1, _SCORES // vocabulary)


def sample(
    model: Model,
    prompt: NDArray[np.integer[Any]],
    tokens: int,
    end_of_text: int,
    *,
    seed: int = 0,
    sampler: Sampler | None = None,
) -> Iterator[int]:
    """`tokens` ids that continue `prompt` [m], one at a time: the first text of `draw_texts`."""
    for drawn in draw_texts(model, prompt, tokens, end_of_text, seed=seed, sampler=sampler):
        yield int(drawn.ids[0])


def draw(log_probs: NDArray[np.float64], generator: np.random.Generator, sampler: Sampler | None = None) -> int:
    """One id from `log_probs` [V] in nats."""
    uniform = torch.tensor([generator.random()], dtype=torch.float64)
    return int((sampler or Sampler()).draw(torch.from_numpy(log_probs)[None], uniform)[0])


def _tensor(scores: Scores) -> Tensor:
    return torch.from_numpy(scores) if isinstance(scores, np.ndarray) else scores


def _entropy(log_probs: Tensor) -> Tensor:
    """[q] nats; a token of probability zero adds nothing."""
    return -(log_probs.exp() * log_probs.clamp(min=-1e4)).sum(1)
