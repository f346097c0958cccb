"""What training has cost and come to, for a model's card."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from lmbench.training.device import autocast_type
from lmbench.training.loop import Loop
from lmbench.training.utilisation import peak_flops, utilisation


def account(loop: Loop, text: int) -> dict[str, Any]:
    """JSON values, of a loop that has run on a text of so many tokens; losses are in nats per token."""
    state, speed, processes, peak = loop.state, loop.tokens_per_second, loop.world.size, peak_flops(_gpu(loop))
    return {
        "batch": loop.data.rows * loop.data.length,
        "budget": asdict(loop.budget),
        "steps": state.step,
        "tokens": state.tokens,
        "epochs": state.tokens / text,
        "seconds": state.seconds,
        "starting_seconds": state.starting_seconds,
        "multiplied_in": _name(loop.autocast),
        "muon_multiplies_in": _name(autocast_type("auto", loop.device)) if loop.net.muon else None,
        "flops": loop.spent.flops,
        "processes": processes,
        "tokens_per_second": speed,
        "peak_flops_per_second": peak,
        "flop_utilisation": None if speed is None else utilisation(loop.flops_per_token, speed, peak, processes),
        "validation": {"row": loop.net.row, "tokens": loop.windows.scored},
        "best_validation": state.best,
        "best_tokens": state.best_tokens,
        "curve": state.curve,
    }


def sentences(loop: Loop) -> list[str]:
    """What the report says of it."""
    speed, processes, peak = loop.tokens_per_second, loop.world.size, peak_flops(_gpu(loop))
    if speed is None or peak is None:
        return loop.state.notes
    share = utilisation(loop.flops_per_token, speed, peak, processes)
    whole = f"{peak * processes / 1e12:,.0f} TFLOP/s in bfloat16 ({processes} x {_gpu(loop)})"
    return [f"model FLOP utilisation {share:.1%} of {whole}", *loop.state.notes]


def _name(dtype: torch.dtype | None) -> str:
    return str(dtype or torch.float32).removeprefix("torch.")


def _gpu(loop: Loop) -> str:
    return torch.cuda.get_device_name() if loop.device == "cuda" else ""
