"""Neural architectures. One file each; `base.py` holds the contract with the training loop."""

from __future__ import annotations

from lmbench.registry import Registry

nets = Registry("lmbench.net", "net", supplied=("vocabulary",))
