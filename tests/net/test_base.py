from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lmbench.net.base import Net, Setting, build, places, same_document


def test_places_count_from_each_documents_beginning() -> None:
    documents = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 2, 2, 3]])
    assert places(documents).tolist() == [[0, 1, 0, 1, 2], [0, 0, 0, 1, 0]]


def test_the_mask_is_causal_and_closed_at_documents() -> None:
    mask = same_document(torch.tensor([[0, 0, 1]]))
    assert mask.shape == (1, 1, 3, 3)
    assert mask[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


class Small(Net):
    """3 x 2 embedding, one 2 x 2 matrix, one gain, 2 x 3 output layer with bias."""

    def __init__(self, vocabulary: int, width: int = 2, tied: bool = False) -> None:
        super().__init__()
        self.vocabulary, self.row, self.context = vocabulary, 4, 4
        self.embedding = nn.Embedding(vocabulary, width)
        self.gain = nn.Parameter(torch.ones(width))
        self.matrix = nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, vocabulary)
        if tied:
            self.head.weight = self.embedding.weight

    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        return self.matrix(self.embedding(ids) * self.gain)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        return self.head(hidden)  # type: ignore[no-any-return]

    def attention_flops(self, length: int) -> int:
        return 10 * length

    @classmethod
    def sizes(cls, setting: Setting, given: dict[str, Any]) -> dict[str, Any]:
        return {"width": 4 if setting.device == "cuda" else 2}


def test_costs_worked_by_hand() -> None:
    costs = Small(3).costs(length=5)
    assert costs["parameters"] == 6 + 2 + 4 + 6 + 3
    assert costs["parameters_without_embeddings"] == 2 + 4 + 6 + 3
    assert costs["flops_per_token"] == 6 * (4 + 6) + 3 * 50
    tied = Small(3, tied=True).costs(length=5)
    assert tied["parameters"] == 6 + 2 + 4 + 3  # the shared table once
    assert tied["flops_per_token"] == costs["flops_per_token"]  # but it is multiplied with all the same


def test_muon_is_given_the_hidden_matrices_only() -> None:
    net = Small(3)
    assert [id(p) for p in net.matrices()] == [id(net.matrix.weight)]


def test_a_text_that_is_read_often_is_read_with_dropout() -> None:
    assert Setting(3, 1_000, tokens=2_000).dropout == 0.0
    assert Setting(3, 1_000, tokens=5_000).dropout == 0.1
    assert Setting(3, 1_000, tokens=50_000, seconds=1e9).dropout == 0.3
    assert Setting(3, 20_000, seconds=10).epochs == 10.0
    assert Setting(3, 0).epochs == 0.0


def test_the_output_layer_learns_the_more_slowly_the_more_often_a_text_is_read() -> None:
    rates = [Setting(3, 1_000, tokens=tokens).head_rate for tokens in (0, 10, 1_000, 4_000, 25_000, 10**9)]
    assert rates == pytest.approx([3.0, 3.0, 0.7, 0.35, 0.14, 0.1])


def test_the_output_layer_is_known_whether_or_not_its_table_is_the_embeddings() -> None:
    plain, tied = Small(3), Small(3, tied=True)
    assert plain.output is plain.head.weight
    assert tied.output is tied.head.weight is tied.embedding.weight


def test_what_the_user_gives_stands_above_what_fits() -> None:
    gpu = Setting(3, 100, device="cuda")
    assert build(Small, gpu, {})[1] == {"width": 4}
    net, options = build(Small, gpu, {"width": 6})
    assert options == {"width": 6}
    assert net.matrix.weight.shape == (6, 6)  # type: ignore[union-attr]
