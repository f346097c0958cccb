"""The minimal long short-term memory."""

from __future__ import annotations

import torch
from torch import Tensor

from lmbench.net._minimal import Minimal, positive

__all__ = ["MinLSTM"]


class MinLSTM(Minimal):
    """Minimal long short-term memory: its gates read the input alone, so that a whole row is computed at once.

    f = sigmoid(linear(x)), i = sigmoid(linear(x)), f' = f / (f + i), i' = i / (f + i),
    h[t] = f' h[t-1] + i' g(linear(x)) (Feng et al. 2024, arXiv 2410.01201, section 3.2, with the positive candidate g
    of appendix B), by a parallel scan in training and by the recurrence in generation.

    Args:
        layers: blocks; the paper needs three or more for its results; left out, more on a GPU.
        width: length of the vector at each place; left out, more on a GPU.
        expansion: length of the state, as a multiple of the width.
        back: tokens through which the gradient flows back in training; in scoring the state has no such limit.
        dropout: share of the activations set to zero in training; left out, 0 to 0.3 by how often the text is read.
    """

    gates = 3

    def __init__(
        self,
        vocabulary: int,
        layers: int = 3,
        width: int = 128,
        expansion: float = 2.0,
        back: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(vocabulary, layers, width, expansion, back, dropout)

    def cell(self, gated: Tensor) -> tuple[Tensor, Tensor]:
        forget, take, candidate = gated.chunk(3, dim=-1)
        # f / (f + i) in logarithms, where neither gate can underflow to 0 / 0
        keep = torch.sigmoid(torch.nn.functional.logsigmoid(forget) - torch.nn.functional.logsigmoid(take))
        return keep, (1 - keep) * positive(candidate)
