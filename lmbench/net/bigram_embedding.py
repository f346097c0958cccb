"""The smallest step from counts to vectors."""

from __future__ import annotations

from torch import Tensor, nn

from lmbench.net.base import Net, State, in_range

__all__ = ["BigramEmbedding"]


class BigramEmbedding(Net):
    """Bigram of low rank: the last token's vector times every next token's vector, and a bias for how common it is.

    ln p(w | v) = e[v] . u[w] + b[w] - ln Z(v): a table of V x V logits from two of V x width
    (the log-bilinear model of Mnih & Hinton 2007 with a context of one).

    Args:
        width: length of the vectors, the rank of the table.
    """

    def __init__(self, vocabulary: int, width: int = 64) -> None:
        super().__init__()
        in_range(1, None, width=width)
        self.vocabulary, self.row, self.context = vocabulary, 256, 1
        self.embedding = nn.Embedding(vocabulary, width)
        self.head = nn.Linear(width, vocabulary)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        vectors: Tensor = self.embedding(ids)
        return vectors

    def start(self, rows: int) -> State:
        return ()

    def run(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        return self.hidden(ids), state
