"""How long to train, and how fast to learn at each point of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from lmbench.runtime import Runtime

SECONDS = {"cpu": 45.0, "cuda": 60.0}  # of training in a run that sets no budget


@dataclass(frozen=True)
class Spent:
    """What training has cost so far."""

    tokens: int = 0
    seconds: float = 0.0
    flops: float = 0.0


@dataclass(frozen=True)
class Budget:
    """What training may cost; the limit that is reached first ends it. None: no limit of that kind."""

    tokens: int | None = None
    seconds: float | None = None
    flops: float | None = None

    @classmethod
    def of(cls, runtime: Runtime, steps: int | None, batch: int) -> Self:
        """So many steps of `batch` tokens; where that is None what the run allows, or a default of seconds."""
        if steps is not None:
            return cls(tokens=steps * batch)
        if runtime.train_seconds is None and runtime.train_tokens is None and runtime.train_flops is None:
            return cls(seconds=SECONDS[runtime.device])
        return cls(tokens=runtime.train_tokens, seconds=runtime.train_seconds, flops=runtime.train_flops)

    def fraction(self, spent: Spent) -> float:
        """The share that is used up, 1.0 or more at the end."""
        pairs = [(spent.tokens, self.tokens), (spent.seconds, self.seconds), (spent.flops, self.flops)]
        return max(used / limit if limit > 0 else 1.0 for used, limit in pairs if limit is not None)

    def tokens_at(self, flops_per_token: float) -> int | None:
        """The tokens that the limits of tokens and operations allow a net of this cost; None where there is neither.

        10^15 operations at 6 x 10^6 a token: 166,666,666 tokens.
        """
        by_flops = None if self.flops is None else int(self.flops / max(1.0, flops_per_token))
        return min((limit for limit in (self.tokens, by_flops) if limit is not None), default=None)


@dataclass(frozen=True)
class Schedule:
    """Warmup-stable-decay over the budget: the learning rate's factor at each fraction of it.

    Rises from 0 over `warmup`, stays at 1, and falls in a line to 0 over the last `decay` (Hu et al. 2024,
    MiniCPM, section 4.1; Haegele et al. 2024). `end` is 1, or less where training is told to come to an end early;
    `begin` is where the fall starts. `step` is the share that one step is expected to take: the rise has the rate of
    the step's end, so that the first step is not lost, nor all of a run that has only one.
    """

    warmup: float
    begin: float
    end: float = 1.0
    step: float = 0.0

    def factor(self, fraction: float) -> float:
        """Of the learning rate, between 0 and 1, at `fraction` of the budget."""
        past = fraction + self.step
        rise = past / self.warmup if past < self.warmup else 1.0
        fall = (self.end - fraction) / (self.end - self.begin) if fraction > self.begin else 1.0
        return max(0.0, min(rise, fall))

    def stop_early(self, fraction: float, learnt: float) -> Schedule:
        """Start to fall now, from weights that took the share `learnt` of the budget, and take as long for it as the
        whole schedule would after so long a time at the full rate."""
        length = learnt * (self.end - self.begin) / self.begin if self.begin else 0.0
        return replace(self, begin=fraction, end=min(self.end, fraction + length))
