"""Draw tokens one after the other from what a model predicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import UsageError
from lmbench.model.base import Model, next_log_probs


def sample(
    model: Model,
    prompt: NDArray[np.integer[Any]],
    count: int,
    end_of_text: int,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Iterator[int]:
    """`count` ids that continue `prompt` [m], one at a time.

    After an end-of-text id the next document begins, with an empty context; a model that remembers
    earlier documents is told what was drawn. Raises UsageError for settings that mean nothing.
    """
    if temperature < 0:
        raise UsageError(f"the temperature must be 0 (always the likeliest token) or more, not {temperature:g}")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top-k must be at least 1, not {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise UsageError(f"top-p must be above 0 and at most 1, not {top_p:g}")
    generator = np.random.default_rng(seed)
    context = np.zeros(len(prompt) + count, dtype=np.int64)
    context[: len(prompt)] = prompt
    start, end = 0, len(prompt)
    for _ in range(count):
        log_probs = next_log_probs(model, context[:start], context[start:end])
        chosen = draw(log_probs, generator, temperature, top_k, top_p)
        yield chosen
        context[end] = chosen
        end += 1
        if chosen == end_of_text:
            start = end


def draw(
    log_probs: NDArray[np.float64],
    generator: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> int:
    """One id from `log_probs` [V] in nats: scaled by 1/temperature, then cut to the `top_k` likeliest, then to
    the fewest of those that hold `top_p` of the probability (nucleus sampling: Holtzman et al. 2020).

    Ties are broken by the lower id, so that temperature 0 and top_k=1 are deterministic.

    Worked example: probabilities (0.5, 0.3, 0.2) at temperature 0.5 are proportional to
    (0.25, 0.09, 0.04); `top_p=0.6` of the first three leaves two, 0.625 and 0.375.
    """
    if temperature == 0:
        return int(np.argmax(log_probs))
    order = np.argsort(-log_probs, kind="stable")
    if top_k is not None:
        order = order[:top_k]
    scaled = log_probs[order] / temperature
    weights = np.exp(scaled - scaled[0])
    total = np.cumsum(weights)
    if top_p is not None:
        order = order[: int(np.searchsorted(total, top_p * total[-1], side="left")) + 1]
        total = total[: len(order)]
    place = int(np.searchsorted(total, generator.random() * total[-1], side="right"))
    return int(order[min(place, len(order) - 1)])
