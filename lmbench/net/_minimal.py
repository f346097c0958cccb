"""The language model around the minimal recurrent cells of Feng et al. 2024."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmbench.net._pointwise import rms_norm
from lmbench.net._scan import scan
from lmbench.net.base import Recurrent, Setting, State, in_range, is_share


class Minimal(Recurrent):
    """Pre-norm residual blocks, each a cell and a two-layer perceptron (Feng et al. 2024, arXiv 2410.01201, appendix
    C). A subclass names its cell's `gates` and says what they give."""

    gates: ClassVar[int]

    def __init__(self, vocabulary: int, layers: int, width: int, expansion: float, back: int, dropout: float) -> None:
        super().__init__()
        in_range(1, None, layers=layers, width=width, back=back, expansion=expansion)
        is_share(dropout=dropout)
        self.vocabulary, self.row = vocabulary, back
        self.layers, self.dropout, self.inner = layers, dropout, int(width * expansion)
        self.embedding = nn.Embedding(vocabulary, width)
        self.gated = nn.ModuleList(nn.Linear(width, self.gates * self.inner) for _ in range(layers))
        self.out = nn.ModuleList(nn.Linear(self.inner, width, bias=False) for _ in range(layers))
        self.up = nn.ModuleList(nn.Linear(width, 4 * width, bias=False) for _ in range(layers))
        self.down = nn.ModuleList(nn.Linear(4 * width, width, bias=False) for _ in range(layers))
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        for layer in (*self.out, *self.down):
            nn.init.zeros_(layer.weight)  # a block starts as identity

    @classmethod
    def sizes(cls, setting: Setting, given: dict[str, Any]) -> dict[str, Any]:
        size = {} if setting.device == "cpu" else {"layers": 6, "width": 512, "back": 512}
        return {"dropout": setting.dropout, **size}

    @abstractmethod
    def cell(self, gated: Tensor) -> tuple[Tensor, Tensor]:
        """[..., gates x inner] -> what is kept of the state, a in 0 .. 1, and what is added to it, b: [..., inner]."""

    def start(self, rows: int) -> State:
        return (self.embedding.weight.new_zeros(self.layers, rows, self.inner),)

    def run(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        return self._read(ids, state[0], None)

    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        begins = None if documents is None else F.pad(documents[:, 1:] != documents[:, :-1], (1, 0))
        return self._read(ids, self.start(len(ids))[0], begins)[0]

    def _read(self, ids: Tensor, state: Tensor, begins: Tensor | None) -> tuple[Tensor, State]:
        """`state`: [layers, B, inner]; `begins`: [B, T] bool, where a document begins within the row."""
        x = F.dropout(self.embedding(ids), self.dropout, self.training)  # (B, T, C)
        after = []
        for layer in range(self.layers):
            keep, add = (part.float() for part in self.cell(self.gated[layer](rms_norm(x))))
            if begins is not None:
                keep = keep.masked_fill(begins[:, :, None], 0.0)  # nothing is kept from another document
            h = recur(keep, add, state[layer])  # (B, T, inner)
            after.append(h[:, -1])
            x = x + F.dropout(self.out[layer](h), self.dropout, self.training)
            up = F.gelu(self.up[layer](rms_norm(x)))
            x = x + F.dropout(self.down[layer](up), self.dropout, self.training)
        return rms_norm(x), (torch.stack(after),)


def recur(keep: Tensor, add: Tensor, state: Tensor) -> Tensor:
    """h[t] = keep[t] h[t-1] + add[t]: one place as it is, several by the parallel scan."""
    if keep.shape[1] == 1:
        return keep * state[:, None] + add
    return scan(keep, add, state)


def positive(x: Tensor) -> Tensor:
    """g(x) = x + 0.5 where x >= 0, else sigmoid(x): continuous and above zero (Feng et al. 2024, appendix B)."""
    return F.relu(x) + torch.sigmoid(x.clamp_max(0))
