"""What the loop and the scoring rely on, held against every net there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lmbench.errors import UsageError
from lmbench.net import nets
from lmbench.net.base import Net, Recurrent
from lmbench.training.optimiser import optimisers

SIZE = {"layers": 2, "heads": 2, "width": 12, "hidden": 10, "context": 4, "back": 6}
LENGTH = 9


@pytest.fixture(params=nets.names)
def net(request: pytest.FixtureRequest) -> Net:
    """A small one of random weights, so that every part of it counts."""
    known = {option.name for option in nets.describe(request.param).options}
    options: dict[str, Any] = {key: value for key, value in SIZE.items() if key in known}
    if request.param == "transformer":
        options["context"] = LENGTH
    torch.manual_seed(0)
    made: Net = nets.load(request.param)(11, **options)
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return made.eval()


def rows() -> torch.Tensor:
    return torch.randint(11, (2, LENGTH), generator=torch.Generator().manual_seed(1))


def test_a_document_in_a_row_of_several_is_read_as_if_it_stood_alone(net: Net) -> None:
    ids = rows()
    documents = torch.tensor([[0] * 4 + [1] * 5, [0] + [1] * 6 + [2] * 2])
    together = net.hidden(ids, documents)
    assert torch.allclose(together[0, 4:], net.hidden(ids[:1, 4:])[0], atol=1e-5)
    assert torch.allclose(together[1, 1:7], net.hidden(ids[1:, 1:7])[0], atol=1e-5)
    if net.context != 1:
        assert not torch.allclose(together[1, 1:7], net.hidden(ids)[1, 1:7], atol=1e-3)


def test_the_future_is_not_seen_and_as_much_of_the_past_as_the_context_says(net: Net) -> None:
    ids = rows()
    for at in range(LENGTH):
        changed = ids.clone()
        changed[:, at] = (changed[:, at] + 1) % 11
        differs = (net.logits(net.hidden(ids)) != net.logits(net.hidden(changed))).any(2).any(0)
        reach = LENGTH if net.context is None else net.context
        assert differs.tolist() == [at <= place < at + reach for place in range(LENGTH)]


def test_the_loss_is_the_mean_cross_entropy_and_every_parameter_has_a_gradient(net: Net) -> None:
    ids = rows()
    targets = ids.roll(-1, 1)
    loss = net(ids, targets)
    log_probs = net.logits(net.hidden(ids)).log_softmax(-1)
    assert torch.allclose(loss, -log_probs.gather(2, targets[..., None]).mean(), atol=1e-5)
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_a_state_carried_from_piece_to_piece_is_that_of_the_whole(net: Net) -> None:
    if not isinstance(net, Recurrent):
        pytest.skip("carries no state")
    ids = rows()
    whole = net.hidden(ids)
    for cuts in ([1] * LENGTH, [4, 5], [1, 7, 1]):  # one by one is the recurrence, the whole the parallel form
        state, found = net.start(2), []
        for piece in ids.split(cuts, dim=1):
            hidden, state = net.run(piece, state)
            found.append(hidden)
        assert torch.allclose(torch.cat(found, dim=1), whole, atol=1e-5)


def test_every_parameter_is_trained_by_one_optimiser(net: Net) -> None:
    held = [id(p) for made in optimisers(net, 0.01, 0.1) for g in made.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in net.parameters())


def test_parameters_are_counted_and_operations_are_at_least_two_per_multiplied_weight(net: Net) -> None:
    costs = net.costs(LENGTH)
    assert costs["parameters"] == sum(p.numel() for p in net.parameters())
    assert costs["parameters_without_embeddings"] < costs["parameters"]
    assert costs["flops_per_token"] >= 6 * sum(p.numel() for p in net.matrices())


@pytest.mark.parametrize("name", nets.names)
def test_a_width_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="width must be 1 or more, not 0"):
        nets.load(name)(11, width=0)
