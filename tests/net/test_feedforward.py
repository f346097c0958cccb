from __future__ import annotations

import pytest
import torch

from lmbench.net.bigram_embedding import BigramEmbedding
from lmbench.net.feedforward import Feedforward


@pytest.mark.parametrize("direct", [False, True])
def test_it_is_bengios_equation(direct: bool) -> None:
    torch.manual_seed(0)
    net = Feedforward(5, context=3, width=4, hidden=6, direct=direct).eval()
    torch.nn.init.normal_(net.head.weight)
    ids = [2, 0, 1, 4]
    C, H, d = net.embedding.weight, net.inner.weight, net.inner.bias
    found = net.logits(net.hidden(torch.tensor([ids])))[0]
    for at in range(4):
        window = [ids[at - back] if at >= back else 5 for back in range(3)]  # 5: nothing is there
        x = torch.cat([C[i] for i in window])
        hidden = torch.tanh(d + H @ x)
        y = net.head.bias + net.head.weight @ (torch.cat([hidden, x]) if direct else hidden)
        assert torch.allclose(found[at], y, atol=1e-5)


def test_a_bigram_has_the_rank_of_its_width() -> None:
    torch.manual_seed(0)
    net = BigramEmbedding(12, width=3)
    torch.nn.init.normal_(net.head.weight)
    with torch.no_grad():
        table = net.logits(net.hidden(torch.arange(12)[None]))[0] - net.head.bias
    assert int(torch.linalg.matrix_rank(table, rtol=1e-5)) == 3
