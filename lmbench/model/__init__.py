"""What the benchmark compares. One file per model; `base.py` holds the contract."""

from __future__ import annotations

from lmbench.registry import Registry

models = Registry("lmbench.model", "model")
