"""Long short-term memory."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmbench.net.base import Recurrent, Setting, State, in_range, is_share, places

__all__ = ["LSTM"]


class LSTM(Recurrent):
    """Long short-term memory: several layers, dropout between them, one table for input and output.

    Hochreiter & Schmidhuber 1997, with forget gates; dropout on what passes from layer to layer but not from place
    to place (Zaremba et al. 2014, equation 7); tied weights (Press & Wolf 2017; Merity et al. 2017).

    Args:
        layers: layers of cells, each reading the one below.
        width: length of the embedding, of the state of each layer, and of the output; left out, 640 on a GPU.
        back: tokens through which the gradient flows back in training; in scoring the state has no such limit.
        dropout: share of the activations between layers set to zero in training; left out, 0 to 0.3 by how often the
            text is read.
        tied: one table for the embedding and for the output layer.
    """

    # With the rate of a transformer's output layer, 0.57 there (and, as that needs, its tied table read times the root
    # of the width), an LSTM came to 1.512 nats per character of tinyshakespeare's validation text after 1,500,000
    # tokens; as it is, to 1.434.
    slow_output = False
    captures_documents = False  # their lengths decide what is computed
    compiles = False  # the fused recurrent kernels stay outside of the graph, and documents make its shapes vary

    def __init__(
        self,
        vocabulary: int,
        layers: int = 2,
        width: int = 256,
        back: int = 128,
        dropout: float = 0.0,
        tied: bool = True,
    ) -> None:
        super().__init__()
        in_range(1, None, layers=layers, width=width, back=back)
        is_share(dropout=dropout)
        self.vocabulary, self.row = vocabulary, back
        self.layers, self.width, self.dropout = layers, width, dropout
        self.embedding = nn.Embedding(vocabulary, width)
        self.cells = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.head = nn.Linear(width, vocabulary)
        if tied:
            self.head.weight = self.embedding.weight
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        for name, p in self.cells.named_parameters():
            if name.startswith("bias_ih"):
                nn.init.constant_(p[width : 2 * width], 1.0)  # forget gates start open (Jozefowicz et al. 2015)

    @classmethod
    def sizes(cls, setting: Setting, given: dict[str, Any]) -> dict[str, Any]:
        # on a GPU about the medium size of Zaremba et al. 2014, 650, in a multiple of 64 that its kernels are made for
        return {"dropout": setting.dropout} | ({} if setting.device == "cpu" else {"width": 640})

    def start(self, rows: int) -> State:
        zero = self.embedding.weight.new_zeros(self.layers, rows, self.width)
        return zero, zero

    def run(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        with precise(ids.device):
            hidden, state = self.cells(self._embed(ids), state)
        return F.dropout(hidden, self.dropout, self.training), state

    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        if documents is None:
            return self.run(ids, self.start(len(ids)))[0]
        # The fused kernels know no reset within a row: each document in a row becomes a row of its own. Those of about
        # one length, within a power of two, are read together, padded behind to the longest: `a a b | c c c` is read
        # as `b` and as `a a`, `c c c`. Packed rows of all lengths would take three to four times as long on a CPU.
        place = places(documents)  # (B, T)
        piece = (place == 0).flatten().cumsum(0).view_as(place) - 1  # (B, T), numbered through the batch
        lengths = piece.flatten().bincount()
        group = (lengths.double().log2().ceil().long())[piece]  # (B, T)
        x = self._embed(ids)
        hidden = torch.zeros_like(x)
        for of in torch.unique(group).tolist():
            inside = group == of
            pieces, row = torch.unique(piece[inside], return_inverse=True)
            at = (row, place[inside])
            rows = x.new_zeros(len(pieces), int(lengths[pieces].max()), self.width).index_put(at, x[inside])
            with precise(ids.device):
                hidden = hidden.index_put((inside,), self.cells(rows)[0][at].to(hidden.dtype))
        return F.dropout(hidden, self.dropout, self.training)

    def _embed(self, ids: Tensor) -> Tensor:
        return F.dropout(self.embedding(ids), self.dropout, self.training)  # (B, T, C)


def precise(device: torch.device) -> AbstractContextManager[Any]:
    """float32 for the cells on a GPU: autocast runs cuDNN's recurrent kernels in float16 even where bfloat16 was asked
    for, and without loss scaling small gradients vanish there. Matrix products inside are in TF32 in
    training."""
    return torch.autocast("cuda", enabled=False) if device.type == "cuda" else nullcontext()
