"""The options that every net shares: how it is trained and scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lmbench.errors import UsageError
from lmbench.net.base import in_range

__all__ = ["Training"]


@dataclass(frozen=True)
class Training:
    """How a net is trained, and the stride it is scored with.

    Args:
        steps: optimiser steps to take; none: as many as the run's budget of seconds or tokens allows.
        batch: tokens in a step, a whole number of rows of `context`; none: what suits the device and the text.
        learning_rate: size of a step of Muon, for the hidden matrices; AdamW's, for embeddings and vectors, is three
            times as large.
        head_rate: size of a step of AdamW for the output layer, as a multiple of learning_rate; none: 3 to 0.1, less
            the more often the text is read (an LSTM's: 3).
        weight_decay: how strongly the hidden matrices are pulled towards zero at each step.
        label_noise: share of the training targets replaced by random ids, against overfitting or to measure it.
        shuffled: train on the training tokens in random order, to the end of the budget: its loss on them is what the
            net has learnt by heart (Zhang et al. 2017); a control, that no other row is compared with.
        warmup: share of the budget over which the learning rate rises.
        decay: share of the budget, at its end, over which the learning rate falls to zero.
        clip: largest norm of the gradient; longer ones are scaled down to it.
        patience: validations without a gain after which training comes to its end early.
        precision: of the multiplications in training; auto: bfloat16 where the processor has instructions for it,
            float32 elsewhere; scoring is always in float32.
        compile: fuse the net with torch.compile; none: on a GPU, for budgets of three minutes and more.
        stride: how far the window slides when a text is scored; none: half the context.
    """

    steps: int | None = None
    batch: int | None = None
    learning_rate: float = 0.01
    head_rate: float | None = None
    weight_decay: float = 0.1
    label_noise: float = 0.0
    shuffled: bool = False
    warmup: float = 0.02
    decay: float = 0.6
    clip: float = 1.0
    patience: int = 5
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool | None = None
    stride: int | None = None

    def __post_init__(self) -> None:
        in_range(1, None, steps=self.steps, batch=self.batch, patience=self.patience, stride=self.stride)
        in_range(0, None, learning_rate=self.learning_rate, head_rate=self.head_rate, weight_decay=self.weight_decay)
        if not self.clip > 0:
            raise UsageError(f"clip must be more than 0, not {self.clip:g}: no step would be taken")
        in_range(0, 1, label_noise=self.label_noise, warmup=self.warmup, decay=self.decay)
