"""The first neural language model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmbench.net.base import Net, Setting, State, in_range, is_share, places

__all__ = ["Feedforward"]


class Feedforward(Net):
    """Feed-forward net over the last n-1 tokens: their embeddings side by side, one hidden layer, all next tokens.

    y = b + W x + U tanh(d + H x), x the n-1 embeddings (Bengio et al. 2003, equation 1).

    Args:
        context: tokens looked back on, n-1.
        width: length of a token's embedding.
        hidden: units of the hidden layer.
        direct: also W, from the embeddings straight to the output.
        dropout: share of the hidden units set to zero in training; left out, 0 to 0.3 by how often the text is read.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int = 8,
        width: int = 64,
        hidden: int = 512,
        direct: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        in_range(1, None, context=context, width=width, hidden=hidden)
        is_share(dropout=dropout)
        self.vocabulary, self.order, self.dropout = vocabulary, context + 1, dropout
        self.context, self.row = context, max(256, 8 * context)
        self.absent = vocabulary  # what stands before the beginning of a row or document
        self.embedding = nn.Embedding(vocabulary + 1, width)
        self.inner = nn.Linear(context * width, hidden)
        self.head = nn.Linear(hidden + (context * width if direct else 0), vocabulary)
        self.direct = direct
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.zeros_(self.head.weight)

    @classmethod
    def sizes(cls, setting: Setting, given: dict[str, Any]) -> dict[str, Any]:
        return {"dropout": setting.dropout} | ({} if setting.device == "cpu" else {"width": 128, "hidden": 2048})

    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        steps = torch.arange(ids.shape[1], device=ids.device)
        before = steps if documents is None else places(documents)  # ids there are before this one
        back = torch.arange(self.order - 1, device=ids.device)  # 0: the id itself
        at = (steps[:, None] - back).clamp_min(0)  # (T, n-1)
        return self._after(ids[:, at].masked_fill(before[..., None] < back, self.absent))

    def start(self, rows: int) -> State:
        shape = (1, rows, self.order - 1)
        return (torch.full(shape, self.absent, dtype=torch.int64, device=self.head.weight.device),)

    def run(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        read = torch.cat([state[0][0], ids], dim=1)
        last = read.unfold(1, self.order - 1, 1)[:, 1:].flip(2)
        return self._after(last), (read[None, :, -(self.order - 1) :],)

    def _after(self, last: Tensor) -> Tensor:
        """[B, T, n-1] the ids at each place, the place's own first -> [B, T, C]."""
        x = self.embedding(last).flatten(2)  # (B, T, (n-1) C)
        h = F.dropout(torch.tanh(self.inner(x)), self.dropout, self.training)
        return torch.cat([h, x], dim=-1) if self.direct else h
