"""As nanoGPT's `estimate_loss` does it."""

from __future__ import annotations

import math

import numpy as np

from lmbench.errors import LmbenchError
from lmbench.net.base import in_range
from lmbench.progress import Progress
from lmbench.score.protocol.base import Figure, Found, Measured, piece_log_probs, without_ends

__all__ = ["Nanogpt"]


class Nanogpt:
    """nanoGPT's `estimate_loss`: the mean over `iterations` batches of `batch` crops, drawn at random places of the
    text, of the loss on `block_size` tokens, each predicted from those before it in its crop. Documents follow one
    another without an end between them.

    nanoGPT draws other places at each evaluation, and its log's "best" is the lowest of some twenty such means.

    Args:
        block_size: tokens of a crop that are predicted; none: what the model can look back on, 1,024 where that has no
            end.
        batch: crops in a batch.
        iterations: batches, nanoGPT's eval_iters.
        seed: of the places.
    """

    conventions = (
        "nanoGPT: random crops of block_size tokens, all of whose tokens count, the first of them predicted from one "
        "token; no document ends; what its log calls best is the lowest of many such means on this text"
    )

    def __init__(self, block_size: int | None = None, batch: int = 64, iterations: int = 200, seed: int = 1337) -> None:
        in_range(1, None, block_size=block_size, batch=batch, iterations=iterations)
        in_range(0, None, seed=seed)
        self.block_size, self.batch, self.iterations, self.seed = block_size, batch, iterations, seed

    def measure(self, measured: Measured, progress: Progress) -> Found:
        own = measured.own
        lines = own.vocabulary.lines  # whose ends are characters of the text
        text = (own.ids if lines else without_ends(own)).astype(np.int64)
        size = self.block_size or measured.window
        if len(text) <= size:
            raise LmbenchError(
                f"{measured.name}: the text has {len(text):,} tokens, too few for a crop of {size:,}; give "
                f"nanogpt(block_size={max(1, len(text) // 2)})"
            )
        rng = np.random.default_rng(self.seed)
        starts = rng.integers(0, len(text) - size, self.batch * self.iterations)
        found = piece_log_probs(measured, [text[start : start + size + 1] for start in starts.tolist()], progress)
        losses = np.array([-float(each.mean()) for each in found]).reshape(self.iterations, self.batch).mean(axis=1)
        loss = float(losses.mean())
        if not math.isfinite(loss):
            return Found([Figure("loss", loss)], ["a crop holds a token of probability zero"])
        error = float(losses.std(ddof=1)) / math.sqrt(self.iterations) if self.iterations > 1 else math.nan
        if measured.model.card.own_tokens:
            return Found([Figure("loss", loss)], [f"by its own tokens, of which the text has {len(text):,}"])
        exact = -float(measured.log_probs.mean())
        inner = exact if lines else -float(measured.inner.mean())
        sentences = [
            f"documents' ends are not predicted: {inner - exact:+.4f} nats/token",
            f"crops of {size:,} tokens, each read from its own beginning: {loss - inner:+.4f} nats/token",
            f"of which chance: the mean of {self.iterations:,} batches of {self.batch:,} crops has a standard error of "
            f"{error:.4f}",
        ]
        return Found([Figure("loss", loss, exact)], sentences)
