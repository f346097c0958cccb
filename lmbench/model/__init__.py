"""What the benchmark compares. One file per model; `base.py` holds the contract. Every net is a model too."""

from __future__ import annotations

from lmbench.net import nets
from lmbench.registry import Registry, Wrapped

models = Registry("lmbench.model", "model", wrapped=Wrapped(nets, "lmbench.model._neural", "lmbench.training.options"))
