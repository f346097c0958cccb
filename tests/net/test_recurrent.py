from __future__ import annotations

import math

import pytest
import torch

from lmbench.net._minimal import positive
from lmbench.net.lstm import LSTM
from lmbench.net.mingru import MinGRU
from lmbench.net.minlstm import MinLSTM


def test_mingru_cell_worked_by_hand() -> None:
    net = MinGRU(4, layers=1, width=1, expansion=1)
    keep, add = net.cell(torch.tensor([[0.0, 2.0]]))  # z = 1/2, g(2) = 2.5
    assert (keep.item(), add.item()) == (0.5, 1.25)
    keep, add = net.cell(torch.tensor([[math.log(3), -math.log(4)]]))  # z = 3/4, g = sigmoid = 1/5
    assert keep.item() == pytest.approx(0.25)
    assert add.item() == pytest.approx(0.75 * 0.2)


def test_minlstm_cell_worked_by_hand() -> None:
    net = MinLSTM(4, layers=1, width=1, expansion=1)
    keep, add = net.cell(torch.tensor([[math.log(3), 0.0, 1.5]]))  # f = 3/4, i = 1/2, f' = 3/5
    assert keep.item() == pytest.approx(0.6)
    assert add.item() == pytest.approx(0.4 * 2.0)
    keep, add = net.cell(torch.tensor([[-200.0, -200.0, 1.5]]))  # both gates shut: still half and half
    assert keep.item() == pytest.approx(0.5)


def test_the_candidate_is_positive_and_continuous() -> None:
    x = torch.tensor([-30.0, -1e-6, 0.0, 1e-6, 4.0])
    assert (positive(x) > 0).all()
    assert positive(x)[1:4] == pytest.approx(torch.full((3,), 0.5), abs=1e-5)


def test_lstm_medium_has_zarembas_parameters() -> None:
    with torch.device("meta"):
        net = LSTM(10_000, layers=2, width=650, tied=False)
    cells = 2 * 4 * 650 * (650 + 650)
    biases = 2 * 2 * 4 * 650  # torch keeps two to a gate
    assert net.costs(35)["parameters"] == 2 * 10_000 * 650 + 10_000 + cells + biases


def test_dropout_acts_between_layers_and_in_training_only() -> None:
    torch.manual_seed(0)
    net = LSTM(5, layers=2, width=8, dropout=0.5)
    ids = torch.tensor([[1, 2, 3]])
    assert not torch.equal(net.hidden(ids), net.hidden(ids))
    net.eval()
    assert torch.equal(net.hidden(ids), net.hidden(ids))
