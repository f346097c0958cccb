"""Muon for the hidden matrices, AdamW for everything else."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from lmbench.net.base import Net
from lmbench.training.muon import Muon

TABLE_RATE = 3.0  # AdamW's learning rate for embeddings and vectors, as a multiple of the matrices'
MOMENTS: dict[type[Optimizer], frozenset[str]] = {
    AdamW: frozenset({"step", "exp_avg", "exp_avg_sq"}),
    Muon: frozenset({"momentum_buffer"}),
}
"""What each optimiser keeps of a parameter: `step` is a number, the others have the parameter's shape."""


def optimisers(
    net: Net,
    learning_rate: float,
    weight_decay: float,
    head_rate: float = TABLE_RATE,
    product: torch.dtype | None = None,
) -> list[Optimizer]:
    """One or two optimisers that together hold every parameter of `net` that is trained; each group keeps its full rate
    as `base`.

    One learning rate serves both, for a step of Muon is scaled to AdamW's usual size. AdamW's is `head_rate` times as
    large for the output layer, tied or not, and `TABLE_RATE` times for the rest. Weight decay is decoupled and falls on
    the matrices only. `product` is the type that Muon multiplies in, None for the matrices' own.
    """
    gpu = next(net.parameters()).device.type == "cuda"
    matrices = [p for p in net.matrices() if p.requires_grad]
    chosen = {id(p) for p in matrices}
    rest: list[nn.Parameter] = [p for p in net.parameters() if p.requires_grad and id(p) not in chosen]
    made: list[Optimizer] = []
    head, tables = [p for p in rest if p is net.output], [p for p in rest if p is not net.output]
    groups = [
        {"params": held, "lr": learning_rate * rate, "weight_decay": 0.0}
        for held, rate in ((tables, TABLE_RATE), (head, head_rate))
        if held
    ]
    if net.muon and matrices:
        made.append(Muon(matrices, lr=learning_rate, weight_decay=weight_decay, dtype=product))
    elif matrices:
        groups.append({"params": matrices, "lr": learning_rate, "weight_decay": weight_decay})
    if groups:
        made.append(AdamW(groups, betas=(0.9, 0.95), eps=1e-10, fused=True, capturable=gpu))
    for optimiser in made:
        for group in optimiser.param_groups:
            group["base"] = group["lr"]
            if gpu:
                group["lr"] = torch.tensor(group["lr"], device="cuda")  # a CUDA graph reads it anew at each step
    return made


def set_rates(made: list[Optimizer], factor: float) -> None:
    """Every learning rate at `factor` of its full value."""
    for optimiser in made:
        for group in optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(group["base"] * factor)
            else:
                group["lr"] = group["base"] * factor
