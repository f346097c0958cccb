"""How a model of the run writes: the entropy of its own texts beside the cross-entropy that it was scored at."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np

from lmbench import store
from lmbench.errors import LmbenchError
from lmbench.pipeline.opened import load_model
from lmbench.progress import Progress
from lmbench.record import Drift, Row
from lmbench.score.writing import cost_of
from lmbench.tokens import Tokens

TEXTS, TOKENS = 32, 512  # texts of a model, and tokens of each
SECONDS = 60.0  # that a model writes at most: a slow one's texts are shorter


def with_drift(folder: Path, row: Row, test: Tokens, device: str, seed: int, progress: Progress) -> Row:
    """`row` with how its model writes, or a note that says why it does not."""
    try:
        return row.model_copy(update={"drift": drift_of(folder, row, test, device, seed, progress)})
    except LmbenchError as error:
        return row.model_copy(update={"notes": [*row.notes, f"no text of its own: {error}"]})


def drift_of(folder: Path, row: Row, test: Tokens, device: str, seed: int, progress: Progress) -> Drift | None:
    """`TEXTS` texts from the beginning of a document on, drawn from the model's own distribution; None for a row that
    is none, or whose tokens are its own.

    What a token costs is taken as the entropy of the distribution that it is drawn from: the mean of -ln p over what
    might have been drawn there, which has the same expectation as -ln p of what was, and varies less.
    """
    if not row.distribution or row.nats_per_token is None or row.control:
        return None
    from lmbench.generation.sample import draw_texts

    model = load_model(folder, row, device)
    found = []
    with progress.task(f"writing: {row.model}", TOKENS) as task:
        end = time.monotonic() + SECONDS
        for drawn in draw_texts(
            model, np.zeros(0, dtype=np.int64), TOKENS, test.vocabulary.end_of_text,
            count=TEXTS, seed=seed, entropies=True,
        ):  # fmt: skip
            found.append(drawn.entropy)
            task.advance()
            if time.monotonic() > end:
                break
    entropies = np.stack(found, axis=1)  # [texts, tokens]
    cost = cost_of(list(entropies))
    ends = [1 << power for power in range(int(math.log2(entropies.shape[1])) + 1)]
    means = [float(entropies[:, begin // 2 if begin > 1 else 0 : begin].mean()) for begin in ends]
    return Drift(
        texts=len(entropies),
        tokens=entropies.size,
        nats_per_token=cost.value,
        ci95_nats_per_token=cost.interval,
        scored_nats_per_token=_scored(folder, row, test),
        places=ends,
        nats=means,
    )


def _scored(folder: Path, row: Row, test: Tokens) -> float:
    """Nats per test token of the ids alone, without what the spelling beside them costs."""
    nats = -float(store.read_log_probs(folder, row).mean())
    beside = test.unknown_log_probs
    return nats if beside is None else nats + float(beside.mean())
