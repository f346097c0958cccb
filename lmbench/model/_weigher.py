"""Weights of distributions from what is known of each context: a small net with one hidden layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmbench import files

Combine = Literal["log_linear", "linear"]
Loss = Callable[[Tensor, Tensor], Tensor]
_FAR = 5.0  # standard deviations from the mean beyond which a feature says no more
_BATCH = 1024
_LARGEST = 1e9  # of a number that is read
_LEAST = 1e-12  # of a probability whose logarithm is weighed


@dataclass(eq=False)
class Weigher:
    """Weights of m distributions from f features: W2 relu(W1 x + b1) + b2, x standardised.

    linear: p = sum of softmax(weights)_k p_k. log_linear: p = product of p_k ^ weight_k, divided by its sum over the
    types; weights may be negative.
    """

    combine: Combine
    centre: Tensor
    scale: Tensor
    hidden_weight: Tensor
    hidden_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor

    @classmethod
    def single(cls, combine: Combine, features: int, models: int, best: int) -> Weigher:
        """Nearly all weight on one of the models, whatever the features: 1 for a product, 0.9 for a sum."""
        zero = torch.zeros(features, dtype=torch.float64)
        bias = torch.zeros(models, dtype=torch.float64)
        bias[best] = 1.0 if combine == "log_linear" else math.log(9.0 * max(1, models - 1))
        out = torch.zeros(models, 1, dtype=torch.float64)
        return cls(combine, zero, zero + 1, torch.zeros(1, features, dtype=torch.float64), zero.new_zeros(1), out, bias)

    def weights(self, features: Tensor) -> Tensor:
        """[q, m] float64; of a linear one they are positive and sum to one."""
        raw = self.raw(features)
        return raw.exp() if self.combine == "linear" else raw

    def raw(self, features: Tensor) -> Tensor:
        """[q, m] float64: weights, and logarithms of weights for a linear one."""
        x = ((features.double() - self.centre) / self.scale).clamp(-_FAR, _FAR)
        raw = F.linear(F.relu(F.linear(x, self.hidden_weight, self.hidden_bias)), self.out_weight, self.out_bias)
        return raw.log_softmax(1) if self.combine == "linear" else raw

    def tensors(self) -> dict[str, Tensor]:
        names = ("centre", "scale", "hidden_weight", "hidden_bias", "out_weight", "out_bias")
        return {name: getattr(self, name).contiguous() for name in names}

    @classmethod
    def read(cls, combine: Combine, tensors: dict[str, Tensor], features: int, models: int) -> Weigher:
        """What `tensors` gave, of so many features and models. Raises ValueError or LookupError else."""
        hidden = len(tensors["hidden_bias"])
        shapes = {
            "centre": (features,), "scale": (features,), "hidden_weight": (hidden, features), "hidden_bias": (hidden,),
            "out_weight": (models, hidden), "out_bias": (models,),
        }  # fmt: skip
        for name, shape in shapes.items():
            if tensors[name].shape != shape or tensors[name].dtype != torch.float64:
                raise ValueError(f"{name} is {tensors[name].dtype} of {tuple(tensors[name].shape)}")
            files.within(tensors[name].reshape(-1), -_LARGEST, _LARGEST, name)
        if bool((tensors["scale"] <= 0).any()):
            raise ValueError("a scale that is not above 0")
        return cls(combine, **{name: tensors[name] for name in shapes})

    def fit(
        self,
        features: Tensor,
        loss: Loss,
        hidden: int,
        epochs: int,
        rate: float,
        seed: int,
        held_out: tuple[Tensor, Loss] | None,
        on_step: Callable[[], None],
    ) -> tuple[Weigher, list[float]]:
        """The net that is trained on n places from these weights, as it was after the epoch of least nats on
        `held_out`; and these, nats by place.

        `features`: [n, f]; `loss(weights [b, m], places [b])`: nats, summed; the weights of a linear one are logarithms
        of weights. AdamW with one rise and fall of its rate.
        """
        models, size = len(self.out_bias), len(features)
        centre, scale = features.double().mean(0), features.double().std(0, correction=0)
        scale = torch.where(scale < 1e-6, 1.0, scale)

        def inputs(values: Tensor) -> Tensor:
            return ((values - centre) / scale).clamp(-_FAR, _FAR).float()

        x, best, found = inputs(features), self, []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            first, last = nn.Linear(features.shape[1], hidden), nn.Linear(hidden, models)
            net = nn.Sequential(first, nn.ReLU(), last)
            nn.init.zeros_(last.weight)
            with torch.no_grad():
                last.bias.copy_(self.out_bias)
            batch = batch_of(size)
            optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)
            steps = epochs * (size // batch)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)

            def nats(inputs: Tensor, places: Tensor, of: Loss) -> Tensor:
                raw = net(inputs)
                return of(raw.log_softmax(1) if self.combine == "linear" else raw, places) / len(places)

            for _ in range(epochs):
                order = torch.randperm(size)
                for start in range(0, size - batch + 1, batch):
                    places = order[start : start + batch]
                    optimiser.zero_grad()
                    nats(x[places], places, loss).backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    schedule.step()
                    on_step()
                if held_out is not None:
                    found.append(self._held_out(nats, inputs(held_out[0]), held_out[1]))
                if held_out is None or found[-1] == min(found):
                    parts = (first.weight, first.bias, last.weight, last.bias)
                    best = Weigher(self.combine, centre, scale, *(part.detach().double().clone() for part in parts))
        return best, found

    @staticmethod
    def _held_out(nats: Callable[[Tensor, Tensor, Loss], Tensor], x: Tensor, loss: Loss) -> float:
        total = 0.0
        with torch.no_grad():
            for places in torch.split(torch.arange(len(x)), _BATCH):
                total += float(nats(x[places], places, loss)) * len(places)
        return total / len(x)


def batch_of(size: int) -> int:
    """Places in a step of training on `size` places: 128 to 1,024, and 256 steps to an epoch where that allows it."""
    return max(1, min(_BATCH, size, max(128, size // 256)))


def log_linear(log_probs: Tensor, weights: Tensor, log_multiplicity: Tensor) -> Tensor:
    """[q, U] nats of one type of each column: sum over k of weights [q, m] times log_probs [q, m, U], normalised over
    types, of which column u has exp(log_multiplicity[u])."""
    scores = torch.bmm(weights[:, None], log_probs)[:, 0]
    return scores - (scores + log_multiplicity).logsumexp(1, keepdim=True)


def logarithms(probs: Tensor) -> Tensor:
    return probs.clamp(min=_LEAST).log()
