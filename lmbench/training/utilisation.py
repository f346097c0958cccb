"""How much of a GPU training keeps busy."""

from __future__ import annotations

import re

_PEAKS = (  # bf16 with float32 accumulation, without sparsity; the first pattern that is found in the name counts
    (r"\bA100\b", 312e12),
    (r"\bGH200\b", 989.5e12),
    (r"\bH[12]00 NVL\b", 835.5e12),
    (r"\bH100 PCIe\b", 756.5e12),
    (r"\bH[12]00\b", 989.5e12),
    (r"\bL4\b", 121e12),
    (r"\bRTX 4090$", 165.2e12),
)


def peak_flops(name: str) -> float | None:
    """Floating-point operations a second that the GPU called `name` could do at most in bfloat16; None if not known.

    From NVIDIA's data sheets of each (A100, H100, H200, GH200, L4), which give twice as much where they count
    operations on zeros ("with sparsity"), and for the RTX 4090 from the Ada white paper, with accumulation in
    float32. A slice of a GPU (MIG) is not known. Names are those of
    `torch.cuda.get_device_name()`:

        >>> peak_flops("NVIDIA H100 80GB HBM3"), peak_flops("NVIDIA GeForce RTX 4090 Laptop GPU")
        (989500000000000.0, None)
    """
    if "MIG" in name:
        return None
    return next((peak for pattern, peak in _PEAKS if re.search(pattern, name)), None)


def utilisation(flops_per_token: float, tokens_per_second: float, peak: float | None, processes: int) -> float | None:
    """Model FLOP utilisation, 0 to 1: of the tokens a second that so many GPUs of `peak` could train on, the share
    that was (Chowdhery et al. 2022, PaLM, appendix B). None where the peak is not known.

    `flops_per_token` is 6 N + 12 L H Q T there: what the model needs, whatever the implementation does besides.
    `lmbench.net.base.Net.costs` counts it.
    """
    return None if peak is None else flops_per_token * tokens_per_second / (peak * processes)
